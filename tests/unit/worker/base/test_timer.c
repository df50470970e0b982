/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wheel against the plain rule: a timer fires once, not before its deadline and at most one
 * tick after it, however its deadline was moved meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/timer.h"
#include <stdlib.h>

enum { TIMERS = 500 };

struct probe {
    struct timer t;
    int64_t wanted; /* 0: must not fire */
    int fired;
};

static struct timers wheel;
static int64_t now;

static void fire(struct timer *t)
{
    struct probe *p = (struct probe *)t;

    p->fired++;
    assert_int_not_equal(p->wanted, 0);
    assert_true(now >= p->wanted);
    assert_true(now <= p->wanted + 2 * TIMER_TICK_MS);
    p->wanted = 0;
}

static void advance(int64_t ms)
{
    for (int64_t end = now + ms; now < end;) {
        int wait = timer_wait(&wheel, now, 50);
        now += wait < 1 ? 1 : wait;
        timer_run(&wheel, now);
    }
}

static void fires_in_time(void **state)
{
    static struct probe p[TIMERS];

    (void)state;
    now = 1000003;
    timer_init(&wheel, now);
    srand(7);
    for (int i = 0; i < TIMERS; i++) {
        p[i] = (struct probe){ .wanted = now + 1 + rand() % 200000 };
        timer_set(&wheel, &p[i].t, p[i].wanted, fire);
    }
    advance(210000);
    for (int i = 0; i < TIMERS; i++)
        assert_int_equal(p[i].fired, 1);
}

/* Deadlines that move both ways, are cleared, and are set again. */
static void follows_moves(void **state)
{
    static struct probe p[TIMERS];

    (void)state;
    now = 5;
    timer_init(&wheel, now);
    srand(11);
    for (int round = 0; round < 3000; round++) {
        struct probe *one = &p[rand() % TIMERS];
        switch (rand() % 4) {
        case 0:
            timer_clear(&one->t);
            one->wanted = 0;
            break;
        case 1:
            timer_drop(&wheel, &one->t);
            one->wanted = 0;
            break;
        default:
            one->wanted = now + 1 + rand() % 100000;
            timer_set(&wheel, &one->t, one->wanted, fire);
        }
        advance(rand() % 60);
    }
    advance(120000);
    for (int i = 0; i < TIMERS; i++)
        assert_int_equal(p[i].wanted, 0);
}

static void survives_a_long_sleep(void **state)
{
    static struct probe p;

    (void)state;
    now = 77;
    timer_init(&wheel, now);
    p = (struct probe){ .wanted = now + 3600000 - 10 };
    timer_set(&wheel, &p.t, p.wanted, fire);
    now += 3600000;
    timer_run(&wheel, now);
    assert_int_equal(p.fired, 1);
}

static void waits_for_the_next_one(void **state)
{
    static struct probe p;

    (void)state;
    now = 64;
    timer_init(&wheel, now);
    assert_int_equal(timer_wait(&wheel, now, 1234), 1234);
    p = (struct probe){ .wanted = now + 500 };
    timer_set(&wheel, &p.t, p.wanted, fire);
    int wait = timer_wait(&wheel, now, 100000);
    assert_in_range(wait, 500, 500 + TIMER_TICK_MS);
    timer_drop(&wheel, &p.t);
    assert_int_equal(timer_wait(&wheel, now, 1234), 1234);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_in_time),
        cmocka_unit_test(follows_moves),
        cmocka_unit_test(survives_a_long_sleep),
        cmocka_unit_test(waits_for_the_next_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
