/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traces for the eviction bench: which object each request asks for, and how large each object is.
 * Made from a seed, the same everywhere. Zipf: object r is asked for in proportion to 1 / (r+1)^s.
 * The scan mix puts a crawler among such requests, who walks through all there is in long runs. In
 * the skewed trace sizes follow a bounded Pareto law, whatever the popularity.
 */
#ifndef TESTS_EVICT_TRACE_H
#define TESTS_EVICT_TRACE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct trace_plan {
    const char *name;
    double zipf;
    bool skewed;
    uint32_t scan; /* per cent of the requests that are the crawler's */
};

struct trace {
    uint32_t objects, requests;
    uint32_t *request;    /* an object each */
    uint32_t *size;       /* body bytes, by object */
    uint64_t working_set; /* bytes of all objects asked for, as trace_bytes() counts them */
};

/* Key, head and the cache's entry: the part of an object that is no body. The peers pay it as well,
 * and nothing else: no rounding, no index, no free space in pages. */
enum { TRACE_BODY = 1024, TRACE_HEAD = 120, TRACE_KEY = 20, TRACE_ENTRY = 128, TRACE_RUN = 2000 };
enum { TRACE_LEAST = 400, TRACE_MOST = 512 * 1024 };

static inline uint64_t trace_bytes(const struct trace *trace, uint32_t object)
{
    return (uint64_t)trace->size[object] + TRACE_HEAD + TRACE_KEY + TRACE_ENTRY;
}

static inline uint64_t trace_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline double trace_unit(uint64_t *state)
{
    return (double)(trace_random(state) >> 11) / 9007199254740992.0;
}

static inline void *trace_alloc(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p)
        abort();
    return p;
}

/* The chance of an object no larger than r, for all r. */
static inline double *trace_zipf(uint32_t objects, double s)
{
    double *sum = trace_alloc(objects, sizeof *sum), total = 0;
    for (uint32_t r = 0; r < objects; r++)
        sum[r] = total += pow(r + 1.0, -s);
    for (uint32_t r = 0; r < objects; r++)
        sum[r] /= total;
    return sum;
}

static inline uint32_t trace_pick(const double *sum, uint32_t objects, double at)
{
    uint32_t low = 0, high = objects - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (sum[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Bounded Pareto, alpha 1.2: most objects are a few hundred bytes, some half a megabyte. */
static inline uint32_t trace_pareto(uint64_t *state)
{
    static const double alpha = 1.2;
    double share = 1 - pow((double)TRACE_LEAST / TRACE_MOST, alpha);
    return (uint32_t)(TRACE_LEAST * pow(1 - trace_unit(state) * share, -1 / alpha));
}

static inline void trace_weigh(struct trace *trace)
{
    uint8_t *seen = trace_alloc(trace->objects, 1);
    for (uint32_t i = 0; i < trace->requests; i++) {
        uint32_t object = trace->request[i];
        if (!seen[object])
            trace->working_set += trace_bytes(trace, object);
        seen[object] = 1;
    }
    free(seen);
}

static inline struct trace trace_make(const struct trace_plan *plan, uint32_t objects,
                                      uint32_t requests, uint64_t seed)
{
    struct trace trace = { .objects = objects, .requests = requests };
    double *sum = trace_zipf(objects, plan->zipf);
    uint32_t walk = 0, run = 0;
    trace.request = trace_alloc(requests, sizeof *trace.request);
    trace.size = trace_alloc(objects, sizeof *trace.size);
    for (uint32_t i = 0; i < objects; i++)
        trace.size[i] = plan->skewed ? trace_pareto(&seed) : TRACE_BODY;
    for (uint32_t i = 0; i < requests; i++) {
        if (run == 0 && trace_unit(&seed) * TRACE_RUN * (100 - plan->scan) < plan->scan)
            run = TRACE_RUN;
        if (run > 0) { /* 7919 has no common divisor with the number of objects: each in its turn */
            trace.request[i] = (uint32_t)((uint64_t)walk++ * 7919 % objects);
            run--;
        } else {
            trace.request[i] = trace_pick(sum, objects, trace_unit(&seed));
        }
    }
    free(sum);
    trace_weigh(&trace);
    return trace;
}

static inline void trace_drop(struct trace *trace)
{
    free(trace->request);
    free(trace->size);
}

#endif
