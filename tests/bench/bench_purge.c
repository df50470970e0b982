/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a purge costs, and a hit after it, over 1,000,000 stored objects of 1 KB with real keys,
 * heads and tags: each kind 1,000 times, with the work of the control process (labels and marks)
 * inside the watch. Prints microseconds a purge (median, 99 %, the worst), nanoseconds a
 * hit: at rest, the first after a purge that concerns others, and bytes of overhead an object.
 */
#include "shm/region.h"
#include "worker/http/cache_key.h"
#include "worker/http/labels.h"
#include "worker/http/reuse.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OBJECTS = 1000000, BODY = 1024, ROUNDS = 1000, LOOKS = 1000000, NOW = 1000 };
enum { HOSTS = 10, TAGS = 5000, ZONE_MIB = 1700, STRIDE = 7919 };

static const struct labels_queries no_queries;
static struct cache *cache;
static uint8_t (*ids)[CACHE_ID_SIZE];

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static size_t print(char *out, size_t cap, const char *format, unsigned n)
{
    return (size_t)snprintf(out, cap, format, n);
}

static void store(unsigned i)
{
    char key[256], host[32], path[64], head[256], body[BODY] = { 0 };
    struct cache_meta meta = {
        .keep_until = NOW, .fresh_for = 60, .flags = REUSE_TAGGED, .service = 5, .status = 200
    };
    struct cache_key_parts parts = {
        .route_id = SLICE("11111111-1111-4111-8111-111111111111"),
        .method = SLICE("GET"),
        .host = { host, print(host, sizeof host, "host%u.example", i % HOSTS) },
        .path = { path, print(path, sizeof path, "/catalogue/items/%u", i) },
    };
    size_t key_n = (size_t)cache_key_write(&parts, key, sizeof key);
    size_t head_n = print(head, sizeof head,
                          "Content-Type: application/json\r\nCache-Control: max-age=60\r\n"
                          "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nCache-Tag: all, item-%u\r\n",
                          i % TAGS);
    cache_id(cache, key, key_n, ids[i]);
    struct cache_fill *fill =
        cache_fill_begin(cache, ids[i], key, key_n, &meta, head, head_n, sizeof body);
    if (!fill || !cache_fill_append(fill, body, sizeof body) || !cache_fill_commit(&fill))
        abort();
}

/* --- purges --------------------------------------------------------------------------------- */

static void by_key(unsigned i, struct labels *out)
{
    labels_key(cache, ids[i], out);
}

static void by_url(unsigned i, struct labels *out)
{
    char path[64];

    print(path, sizeof path, "/catalogue/items/%u", i);
    labels_url(cache, &no_queries, SLICE("host1.example"), slice_of(path, strlen(path)),
               slice_of(NULL, 0), out);
}

static void by_tag(unsigned i, struct labels *out)
{
    char tag[32];

    print(tag, sizeof tag, "item-%u", i % TAGS);
    (void)labels_tags(cache, slice_of(tag, strlen(tag)), out);
}

static void by_prefix(unsigned i, struct labels *out)
{
    char path[64];

    print(path, sizeof path, "/catalogue/items/%u", i % 100);
    (void)labels_prefix(cache, slice_of(path, strlen(path)), out);
}

static void by_host(unsigned i, struct labels *out)
{
    char host[32];

    print(host, sizeof host, "host%u.example", i % HOSTS);
    labels_host(cache, slice_of(host, strlen(host)), out);
}

static void by_route(unsigned i, struct labels *out)
{
    (void)i;
    labels_route(cache, SLICE("22222222-1111-4111-8111-111111111111"), out);
}

static void by_service(unsigned i, struct labels *out)
{
    (void)i;
    labels_service(cache, SLICE("33333333-1111-4111-8111-111111111111"), out);
}

static void by_all(unsigned i, struct labels *out)
{
    (void)i;
    labels_all(out);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void measure(const char *name, void (*by)(unsigned, struct labels *),
                    enum purges_force force)
{
    static double times[ROUNDS];
    struct labels labels;

    for (unsigned i = 0; i < ROUNDS; i++) {
        double began = now_us();
        by(i * STRIDE % OBJECTS, &labels);
        purges_mark(cache, labels.v, labels.n, force);
        times[i] = now_us() - began;
    }
    qsort(times, ROUNDS, sizeof times[0], by_size);
    printf("%-8s %-5s %8.2f %8.2f %8.2f\n", name, force == PURGES_HARD ? "hard" : "soft",
           times[ROUNDS / 2], times[ROUNDS / 100 * 99], times[ROUNDS - 1]);
}

/* --- hits ----------------------------------------------------------------------------------- */

static double looks(unsigned *found)
{
    struct cache_hit hit;
    double began = now_us();

    *found = 0;
    for (unsigned i = 0, at = 0; i < LOOKS; i++, at = (at + STRIDE) % OBJECTS)
        if (cache_find(cache, ids[at], NULL, 0, NOW, &hit)) {
            ++*found;
            cache_unpin(cache, &hit);
        }
    return (now_us() - began) * 1000 / LOOKS;
}

static void hits(const char *what)
{
    unsigned found;
    double ns = looks(&found);

    printf("%-44s %6.0f ns, %u found\n", what, ns, found);
}

static void mark(void (*by)(unsigned, struct labels *), unsigned i)
{
    struct labels labels;

    by(i, &labels);
    purges_mark(cache, labels.v, labels.n, PURGES_HARD);
}

int main(void)
{
    struct zone zone;
    struct cache_stats stats;

    ids = malloc(sizeof *ids * OBJECTS);
    if (!ids || !region_make(&zone, ZONE_CACHE, CACHE_VERSION, "bench", (uint64_t)ZONE_MIB << 20) ||
        !cache_format(&zone) || !(cache = cache_attach(&zone, 1)))
        return 1;
    purges_use(cache, labels_see);
    for (unsigned i = 0; i < OBJECTS; i++)
        store(i);
    cache_stats(cache, &stats);
    printf("%llu objects, %.0f bytes of overhead each\n\n", (unsigned long long)stats.objects,
           (double)stats.overhead / (double)stats.objects);
    hits("a hit, the first of its object");
    hits("a hit, nothing purged since");
    mark(by_route, 0);
    hits("a hit after a purge of another route");
    mark(by_url, OBJECTS);
    hits("a hit after a purge of another URL");
    mark(by_tag, 7);
    hits("a hit after a purge of a tag");
    mark(by_prefix, 42);
    hits("a hit after a purge of a prefix");
    hits("a hit, nothing purged since");
    printf("\npurge           median     99 %%    worst   us\n");
    static const struct {
        const char *name;
        void (*by)(unsigned, struct labels *);
    } kinds[] = { { "key", by_key },         { "url", by_url },   { "tag", by_tag },
                  { "prefix", by_prefix },   { "host", by_host }, { "route", by_route },
                  { "service", by_service }, { "all", by_all } };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        for (int force = PURGES_SOFT; force >= PURGES_HARD; force--)
            measure(kinds[i].name, kinds[i].by, (enum purges_force)force);
    cache_detach(&cache);
    region_drop(&zone);
    return 0;
}
