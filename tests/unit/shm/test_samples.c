/* SPDX-License-Identifier: Apache-2.0 */
/* Events of sampled objects: all of them, in order, none of others; what is overwritten is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/samples_parts.h"
#include "tests/proc/objects.h"
#include "tests/unit/shm/store_fixture.h"

static struct samples_event events[4096];

static uint32_t sampled(struct cache *cache, uint32_t from)
{
    uint8_t id[CACHE_ID_SIZE];
    for (;; from++) {
        objects_id(cache, from, id);
        if (samples_has(cache, id))
            return from;
    }
}

static void hit(struct cache *cache, uint32_t number)
{
    struct cache_hit found;
    char key[32];
    uint8_t id[CACHE_ID_SIZE];
    size_t n = objects_key(number, key);
    cache_id(cache, key, n, id);
    if (cache_find(cache, id, key, n, OBJECTS_NOW, &found))
        cache_unpin(cache, &found);
}

static void test_events_of_one_object(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    uint64_t at = samples_now(f.cache), lost = 0;
    uint32_t number = sampled(f.cache, 1);
    (void)state;
    assert_true(objects_put(f.cache, number, 1, 1000, 1000));
    hit(f.cache, number);
    hit(f.cache, number);
    assert_true(objects_put(f.cache, number, 2, 500, 500)); /* it was there: no miss */
    assert_int_equal(samples_read(f.cache, &at, events, 100, &lost), 3);
    assert_int_equal(lost, 0);
    assert_int_equal(events[0].kind, SAMPLES_STORED);
    assert_int_equal(events[1].kind, SAMPLES_HIT);
    assert_int_equal(events[2].kind, SAMPLES_HIT);
    for (int i = 0; i < 3; i++) {
        assert_true(events[i].id == events[0].id &&
                    samples_hash(events[i].id) < samples_below(f.cache));
        assert_true(events[i].bytes >= 1000 + 128 && events[i].bytes < 1400);
        assert_int_equal(events[i].until, OBJECTS_NOW + 10);
    }
    assert_int_equal(samples_read(f.cache, &at, events, 100, &lost), 0);
    fixture_drop(&f);
}

static void test_share(void **state)
{
    struct fixture f = fixture_make(8 << 20);
    uint64_t at = samples_now(f.cache), lost = 0;
    (void)state;
    for (uint32_t i = 0; i < 4000; i++)
        assert_true(objects_put(f.cache, i, 1, 100, 100));
    uint32_t n = samples_read(f.cache, &at, events, 4096, &lost);
    assert_true(n > 4000 / SAMPLES_FEWEST / 2 && n < 4000 / SAMPLES_FEWEST * 2);
    samples_lower(f.cache, samples_below(f.cache) / 2);
    samples_lower(f.cache, UINT32_MAX); /* never up again */
    for (uint32_t i = 0; i < 4000; i++)
        hit(f.cache, i);
    uint32_t half = samples_read(f.cache, &at, events, 4096, &lost);
    assert_true(half > n / 4 && half < n * 3 / 4);
    fixture_drop(&f);
}

static void test_a_slow_reader_loses_the_oldest(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    uint64_t at = samples_now(f.cache), lost = 0;
    uint32_t number = sampled(f.cache, 1), room = f.cache->g.samples;
    (void)state;
    assert_true(objects_put(f.cache, number, 1, 100, 100));
    for (uint32_t i = 0; i < 3 * room; i++)
        hit(f.cache, number);
    uint32_t n = samples_read(f.cache, &at, events, 4096, &lost);
    assert_int_equal(n, room / 2);
    assert_int_equal(n + lost, 3 * room + 1);
    assert_int_equal(at, samples_now(f.cache));
    fixture_drop(&f);
}

/* A process died between its two stores of the number. */
static void test_a_torn_event_is_left_out(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    uint64_t at = samples_now(f.cache), lost = 0;
    uint32_t number = sampled(f.cache, 1);
    (void)state;
    assert_true(objects_put(f.cache, number, 1, 100, 100));
    hit(f.cache, number);
    f.cache->samples->ring[0].number = 0;
    assert_int_equal(samples_read(f.cache, &at, events, 100, &lost), 1);
    assert_int_equal(events[0].kind, SAMPLES_HIT);
    assert_int_equal(lost, 1);
    fixture_drop(&f);
}

static void test_evictions(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    uint64_t at = samples_now(f.cache), lost = 0;
    uint32_t number = sampled(f.cache, 1), evicted = 0, n;
    struct cache_stats stats;
    (void)state;
    assert_true(objects_put(f.cache, number, 1, 100, 100));
    for (uint32_t i = 100000; i < 104000; i++)
        assert_true(objects_put(f.cache, i, 1, 1000, 1000));
    while ((n = samples_read(f.cache, &at, events, 4096, &lost)) > 0)
        for (uint32_t i = 0; i < n; i++)
            evicted += events[i].kind == SAMPLES_EVICTED;
    assert_true(evicted > 0);
    hit(f.cache, 103999);
    cache_stats(f.cache, &stats);
    assert_int_equal(stats.missed, 4001);
    assert_int_equal(stats.hits, 1);
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_of_one_object),
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_a_slow_reader_loses_the_oldest),
        cmocka_unit_test(test_a_torn_event_is_left_out),
        cmocka_unit_test(test_evictions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
