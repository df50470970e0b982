/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much the cache keeps of what is asked for again, beside LRU, FIFO, S3-FIFO, SIEVE and what is
 * possible at all: eviction [OBJECTS [REQUESTS]]. Prints misses in per cent of the requests, and of
 * the bytes asked for, by trace and by size of the cache in per cent of the working set. Fails when
 * ours misses more than a point more than the best of the others, or on the scan mix not a tenth
 * less than LRU.
 */
#include "tests/bench/evict_bound.h"
#include "tests/bench/evict_replay.h"

enum { OBJECTS = 400000, REQUESTS = 6000000 };

static const struct trace_plan plans[] = {
    { "Zipf 0.7", 0.7, false, 0 },  { "Zipf 0.9", 0.9, false, 0 }, { "Zipf 1.1", 1.1, false, 0 },
    { "scan mix", 0.9, false, 30 }, { "sizes", 0.9, true, 0 },
};
static const uint32_t shares[] = { 1, 5, 20 };

static double percent(uint64_t part, uint64_t whole)
{
    return 100.0 * (double)part / (double)whole;
}

/* The bound of bytes is not computed: the objects of PFOO-L are not worth their bytes there. */
static bool measure(const struct trace_plan *plan, const struct trace *trace, uint32_t share)
{
    uint64_t room = trace->working_set / 100 * share;
    struct peers_score ours = replay_run(trace, room), all[PEERS];
    uint64_t bound = plan->skewed ? bound_pfoo(trace, room) : bound_min(trace, room);
    double our = percent(ours.missed, ours.asked), best = 100, lru;
    printf("%-9s %3u %%  %7.2f", plan->name, share, our);
    for (int i = 0; i < PEERS; i++) {
        all[i] = peers_run(&peers_policies[i], trace, room);
        double one = percent(all[i].missed, all[i].asked);
        best = one < best ? one : best;
        printf(" %7.2f", one);
    }
    lru = percent(all[PEERS_LRU].missed, all[PEERS_LRU].asked);
    bool good = our <= best + 1 && (plan->scan == 0 || our <= 0.9 * lru);
    printf(" %7.2f  | %7.2f", percent(bound, ours.asked),
           percent(ours.bytes_missed, ours.bytes_asked));
    for (int i = 0; i < PEERS; i++)
        printf(" %7.2f", percent(all[i].bytes_missed, all[i].bytes_asked));
    printf("  %+.2f %s\n", our - best, good ? "" : "TOO MANY");
    fflush(stdout);
    return good;
}

int main(int argc, char **argv)
{
    uint32_t objects = argc > 1 ? (uint32_t)atoi(argv[1]) : OBJECTS;
    uint32_t requests = argc > 2 ? (uint32_t)atoi(argv[2]) : REQUESTS;
    bool good = true;
    printf("%-15s  %7s", "misses, %", "ours");
    for (int i = 0; i < PEERS; i++)
        printf(" %7s", peers_policies[i].name);
    printf(" %7s  | bytes missed, %%: the same order; ours - best\n", "bound");
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        struct trace trace = trace_make(&plans[i], objects, requests, 1 + i);
        for (size_t k = 0; k < sizeof shares / sizeof *shares; k++)
            good &= measure(&plans[i], &trace, shares[k]);
        trace_drop(&trace);
    }
    return good ? 0 : 1;
}
