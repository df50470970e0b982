/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout of the word, from bit 0: the state (2 bits); UP: six counters of eight bits; otherwise: by
 * hand (1), two counters (16), tries (4), holder (9), due (32), which is 64 in all. A counter never
 * wraps: it is compared with its limit, of eight bits too, each time that it grows.
 */
#include "shm/verdict.h"
#include "shm/assert.h"
#include <string.h>

uint64_t verdict_pack(const struct verdict *v)
{
    uint64_t word = (uint64_t)v->state;
    int at = 2;

    if (v->state == HEALTH_UP) {
        for (int i = 0; i < VERDICT_SOURCES * VERDICT_FAILURES; i++, at += 8)
            word |= (uint64_t)v->failures[i / VERDICT_FAILURES][i % VERDICT_FAILURES] << at;
        return word;
    }
    must(v->tries <= VERDICT_TRIES_MAX && v->holder <= VERDICT_NOBODY);
    return word | (uint64_t)v->by_hand << 2 | (uint64_t)v->successes[0] << 3 |
           (uint64_t)v->successes[1] << 11 | (uint64_t)v->tries << 19 | (uint64_t)v->holder << 23 |
           (uint64_t)v->due << 32;
}

struct verdict verdict_unpack(uint64_t word)
{
    unsigned state = word & 3;
    struct verdict v = { .state = state == HEALTH_DOWN || state == HEALTH_TRIAL
                                      ? (enum health_state)state
                                      : HEALTH_UP,
                         .holder = VERDICT_NOBODY };
    int at = 2;

    if (v.state == HEALTH_UP) {
        for (int i = 0; i < VERDICT_SOURCES * VERDICT_FAILURES; i++, at += 8)
            v.failures[i / VERDICT_FAILURES][i % VERDICT_FAILURES] = (uint8_t)(word >> at);
        return v;
    }
    v.by_hand = word >> 2 & 1;
    v.successes[0] = (uint8_t)(word >> 3);
    v.successes[1] = (uint8_t)(word >> 11);
    v.tries = word >> 19 & 15;
    v.holder = word >> 23 & 0x1ff;
    v.due = (uint32_t)(word >> 32);
    return v;
}

/* --- the way back --------------------------------------------------------------------------- */

/* Ticks wrap: half of their range lies in the past of each moment. */
static bool verdict_past(uint32_t tick, uint32_t due)
{
    return (int32_t)(tick - due) >= 0;
}

static uint32_t verdict_at(uint32_t tick, uint32_t in)
{
    uint32_t due = tick + in;
    return due ? due : 1; /* 0 means never */
}

/* The next trial, later after each that failed, and up to a tenth later still by chance, so that
 * targets that went out together do not come back together. */
static uint32_t verdict_retry(uint8_t tries, const struct verdict_limits *limits,
                              const struct verdict_now *now)
{
    uint64_t wait = limits->retry;

    if (wait == 0)
        return 0;
    for (int i = 0; i < tries && wait < limits->retry_max; i++)
        wait *= 2;
    if (wait > limits->retry_max && limits->retry_max >= limits->retry)
        wait = limits->retry_max;
    wait += now->chance % (wait / 10 + 1);
    return verdict_at(now->tick, wait < INT32_MAX ? (uint32_t)wait : INT32_MAX);
}

static struct verdict verdict_down(uint8_t tries, const struct verdict_limits *limits,
                                   const struct verdict_now *now)
{
    return (struct verdict){ .state = HEALTH_DOWN,
                             .holder = VERDICT_NOBODY,
                             .tries = tries,
                             .due = verdict_retry(tries, limits, now) };
}

static struct verdict verdict_up(void)
{
    return (struct verdict){ .state = HEALTH_UP, .holder = VERDICT_NOBODY };
}

/* --- counting ------------------------------------------------------------------------------- */

static struct verdict verdict_count_up(struct verdict v, enum verdict_source source,
                                       enum verdict_event event,
                                       const struct verdict_limits *limits,
                                       const struct verdict_now *now)
{
    if (event == VERDICT_SUCCESS || event == VERDICT_LATE) {
        uint8_t refused = v.failures[source][VERDICT_TCP_FAILURE];
        memset(v.failures[source], 0, sizeof v.failures[source]);
        if (event == VERDICT_LATE)
            v.failures[source][VERDICT_TCP_FAILURE] = refused;
        return v;
    }
    uint8_t limit = limits->failures[source][event];
    if (limit == 0)
        return v;
    if (v.failures[source][event] + 1 < limit)
        v.failures[source][event]++;
    else
        v = verdict_down(0, limits, now);
    return v;
}

static struct verdict verdict_count_down(struct verdict v, enum verdict_source source,
                                         enum verdict_event event,
                                         const struct verdict_limits *limits)
{
    if (event != VERDICT_SUCCESS) {
        v.successes[source] = 0;
        return v;
    }
    if (limits->successes[source] == 0)
        return v;
    if (v.by_hand && source == VERDICT_PASSIVE)
        return v; /* a request from before, or from who did not know yet: nobody is sent there */
    if (v.successes[source] + 1 < limits->successes[source])
        v.successes[source]++;
    else
        v = verdict_up();
    return v;
}

struct verdict verdict_count(struct verdict v, enum verdict_source source, enum verdict_event event,
                             const struct verdict_limits *limits, const struct verdict_now *now)
{
    must(source < VERDICT_SOURCES && event <= VERDICT_LATE);
    if (event == VERDICT_NEITHER)
        return v;
    if (v.state == HEALTH_UP)
        return verdict_count_up(v, source, event, limits, now);
    return event == VERDICT_LATE ? v : verdict_count_down(v, source, event, limits);
}

/* --- the trial ------------------------------------------------------------------------------ */

bool verdict_may_try(const struct verdict *v, uint32_t tick)
{
    return v->state != HEALTH_UP && v->due != 0 && verdict_past(tick, v->due);
}

struct verdict verdict_try(struct verdict v, uint16_t holder, uint32_t patience, uint32_t tick)
{
    must(v.state != HEALTH_UP && holder < VERDICT_NOBODY);
    v.state = HEALTH_TRIAL;
    v.holder = holder;
    v.due = verdict_at(tick, patience);
    return v;
}

struct verdict verdict_conclude(struct verdict v, uint16_t holder, enum verdict_event event,
                                const struct verdict_limits *limits, const struct verdict_now *now)
{
    if (v.state != HEALTH_TRIAL || v.holder != holder)
        return v;
    bool counts = event != VERDICT_HTTP_FAILURE ||
                  limits->failures[VERDICT_PASSIVE][VERDICT_HTTP_FAILURE] > 0;
    if (event >= VERDICT_SUCCESS || !counts)
        return verdict_up();
    return verdict_down(v.tries < VERDICT_TRIES_MAX ? (uint8_t)(v.tries + 1) : v.tries, limits,
                        now);
}

struct verdict verdict_abandon(struct verdict v, uint16_t holder, uint32_t tick)
{
    if (v.state != HEALTH_TRIAL || v.holder != holder)
        return v;
    v.state = HEALTH_DOWN;
    v.holder = VERDICT_NOBODY;
    v.due = verdict_at(tick, 0);
    return v;
}

/* --- from outside --------------------------------------------------------------------------- */

struct verdict verdict_set(enum health_state state)
{
    struct verdict v = verdict_up();

    if (state != HEALTH_UP) {
        v.state = HEALTH_DOWN;
        v.by_hand = true;
    }
    return v;
}

static bool verdict_checked(const struct verdict_limits *limits)
{
    for (int i = 0; i < VERDICT_SOURCES * VERDICT_FAILURES; i++)
        if (limits->failures[i / VERDICT_FAILURES][i % VERDICT_FAILURES])
            return true;
    return limits->probed;
}

struct verdict verdict_settle(struct verdict v, const struct verdict_limits *limits,
                              const struct verdict_now *now)
{
    if (v.state == HEALTH_UP || v.by_hand)
        return v;
    if (!verdict_checked(limits))
        return verdict_up();
    if (v.state == HEALTH_DOWN && (v.due == 0) != (limits->retry == 0))
        v.due = verdict_retry(v.tries, limits, now);
    return v;
}
