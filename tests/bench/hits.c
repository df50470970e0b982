/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hit costs in the cache itself, in nanoseconds of CPU: of one object, of 1,000,000 that are
 * asked for at random (key hashed, object found, head and body copied, as a request does), and of
 * one object that two processes ask for at once, beside two that have one each. The best of ROUNDS,
 * since other work on the machine only ever adds. Takes 2 GB of memory.
 */
#include "shm/cache.h"
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MANY = 1000000, BODY = 1024, HITS = 300000, ROUNDS = 7, NOW = 1 };

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static size_t make_key(uint32_t number, char key[32], const struct cache *cache, uint8_t *id)
{
    static const char digits[] = "0123456789abcdef";
    memcpy(key, "GET|http|/o/", 12);
    for (int i = 0; i < 8; i++)
        key[12 + i] = digits[number >> (28 - 4 * i) & 15];
    cache_id(cache, key, 20, id);
    return 20;
}

static void store(struct cache *cache, uint32_t number)
{
    static const char head[120], body[BODY];
    const struct cache_meta meta = { .stored = NOW, .keep_until = NOW + 1, .status = 200 };
    uint8_t id[CACHE_ID_SIZE];
    char key[32];
    size_t n = make_key(number, key, cache, id);
    struct cache_fill *fill =
        cache_fill_begin(cache, id, key, n, &meta, head, sizeof head, sizeof body);
    if (!fill || !cache_fill_append(fill, body, sizeof body) || !cache_fill_commit(&fill))
        abort();
}

static void hit(struct cache *cache, uint32_t number)
{
    static char out[4096];
    uint8_t id[CACHE_ID_SIZE];
    char key[32];
    struct cache_hit hit;
    struct iovec iov[4];
    size_t n = make_key(number, key, cache, id), bytes;
    if (!cache_find(cache, id, key, n, NOW, &hit))
        abort();
    memcpy(out, hit.head, hit.head_n);
    int count = cache_body(cache, &hit, 0, iov, 4, &bytes);
    for (int i = 0; i < count; i++)
        memcpy(out + 512, iov[i].iov_base, iov[i].iov_len);
    cache_unpin(cache, &hit);
}

/* Nanoseconds a hit on `count` objects from `first` on, the best round. */
static double measure(struct cache *cache, uint32_t first, uint32_t count)
{
    uint32_t dice = 1;
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double since = cpu_ns();
        for (uint32_t i = 0; i < HITS; i++) {
            dice = dice * 1664525u + 1013904223u;
            hit(cache, first + (uint32_t)((uint64_t)dice * count >> 32));
        }
        double one = (cpu_ns() - since) / HITS;
        best = one < best ? one : best;
    }
    return best;
}

static void run_child(const struct zone *zone, uint32_t slot, uint32_t object, const char *what)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(slot - 1, &cpus);
    (void)sched_setaffinity(0, sizeof cpus, &cpus);
    struct cache *cache = cache_attach(zone, slot);
    if (!cache)
        _exit(1);
    printf("%-38s %6.0f ns\n", what, measure(cache, object, 1));
    cache_detach(&cache);
    fflush(stdout);
    _exit(0);
}

static void two(const struct zone *zone, const uint32_t objects[2], const char *what)
{
    fflush(stdout);
    for (uint32_t i = 0; i < 2; i++) {
        if (fork() == 0)
            run_child(zone, 1 + i, objects[i], what);
    }
    while (wait(NULL) > 0)
        ;
}

int main(void)
{
    struct zone zone;
    if (!region_make(&zone, ZONE_CACHE, CACHE_VERSION, "hits", UINT64_C(2) << 30) ||
        !cache_format(&zone))
        return 1;
    struct cache *cache = cache_attach(&zone, 0);
    if (!cache)
        return 1;
    for (uint32_t i = 0; i < MANY; i++)
        store(cache, i);
    printf("%-38s %6.0f ns\n", "one object", measure(cache, 77, 1));
    printf("%-38s %6.0f ns\n", "1,000,000 objects", measure(cache, 0, MANY));
    two(&zone, (uint32_t[]){ 77, 77 }, "one object, two processes");
    two(&zone, (uint32_t[]){ 5, 777777 }, "two processes, an object each");
    cache_detach(&cache);
    region_drop(&zone);
    return 0;
}
