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
    usleep(50000); /* it is due now */
    loop_turn(&loop, 100);
    assert_string_equal(order, "Uabtz");
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

/* --- more than a turn takes ---- */

enum { MANY = LOOP_EVENTS + 88 };

static unsigned heard;

static void count(struct loop_io *io, uint32_t events)
{
    (void)io;
    assert_true(events & EPOLLIN);
    heard++;
}

/* As after a stop of the process: what has come is heard before the time is over. */
static void nobody_is_late_while_events_wait(void **state)
{
    static struct loop_io io[MANY];
    struct timer timer = { 0 };

    (void)state;
    order[0] = '\0';
    heard = 0;
    assert_true(loop_init(&loop));
    for (int i = 0; i < MANY; i++) {
        io[i] = (struct loop_io){ .fd = eventfd(1, EFD_NONBLOCK), .ready = count };
        assert_true(loop_watch(&loop, &io[i], EPOLLIN | EPOLLET));
    }
    timer_set(&loop.timers, &timer, loop.now.ms + 1, fired);
    usleep(50000);
    loop_turn(&loop, 100);
    assert_int_equal(heard, LOOP_EVENTS);
    assert_string_equal(order, "");
    loop_turn(&loop, 100);
    assert_int_equal(heard, MANY);
    assert_string_equal(order, "t");
    for (int i = 0; i < MANY; i++)
        close(io[i].fd);
    loop_close(&loop);
}

/* Who never lets the loop come to an end of them keeps no timer from running for ever. */
static void timers_run_under_any_load(void **state)
{
    static struct loop_io io[MANY];
    struct timer timer = { 0 };

    (void)state;
    order[0] = '\0';
    assert_true(loop_init(&loop));
    for (int i = 0; i < MANY; i++) {
        io[i] = (struct loop_io){ .fd = eventfd(1, EFD_NONBLOCK), .ready = count };
        assert_true(loop_watch(&loop, &io[i], EPOLLIN)); /* again in each turn */
    }
    timer_set(&loop.timers, &timer, loop.now.ms + 1, fired);
    usleep(50000);
    int turns = 0;
    for (; order[0] == '\0' && turns < 1000; turns++)
        loop_turn(&loop, 100);
    assert_true(turns > 1 && turns < 1000);
    for (int i = 0; i < MANY; i++)
        close(io[i].fd);
    loop_close(&loop);
}

static void dawdle(struct loop_io *io, uint32_t events)
{
    count(io, events);
    usleep(100000);
}

/* Nor does one whose turns are long: TLS handshakes, say. */
static void timers_run_although_turns_are_long(void **state)
{
    static struct loop_io io[LOOP_EVENTS];
    struct timer timer = { 0 };

    (void)state;
    order[0] = '\0';
    assert_true(loop_init(&loop));
    for (int i = 0; i < LOOP_EVENTS; i++) {
        io[i] = (struct loop_io){ .fd = eventfd(1, EFD_NONBLOCK), .ready = i ? count : dawdle };
        assert_true(loop_watch(&loop, &io[i], EPOLLIN)); /* again in each turn */
    }
    timer_set(&loop.timers, &timer, loop.now.ms + 1, fired);
    for (int turns = 0; turns < 8; turns++)
        loop_turn(&loop, 100);
    assert_true(order[0] == 't');
    for (int i = 0; i < LOOP_EVENTS; i++)
        close(io[i].fd);
    loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urgent_first_then_timers_then_the_rest),
        cmocka_unit_test(events_are_younger_than_the_last_complete_wait),
        cmocka_unit_test(closed_within_the_turn_is_skipped),
        cmocka_unit_test(nobody_is_late_while_events_wait),
        cmocka_unit_test(timers_run_under_any_load),
        cmocka_unit_test(timers_run_although_turns_are_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
