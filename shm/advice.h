/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What more memory would bring, or less: small models of the dictionary at several sizes, each with
 * the real one's order of eviction (shm/queue.h), fed with the events of the sampled objects and
 * scaled down by the same share (miniature simulation: Waldspurger et al., ATC 2017; spatial
 * sampling: SHARDS, FAST 2015). Private to the process that asks; memory is bounded: where the
 * models get too large, fewer ids are looked at. Pure but for malloc.
 */
#ifndef SHM_ADVICE_H
#define SHM_ADVICE_H

#include "shm/samples.h"

enum { ADVICE_SIZES = 5, ADVICE_NOW = 1 };          /* ADVICE_NOW: the size that it has */
extern const unsigned advice_percent[ADVICE_SIZES]; /* of the size that it has, rising */

struct advice;

struct advice_report {
    double rate;       /* share of the ids that are looked at */
    uint64_t accesses; /* of sampled objects that count; older ones count for less */
    uint64_t objects;  /* known */
    uint64_t lost;     /* events that were not seen */
    int64_t since;     /* of the first event; 0: none */
    double idle;       /* seconds between the last access and eviction, of late; -1: not known */
    double real;       /* share of accesses that missed in the dictionary itself */
    struct {
        bool ready;    /* the model has been full, or knows all there is: it can be believed */
        double missed; /* share of accesses that miss at that size */
        double gained; /* share of the misses of today that would be hits; below 0: more misses */
        double error;  /* of that, two standard deviations */
    } size[ADVICE_SIZES];
};

/* NULL: no memory. */
struct advice *advice_make(void);
void advice_free(struct advice **advice);

/* Bytes, as eviction counts them, that the dictionary itself has room for; and the share of ids
 * that is sampled. Whenever they may have changed. */
void advice_room(struct advice *advice, uint64_t bytes);
void advice_sample(struct advice *advice, uint32_t below);

/* Events that happened up to `now`, in seconds since 1970. Returns `below` as it should be: lower
 * than it was when there are too many objects. */
uint32_t advice_take(struct advice *advice, const struct samples_event *events, uint32_t n,
                     int64_t now);
void advice_lost(struct advice *advice, uint64_t n);

void advice_report(const struct advice *advice, struct advice_report *out);

#endif
