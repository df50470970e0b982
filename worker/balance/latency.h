/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a peer's latency: an average that forgets (half of what it knows in HALF ms) and
 * jumps up at once when an answer took longer (peak EWMA). One word in the peer's shared row, so
 * that all workers and the next load choose by the same value, and a worker that starts need not
 * learn anew; it is stored without a lock, as an answer that is lost to another's store at the same
 * moment is followed by the next.
 */
#ifndef BALANCE_LATENCY_H
#define BALANCE_LATENCY_H

#include "worker/base/peers.h"

enum { LATENCY_HALF = 5000 /* ms */, LATENCY_FAILED = 1000 * 1000 /* us: a failure counts so */ };

/* The word when an answer took `us` at `now` (CLOCK_MONOTONIC ms). */
uint64_t latency_learn(uint64_t word, int64_t us, int64_t now);
/* The average now, us; 0: nothing is known. */
uint32_t latency_of(uint64_t word, int64_t now);

/* A try came to a response's head after `us`, or failed. */
void latency_answered(const struct peer *peer, int64_t us, int64_t now);
void latency_failed(const struct peer *peer, int64_t us, int64_t now);

#endif
