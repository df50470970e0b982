/* SPDX-License-Identifier: Apache-2.0 */
/* The models are fed from the dictionary, know its room, and count what all requests got. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/control/advisor.h"
#include "tests/proc/objects.h"
#include "tests/unit/shm/store_fixture.h"

static void ask(struct cache *cache, uint32_t number)
{
    struct cache_hit hit;
    uint8_t id[CACHE_ID_SIZE];
    char key[32];
    size_t n = objects_key(number, key);

    cache_id(cache, key, n, id);
    if (cache_find(cache, id, key, n, OBJECTS_NOW, &hit))
        cache_unpin(cache, &hit);
    else
        assert_true(objects_put(cache, number, 1, 1000, 1000));
}

static void test_nothing_to_tell(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct advice_report report;
    struct advisor a;

    (void)state;
    advisor_open(&a, NULL);
    advisor_feed(&a, OBJECTS_NOW);
    assert_false(advisor_ask(&a, OBJECTS_NOW, &report));
    advisor_close(&a);
    advisor_open(&a, f.cache);
    advisor_feed(&a, OBJECTS_NOW);
    assert_false(advisor_ask(&a, OBJECTS_NOW, &report));
    assert_null(a.advice);
    advisor_close(&a);
    fixture_drop(&f);
}

/* The room is known from the first object on. */
static void test_room_of_a_dictionary_that_is_nearly_empty(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    struct advice_report report;
    struct advisor a;

    (void)state;
    advisor_open(&a, f.cache);
    for (uint32_t i = 0; a.advice == NULL; i++) { /* until one is sampled */
        ask(f.cache, i);
        advisor_feed(&a, OBJECTS_NOW);
    }
    for (uint32_t round = 0; round < 4; round++) /* half of what fits, and nobody looks again */
        for (uint32_t i = 0; i < 700; i++)
            ask(f.cache, i);
    advisor_feed(&a, OBJECTS_NOW);
    assert_true(advisor_ask(&a, OBJECTS_NOW, &report));
    assert_true(report.size[0].missed < 0.4);
    advisor_close(&a);
    fixture_drop(&f);
}

/* A loop over twice what fits: with twice the memory all but the first round are hits. */
static void test_a_loop(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    struct advice_report report;
    struct advisor a;

    (void)state;
    advisor_open(&a, f.cache);
    for (uint32_t i = 0; i < 8 * 2400; i++) {
        ask(f.cache, i % 2400);
        if (i % 200 == 0)
            advisor_feed(&a, OBJECTS_NOW + i / 2400);
    }
    assert_true(advisor_ask(&a, OBJECTS_NOW + 8, &report));
    assert_int_equal(report.lost, 0);
    assert_true(report.size[ADVICE_NOW].ready);
    assert_true(report.size[ADVICE_NOW].missed > 0.3);
    assert_true(report.size[ADVICE_SIZES - 1].gained > 0.7);
    assert_true(report.idle >= 0);
    assert_true(a.seen_hits + a.seen_missed > 7 * 2400 && a.seen_hits + a.seen_missed <= 8 * 2400);
    assert_int_equal((int)a.seconds, 8);
    advisor_close(&a);
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_tell),
        cmocka_unit_test(test_room_of_a_dictionary_that_is_nearly_empty),
        cmocka_unit_test(test_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
