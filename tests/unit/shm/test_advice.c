/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the models foretell from a few samples of one dictionary, beside real dictionaries of the
 * foretold sizes that get the same requests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "shm/advice.h"
#include "shm/cache_report.h"
#include "tests/unit/shm/store_fixture.h"

enum { NOW = 1000000, ONE = 24 << 20, ASKED = 400000, BATCH = 64 };

static uint64_t dice = 88172645463325252u;

static double roll(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (double)(dice >> 11) / 0x1p53;
}

static uint64_t scramble(uint64_t n)
{
    n = (n ^ n >> 31) * 0x9e3779b97f4a7c15u;
    return n ^ n >> 29;
}

/* Number of an object by a power law with that exponent: the inverse of the integral. */
static uint32_t popular(double exponent, double objects)
{
    double e = 1 - exponent, u = roll();
    if (fabs(e) < 0.001)
        return (uint32_t)exp(u * log(objects));
    return (uint32_t)pow(1 + u * (pow(objects, e) - 1), 1 / e);
}

static size_t size_of(uint32_t number, bool skewed)
{
    uint64_t n = scramble(number);
    return skewed && n % 20 == 0 ? 8000 + n % 30000 : 600 + n % 900;
}

struct trace {
    const char *name;
    double exponent, objects;
    unsigned scan; /* every so many requests one for what nobody asks for again; 0: none */
    bool skewed;   /* in sizes */
};

/* Looks it up, and stores it when it is not there. True: a hit. */
static bool ask(struct cache *cache, uint32_t number, size_t size)
{
    static const char body[65536];
    const struct cache_meta meta = { .stored = NOW, .keep_until = NOW + 100000, .status = 200 };
    uint8_t id[CACHE_ID_SIZE];
    struct cache_hit hit;
    char key[16];
    size_t n = (size_t)snprintf(key, sizeof key, "%u", number);
    cache_id(cache, key, n, id);
    if (cache_find(cache, id, key, n, NOW, &hit)) {
        cache_unpin(cache, &hit);
        return true;
    }
    struct cache_fill *fill = cache_fill_begin(cache, id, key, n, &meta, "", 0, size);
    assert_true(fill && cache_fill_append(fill, body, size) && cache_fill_commit(&fill));
    return false;
}

struct reader {
    struct cache *cache;
    struct advice *advice;
    uint64_t at, lost;
};

static void drain(struct reader *r)
{
    struct samples_event events[BATCH];
    struct cache_report report;
    uint32_t n;
    cache_report(r->cache, &report);
    uint64_t bytes = report.small.bytes + report.main.bytes;
    double part =
        (double)report.slab_bytes / (double)((report.slab_pages + report.free_pages) * PAGES_SIZE);
    advice_room(r->advice, (uint64_t)((double)bytes / (part > 0 ? part : 1)));
    while ((n = samples_read(r->cache, &r->at, events, BATCH, &r->lost)) > 0)
        samples_lower(r->cache, advice_take(r->advice, events, n, NOW));
}

static uint32_t next(const struct trace *t, uint32_t i)
{
    if (t->scan && i % t->scan == 0)
        return 100000000u + i;
    return popular(t->exponent, t->objects);
}

/* Misses of the real ones over the second half, and what the models say of it. */
static void compare(const struct trace *t)
{
    struct fixture f[ADVICE_SIZES];
    uint64_t missed[ADVICE_SIZES] = { 0 };
    struct advice_report report;
    for (size_t i = 0; i < ADVICE_SIZES; i++)
        f[i] = fixture_make((uint64_t)ONE / 100 * advice_percent[i]);
    struct reader r = { .cache = f[ADVICE_NOW].cache, .advice = advice_make() };
    assert_non_null(r.advice);
    advice_sample(r.advice, samples_below(r.cache));
    for (uint32_t i = 0; i < ASKED; i++) {
        uint32_t number = next(t, i);
        size_t size = size_of(number, t->skewed);
        for (size_t k = 0; k < ADVICE_SIZES; k++)
            missed[k] += !ask(f[k].cache, number, size);
        if (i % 1000 == 0)
            drain(&r);
    }
    drain(&r);
    advice_report(r.advice, &report);
    print_message("%s: 1/%.0f of ids, %llu events, %llu objects; misses %.4f, model %.4f\n",
                  t->name, 1 / report.rate, (unsigned long long)report.accesses,
                  (unsigned long long)report.objects, (double)missed[ADVICE_NOW] / ASKED,
                  report.size[ADVICE_NOW].missed);
    assert_int_equal(r.lost, 0);
    for (size_t i = 0; i < ADVICE_SIZES; i++) {
        double real = 1 - (double)missed[i] / (double)missed[ADVICE_NOW];
        print_message("  %3u %%: %+.4f foretold, +/- %.4f; really %+.4f\n", advice_percent[i],
                      report.size[i].gained, report.size[i].error, real);
        assert_true(report.size[i].ready);
        assert_true(fabs(report.size[i].gained - real) < 0.04);
        fixture_drop(&f[i]);
    }
    advice_free(&r.advice);
}

static void test_power_law(void **state)
{
    (void)state;
    compare(&(struct trace){ "power law 0.9", 0.9, 200000, 0, false });
}

static void test_flat_power_law(void **state)
{
    (void)state;
    compare(&(struct trace){ "power law 0.7", 0.7, 60000, 0, false });
}

static void test_with_a_scan(void **state)
{
    (void)state;
    compare(&(struct trace){ "scan in every third", 0.9, 100000, 3, false });
}

static void test_sizes_that_differ(void **state)
{
    (void)state;
    compare(&(struct trace){ "sizes that differ", 0.9, 100000, 0, true });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_law),
        cmocka_unit_test(test_flat_power_law),
        cmocka_unit_test(test_with_a_scan),
        cmocka_unit_test(test_sizes_that_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
