/* SPDX-License-Identifier: Apache-2.0 */
/* Order within a turn: urgent events, other events, timers, what was put off; a closed descriptor's
 * event is skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/loop.h"
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct source {
    struct loop_io io;
    char name;
    struct source *closes; /* this one's event closes that one */
};

static struct loop loop;
static char order[32];

static void note(char c)
{
    size_t n = strlen(order);

    assert_true(n + 1 < sizeof order);
    order[n] = c;
    order[n + 1] = '\0';
}

static void ready(struct loop_io *io, uint32_t events)
{
    struct source *s = (struct source *)io;

    assert_true(events & EPOLLIN);
    note(s->name);
    if (s->closes) {
        close(s->closes->io.fd);
        s->closes->io.fd = -1;
    }
}

static struct source open_source(char name)
{
    return (struct source){ .io = { .fd = eventfd(1, EFD_NONBLOCK), .ready = ready },
                            .name = name };
}

static void later(struct loop_later *l)
{
    (void)l;
    note('z');
}

static void fired(struct timer *t)
{
    (void)t;
    note('t');
}

/* An event is younger than the clock before the last wait that told of all there was. */
static void events_are_younger_than_the_last_complete_wait(void **state)
{
    struct source first = open_source('a'), second = open_source('b');

    (void)state;
    order[0] = '\0';
    assert_true(loop_init(&loop));
    assert_true(loop_add(&loop, &first.io));
    loop_turn(&loop, 0);
    assert_string_equal(order, "a");
    assert_int_equal(loop.after, 0);
    int64_t before = loop.now.us;
    loop_turn(&loop, 0); /* nothing: so what comes from here on is younger than `before` */
    assert_true(loop_add(&loop, &second.io));
    loop_turn(&loop, 0);
    assert_string_equal(order, "ab");
    assert_int_equal(loop.after, before);
    close(loop.epoll);
    int64_t known = loop.emptied;
    loop_turn(&loop, 0); /* a wait that failed told of nothing */
    assert_int_equal(loop.emptied, known);
    loop.epoll = -1;
    loop_close(&loop);
}

static void urgent_first_then_timers_then_the_rest(void **state)
{
    struct source a = open_source('a'), b = open_source('b'), u = open_source('U');
    struct loop_later put_off;
    struct timer timer = { 0 };

    (void)state;
    order[0] = '\0';
    u.io.urgent = true;
    assert_true(loop_init(&loop));
    assert_true(loop_add(&loop, &a.io) && loop_add(&loop, &b.io) && loop_add(&loop, &u.io));
    loop_defer(&loop, &put_off, later);
    timer_set(&loop.timers, &timer, loop.now.ms + 1, fired);
    while (!strchr(order, 't'))
        loop_turn(&loop, 100);
    assert_string_equal(order, "Uabzt");
    loop_close(&loop);
    close(a.io.fd);
    close(b.io.fd);
    close(u.io.fd);
}

static void closed_within_the_turn_is_skipped(void **state)
{
    struct source a = open_source('a'), b = open_source('b');

    (void)state;
    order[0] = '\0';
    a.closes = &b;
    assert_true(loop_init(&loop));
    assert_true(loop_add(&loop, &a.io) && loop_add(&loop, &b.io));
    loop_turn(&loop, 100);
    assert_string_equal(order, "a");
    loop_close(&loop);
    close(a.io.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urgent_first_then_timers_then_the_rest),
        cmocka_unit_test(events_are_younger_than_the_last_complete_wait),
        cmocka_unit_test(closed_within_the_turn_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
