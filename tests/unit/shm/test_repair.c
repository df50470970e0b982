/* SPDX-License-Identifier: Apache-2.0 */
/* A shard whose derived state is scribbled over comes back whole. Deaths at each store:
 * tests/proc/crash_cache.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/repair.h"
#include "tests/proc/objects.h"
#include "tests/unit/shm/store_fixture.h"
#include <string.h>

static void test_all_from_the_truth(void **state)
{
    struct fixture f = fixture_make(8 << 20); /* a page for each of the many sizes */
    struct cache_stats before, after;
    (void)state;
    for (uint32_t i = 0; i < 300; i++)
        assert_true(objects_put(f.cache, i, 1, i * 20, i * 20));
    struct cache_fill *fill = objects_begin(f.cache, 1000, 1, 100000, 100000);
    assert_true(objects_append(fill, 1000, 1, 100000));
    cache_stats(f.cache, &before);
    struct store_shard_shm *shard = &f.cache->shards[0];
    memset(shard->lists, 0xaa, sizeof shard->lists);
    memset(shard->slab.partial, 0xbb, sizeof shard->slab.partial);
    memset(shard->slab.bins, 0xcc, sizeof shard->slab.bins);
    shard->slab.used = shard->payload = 12345;
    shard->slab.pages = 9;
    for (uint32_t i = 0; i < f.cache->g.pages; i++)
        f.cache->pages[i].free = f.cache->pages[i].bin_next = 77;
    f.cache->shm->shard_lock[0].lock.suspect = 1;
    fixture_audit(f.cache);
    cache_stats(f.cache, &after);
    assert_int_equal(after.objects, before.objects);
    assert_int_equal(after.used, before.used);
    assert_int_equal(shard->repairs, 1);
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(objects_look(f.cache, i), 1);
    assert_true(cache_fill_commit(&fill)); /* who was filling goes on */
    assert_int_equal(objects_look(f.cache, 1000), 1);
    fixture_drop(&f);
}

static void test_cut_chain(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    uint8_t id[CACHE_ID_SIZE];
    (void)state;
    assert_true(objects_put(f.cache, 1, 1, 300000, 300000));
    assert_true(objects_put(f.cache, 2, 1, 300000, 300000));
    objects_id(f.cache, 1, id);
    uint32_t ref = index_get(f.cache, id);
    store_chunk(f.cache, store_entry(f.cache, ref)->chunk.next)->next = 12345;
    f.cache->shm->shard_lock[0].lock.suspect = 1;
    fixture_audit(f.cache);
    assert_int_equal(objects_look(f.cache, 1), 0); /* rather none than a wrong one */
    assert_int_equal(objects_look(f.cache, 2), 1);
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_from_the_truth),
        cmocka_unit_test(test_cut_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
