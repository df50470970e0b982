/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One fill per key over all processes. Who misses takes a ticket for the id: FILL, it makes the
 * object; WAIT, somebody does already; PASS, nobody waits for anybody. Those who wait are told by a
 * wake-up of their process, join the object as soon as its head is there, and read its body while
 * it grows; how fast they read is nobody else's business. A ticket is one attempt: it ends once,
 * and whoever still needs the object takes another. A dead owner's tickets are lost from the moment
 * that cache_break() has counted its death, without a look at them.
 *
 *   filler                                   waiter
 *   cache_ticket_take() -> FILL              cache_ticket_take() -> WAIT
 *   cache_find() once more                   cache_ticket_sleep(), wake-up, cache_ticket_look()
 *   cache_fill_begin(), cache_fill_offer()   FILLING: cache_ticket_join()
 *   cache_fill_append(), _progress() ...     cache_body_grown(), cache_ticket_sleep() ...
 *   cache_fill_commit() or _abort()          WHOLE: the rest; LOST: cut off, or take again
 *   cache_ticket_end()                       cache_ticket_leave()
 */
#ifndef SHM_CACHE_TICKET_H
#define SHM_CACHE_TICKET_H

#include "shm/cache.h"

enum cache_ticket_verdict {
    CACHE_TICKET_FILL, /* the caller owns the ticket; look once more whether the object has come
                          between the miss and the ticket, and end it at once if so */
    CACHE_TICKET_WAIT, /* the caller holds another's ticket */
    CACHE_TICKET_PASS, /* no ticket: the answer could not be stored of late, or there are too many
                        */
};

enum cache_ticket_state {
    CACHE_TICKET_ASKED,   /* no answer yet */
    CACHE_TICKET_FILLING, /* the head is there, the body grows */
    CACHE_TICKET_WHOLE,   /* the body is complete and about to be published; nobody can join */
    CACHE_TICKET_DONE,    /* look into the cache */
    CACHE_TICKET_PASSED,  /* cannot be stored: everybody for himself */
    CACHE_TICKET_FAILED,  /* the upstream had no answer; `status` says what that means */
    CACHE_TICKET_LOST,    /* given up, or its owner died: take again */
};

struct cache_ticket_view {
    enum cache_ticket_state state;
    uint32_t status;    /* FAILED */
    uint64_t published; /* body bytes that can be read; all of them from WHOLE on */
    uint64_t expected;  /* body bytes as announced; UINT64_MAX: not known */
};

/* How the process of a slot is woken: called from within the calls below by whoever has news for
 * it. Once, after attach; without it nobody is woken. */
void cache_ticket_waker(struct cache *cache, void (*wake)(void *arg, uint32_t slot), void *arg);

/* A handle in *ticket for FILL and WAIT, 0 for PASS. `now`: seconds since 1970. */
enum cache_ticket_verdict cache_ticket_take(struct cache *cache, const uint8_t id[CACHE_ID_SIZE],
                                            int64_t now, uint32_t *ticket);
/* For refreshes that nobody has to wait for: true: the caller owns the ticket; false: somebody else
 * is at it, or nobody should be. */
bool cache_ticket_try(struct cache *cache, const uint8_t id[CACHE_ID_SIZE], int64_t now,
                      uint32_t *ticket);

/* For who could not make it himself: true: WAIT; false: nobody is at it. */
bool cache_ticket_await(struct cache *cache, const uint8_t id[CACHE_ID_SIZE], uint32_t *ticket);
/* Whether somebody is at it that one who asks now could wait for. */
bool cache_ticket_is_taken(struct cache *cache, const uint8_t id[CACHE_ID_SIZE]);

/* The owner's: ends it as DONE, PASSED, FAILED or LOST, unless it has ended, and gives the handle
 * back. The end of a fill ends the ticket as well, as DONE or LOST. `detail`: PASSED: until when
 * the id is remembered as one that cannot be stored (0: not at all); FAILED: the status. 0 as
 * handle is fine. */
void cache_ticket_end(struct cache *cache, uint32_t *ticket, enum cache_ticket_state state,
                      int64_t detail);

/* That id can be stored after all: those who come next wait for each other again. */
void cache_ticket_unmark(struct cache *cache, const uint8_t id[CACHE_ID_SIZE]);

/* A waiter's. */
void cache_ticket_look(const struct cache *cache, uint32_t ticket, struct cache_ticket_view *view);
/* Pins the object that is being filled, if its key is this one: head and meta hold, body_n is 0.
 * False: it is another key, it is no longer FILLING, or no pin can be had. */
bool cache_ticket_join(struct cache *cache, uint32_t ticket, const char *key, size_t n,
                       struct cache_hit *hit);
/* The process is to be woken once for the next news behind `seen`. False: there is some already. */
bool cache_ticket_sleep(struct cache *cache, uint32_t ticket, const struct cache_ticket_view *seen);
/* Gives the handle back. 0 is fine. */
void cache_ticket_leave(struct cache *cache, uint32_t *ticket);

/* Is there something newer to be had than what comes of it: a purge of it, or of what it turned out
 * to be, found nobody waits for it any more. Who waits already should take another ticket, unless
 * it began before. */
bool cache_ticket_is_purged(const struct cache *cache, uint32_t ticket);
/* The same, found out by the key and meta that its object would have (head and body: none): whether
 * a purge since it was taken concerns it. */
bool cache_ticket_is_outdated(struct cache *cache, uint32_t ticket, const struct cache_hit *like);

/* Nobody joins fills of that id any more that began before now; those who wait already stay. Part
 * of cache_purge(). */
void cache_ticket_purge(struct cache *cache, const uint8_t id[CACHE_ID_SIZE]);

#endif
