/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of health, pure: what is known of a target, and what an observation makes of it. All of
 * it fits into one word of 64 bits, so that a change is one compare-and-swap and no process can die
 * in the middle of one. Time is an argument, in ticks of 16 ms that may wrap; so is chance.
 *
 * While a target is UP its failures are counted, by kind and source; a success of the same source
 * sets them back, so a limit means so many in a row. One that is late, an answer from before the
 * target died, says nothing against TCP failures. While it is DOWN successes are counted, and a
 * failure sets those back. The trial is the half-open state: one request is let through to a target
 * that is DOWN, and decides.
 */
#ifndef SHM_VERDICT_H
#define SHM_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

enum health_state { HEALTH_UP, HEALTH_DOWN, HEALTH_TRIAL };

enum verdict_source { VERDICT_ACTIVE, VERDICT_PASSIVE, VERDICT_SOURCES };

enum verdict_event {
    VERDICT_TCP_FAILURE, /* no connection, reset, cut, TLS, or an answer that is none */
    VERDICT_TIMEOUT,
    VERDICT_HTTP_FAILURE, /* a status of the failing list */
    VERDICT_SUCCESS,      /* a status of the other list; for tcp: connected */
    VERDICT_NEITHER,      /* a status in neither list: changes no counter */
    VERDICT_LATE, /* a success that had come before the last TCP failure was seen, read after it */
    VERDICT_FAILURES = VERDICT_SUCCESS,
};

enum { VERDICT_TICK_MS = 16, VERDICT_NOBODY = 0x1ff, VERDICT_TRIES_MAX = 15 };

/* What the configuration asks of an upstream's targets. All zero: no checks. */
struct verdict_limits {
    uint8_t failures[VERDICT_SOURCES][VERDICT_FAILURES]; /* by event; 0: never */
    uint8_t successes[VERDICT_SOURCES];                  /* 0: never */
    bool probed;               /* targets are probed in one state at least */
    uint32_t retry, retry_max; /* ticks until a trial, doubling up to; 0: none */
};

struct verdict {
    enum health_state state;
    /* UP */
    uint8_t failures[VERDICT_SOURCES][VERDICT_FAILURES];
    /* DOWN, TRIAL */
    bool by_hand;
    uint8_t successes[VERDICT_SOURCES];
    uint8_t tries;   /* trials that failed in a row */
    uint16_t holder; /* TRIAL: the board slot of the process that has it */
    uint32_t due; /* DOWN: when a trial may begin; TRIAL: when its holder is given up; 0: never */
};

/* All zero bits are a target that is UP and of which nothing is known. */
uint64_t verdict_pack(const struct verdict *v);
struct verdict verdict_unpack(uint64_t word);

/* The present, for all functions below. `chance`: any random number. */
struct verdict_now {
    uint32_t tick;
    uint32_t chance;
};

/* One observation, but for a trial's. */
struct verdict verdict_count(struct verdict v, enum verdict_source source, enum verdict_event event,
                             const struct verdict_limits *limits, const struct verdict_now *now);

/* Whether a trial may begin now: nobody has it, or its holder is given up. */
bool verdict_may_try(const struct verdict *v, uint32_t tick);
/* It begins. `patience`: ticks until its holder is given up. */
struct verdict verdict_try(struct verdict v, uint16_t holder, uint32_t patience, uint32_t tick);
/* What its holder saw. Any answer ends it well but for a failing status where those are counted.
 * Nothing if it is not his. */
struct verdict verdict_conclude(struct verdict v, uint16_t holder, enum verdict_event event,
                                const struct verdict_limits *limits, const struct verdict_now *now);
/* It ended without a verdict (the client left, the holder died): the next one may begin at once. */
struct verdict verdict_abandon(struct verdict v, uint16_t holder, uint32_t tick);

/* By hand: counters are reset. What was taken out by hand is not tried; probes may bring it back.
 */
struct verdict verdict_set(enum health_state state);

/* What other settings mean for what is known: a target that nothing could bring back any more is
 * UP, one whose way back has changed takes the new one. */
struct verdict verdict_settle(struct verdict v, const struct verdict_limits *limits,
                              const struct verdict_now *now);

#endif
