/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no order of eviction can do better than, knowing the future. Where all objects are of one
 * size: Belady's MIN itself, with the right to store nothing. With sizes that is NP-hard; there it
 * is PFOO-L (Berger, Beckmann, Harchol-Balter, 2018): a hit costs size times the requests that the
 * object has to stay for, the cache has room times requests to spend in all, and the cheapest hits
 * are bought first. That is below what is possible at any moment, so a true lower bound of misses.
 */
#ifndef TESTS_EVICT_BOUND_H
#define TESTS_EVICT_BOUND_H

#include "tests/bench/evict_trace.h"

/* When the same object is asked for next, by request; UINT32_MAX: never. */
static inline uint32_t *bound_next(const struct trace *trace)
{
    uint32_t *next = trace_alloc(trace->requests, sizeof *next);
    uint32_t *seen = trace_alloc(trace->objects, sizeof *seen);
    memset(seen, 0xff, trace->objects * sizeof *seen);
    for (uint32_t i = trace->requests; i-- > 0;) {
        next[i] = seen[trace->request[i]];
        seen[trace->request[i]] = i;
    }
    free(seen);
    return next;
}

static inline int bound_order(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Misses, for objects of any size. */
static inline uint64_t bound_pfoo(const struct trace *trace, uint64_t room)
{
    uint32_t *next = bound_next(trace), count = 0;
    uint64_t *cost = trace_alloc(trace->requests, sizeof *cost), hits = 0;
    double left = (double)room * trace->requests;
    for (uint32_t i = 0; i < trace->requests; i++) {
        if (next[i] != UINT32_MAX)
            cost[count++] = (next[i] - i) * trace_bytes(trace, trace->request[i]);
    }
    qsort(cost, count, sizeof *cost, bound_order);
    while (hits < count && (left -= (double)cost[hits]) >= 0)
        hits++;
    free(cost);
    free(next);
    return trace->requests - hits;
}

struct bound_heap { /* of what is stored, the latest next request on top */
    uint32_t *at, n;
};

static inline void bound_push(struct bound_heap *heap, uint32_t when)
{
    uint32_t i = heap->n++;
    for (; i > 0 && heap->at[(i - 1) / 2] < when; i = (i - 1) / 2)
        heap->at[i] = heap->at[(i - 1) / 2];
    heap->at[i] = when;
}

static inline uint32_t bound_pop(struct bound_heap *heap)
{
    uint32_t top = heap->at[0], last = heap->at[--heap->n], i = 0, child;
    for (; (child = 2 * i + 1) < heap->n; i = child) {
        child += child + 1 < heap->n && heap->at[child + 1] > heap->at[child];
        if (heap->at[child] <= last)
            break;
        heap->at[i] = heap->at[child];
    }
    heap->at[i] = last;
    return top;
}

/* Misses, for objects of one size. What is stored is told by the time of its next request. */
static inline uint64_t bound_min(const struct trace *trace, uint64_t room)
{
    uint32_t *next = bound_next(trace), most = (uint32_t)(room / trace_bytes(trace, 0));
    uint8_t *stored = trace_alloc(trace->requests, 1);
    struct bound_heap heap = { trace_alloc(trace->requests + 1, sizeof *heap.at), 0 };
    uint64_t missed = 0;
    uint32_t count = 0; /* a hit leaves its old time in the heap, which is past and never on top */
    for (uint32_t i = 0; i < trace->requests; i++) {
        missed += !stored[i];
        count -= stored[i];
        if (next[i] == UINT32_MAX)
            continue;
        bound_push(&heap, next[i]);
        stored[next[i]] = 1;
        if (++count > most) {
            stored[bound_pop(&heap)] = 0;
            count--;
        }
    }
    free(heap.at);
    free(stored);
    free(next);
    return missed;
}

#endif
