/* SPDX-License-Identifier: Apache-2.0 */
/* The audit sees what is wrong: each kind of damage is done once, and found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/proc/objects.h"
#include "tests/unit/shm/store_fixture.h"

static struct fixture f;
static uint32_t ref; /* of an object of several chunks */

static void damage_slot(void)
{
    uint8_t id[CACHE_ID_SIZE];
    objects_id(f.cache, 1, id);
    struct index_bucket_shm *bucket = &f.cache->buckets[store_place(f.cache, id).bucket];
    for (int i = 0; i < INDEX_SLOTS; i++)
        bucket->slot[i] = 0;
}

static void damage_chain(void)
{
    store_entry(f.cache, ref)->chunk.next = 0;
}

static void damage_owner(void)
{
    store_chunk(f.cache, store_entry(f.cache, ref)->chunk.next)->owner = 99;
}

static void damage_length(void)
{
    store_entry(f.cache, ref)->body_n++;
}

static void damage_list(void)
{
    f.cache->shards[0].lists[QUEUE_SMALL].count++;
}

static void damage_state(void)
{
    store_entry(f.cache, ref)->list = QUEUE_LIMBO;
}

static void damage_payload(void)
{
    f.cache->shards[0].payload++;
}

static void damage_used(void)
{
    f.cache->shards[0].slab.used += 32;
}

static void damage_pool(void)
{
    f.cache->shm->pool = store_row(f.cache, f.cache->shm->pool)->next;
}

static void damage_page(void)
{
    store_row(f.cache, store_page(ref))->used++;
}

static void damage_free_list(void)
{
    store_row(f.cache, store_page(ref))->free = ref;
}

static void damage_kind(void)
{
    f.cache->pages[f.cache->g.pages - 1].owner = pages_owner(PAGES_SLAB, 0, 60);
}

static void damage_class_list(void)
{
    f.cache->shards[0].slab.partial[slab_class(&f.cache->sizes, slab_size(f.cache, ref))] = 0;
}

static void test_finds_damage(void **state)
{
    static void (*const damages[])(
        void) = { damage_slot,      damage_chain,   damage_owner,     damage_length, damage_list,
                  damage_state,     damage_payload, damage_used,      damage_pool,   damage_page,
                  damage_free_list, damage_kind,    damage_class_list };
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        uint8_t id[CACHE_ID_SIZE];
        char why[200] = "";
        f = fixture_make(4 << 20);
        assert_true(objects_put(f.cache, 1, 1, 300000, 300000));
        for (uint32_t k = 2; k < 20; k++)
            assert_true(objects_put(f.cache, k, 1, k * 1000, 0));
        objects_id(f.cache, 1, id);
        ref = index_get(f.cache, id);
        fixture_audit(f.cache);
        damages[i]();
        if (cache_audit(f.cache, why, sizeof why))
            fail_msg("damage %zu is not seen", i);
        assert_true(why[0] != 0);
        fixture_leave(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
