/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an authorization service said of tokens, for all workers: short texts that hold until a
 * time, each under a keyed digest of its token and of how it was asked for. The token itself is
 * never in here. Looking one up takes no lock. About one digest one process asks at a time: who
 * comes meanwhile, in whatever process, waits for what it brings, and takes its place if it dies.
 *
 *   tokens_find() -> no; tokens_take() -> ASK     the others: tokens_take() -> WAIT
 *   ask, then tokens_tell() or tokens_fail()      woken: tokens_look(), then take again, or give up
 */
#ifndef SHM_TOKENS_H
#define SHM_TOKENS_H

#include "shm/region.h"

enum { TOKENS_VERSION = 1, TOKENS_ID = 32, TOKENS_SECRET = 32, TOKENS_TEXT = 1896 };

struct tokens; /* process-local handle */

struct tokens_ticket { /* one attempt at asking */
    uint64_t number;   /* 0: none is held */
    uint32_t place, owner, epoch;
};

enum tokens_turn {
    TOKENS_FOUND, /* the text is there by now: tokens_find() */
    TOKENS_ASK,   /* the caller asks, and owns the ticket */
    TOKENS_WAIT,  /* another process asks already */
    TOKENS_ALONE, /* the caller asks; there is no place to tell others of it */
};

enum tokens_news {
    TOKENS_PENDING,
    TOKENS_ENDED,  /* take again: what was said is there, or nobody asks any more */
    TOKENS_FAILED, /* the service gave no answer to the one who asked */
};

struct tokens_answer {
    const char *text;
    size_t n;      /* longer than TOKENS_TEXT: not kept, the others ask for themselves */
    int64_t until; /* ms since 1970; past: not kept either */
    bool refusal;  /* makes room for others first */
};

/* A zone with room for about size / 2048 tokens; memory is used as they come. Master, before fork.
 */
bool tokens_make(struct zone *zone, uint64_t size);
/* Whether that zone is what tokens_make() would make of that size. */
bool tokens_fits(const struct zone *zone, uint64_t size);
/* For the process that owns `slot` on the board; NULL: no memory. `wake` is called with the slots
 * of processes that wait for what this one tells. */
struct tokens *tokens_attach(const struct zone *zone, uint32_t slot,
                             void (*wake)(void *arg, uint32_t slot), void *arg);
void tokens_detach(struct tokens **tokens);
/* Master: a process was reaped. Whoever waits for it has to be woken afterwards. */
void tokens_break(const struct zone *zone, uint32_t slot);

/* The key of all digests, TOKENS_SECRET bytes. */
const uint8_t *tokens_secret(const struct tokens *tokens);

/* Copies what holds at `now` (ms since 1970) to out[TOKENS_TEXT]. False: nothing does. */
bool tokens_find(const struct tokens *tokens, const uint8_t id[TOKENS_ID], int64_t now, char *out,
                 size_t *n);

/* Before asking. With ASK and WAIT a ticket. */
enum tokens_turn tokens_take(struct tokens *tokens, const uint8_t id[TOKENS_ID], int64_t now,
                             struct tokens_ticket *ticket);
/* For one who waits. */
enum tokens_news tokens_look(const struct tokens *tokens, const struct tokens_ticket *ticket);

/* For the one who asked: the ticket ends, once, and those who wait are woken. Nothing happens
 * without a ticket. */
void tokens_tell(struct tokens *tokens, struct tokens_ticket *ticket,
                 const struct tokens_answer *answer, int64_t now);
void tokens_fail(struct tokens *tokens, struct tokens_ticket *ticket);

#endif
