/* SPDX-License-Identifier: Apache-2.0 */
/* The report agrees with what was put into the dictionary, and with cache_stats(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/cache_report.h"
#include "shm/cache_ticket.h"
#include "tests/proc/objects.h"
#include "tests/unit/shm/store_fixture.h"

static void test_empty(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct cache_report r;
    struct cache_stats s;
    (void)state;
    cache_report(f.cache, &r);
    cache_stats(f.cache, &s);
    assert_int_equal(r.slab_pages, 0);
    assert_int_equal(r.free_pages, s.free_pages);
    assert_int_equal(r.free_pages + r.index_pages + r.ledger_pages, s.pages);
    assert_int_equal(r.small.objects + r.main.objects + r.dead.objects, 0);
    assert_int_equal(r.tickets, 0);
    assert_true(r.tickets_room > 0 && r.classes_n > 10);
    fixture_drop(&f);
}

static void test_objects_are_where_the_report_says(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct cache_report r;
    struct cache_stats s;
    uint64_t chunks = 0, used = 0, pages = 0;
    (void)state;
    for (uint32_t i = 0; i < 500; i++)
        assert_true(objects_put(f.cache, i, 1, 1000, 1000));
    cache_report(f.cache, &r);
    cache_stats(f.cache, &s);
    assert_int_equal(r.small.objects, 500);
    assert_true(r.small.bytes > 500 * 1000);
    for (uint32_t i = 0; i < r.classes_n; i++) {
        assert_true(r.classes[i].used <= r.classes[i].chunks);
        pages += r.classes[i].pages;
        chunks += r.classes[i].used;
        used += r.classes[i].used * r.classes[i].size;
    }
    assert_int_equal(pages, r.slab_pages);
    assert_true(chunks >= 500);
    assert_int_equal(used, r.slab_used);
    assert_int_equal(r.slab_bytes, r.slab_pages * 65536);
    assert_int_equal(r.slab_pages + r.free_pages + r.index_pages + r.ledger_pages, s.pages);
    fixture_drop(&f);
}

static void test_purged_objects_are_told_as_such(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct cache_report r;
    (void)state;
    for (uint32_t i = 0; i < 50; i++)
        assert_true(objects_put(f.cache, i, 1, 1000, 1000));
    cache_purge_all(f.cache);
    cache_report(f.cache, &r);
    assert_int_equal(r.small.objects, 0);
    assert_int_equal(r.dead.objects, 50);
    fixture_drop(&f);
}

static void test_fills_and_tickets(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct cache_report r;
    uint8_t id[CACHE_ID_SIZE];
    uint32_t ticket;
    (void)state;
    objects_id(f.cache, 7, id);
    assert_int_equal(cache_ticket_take(f.cache, id, OBJECTS_NOW, &ticket), CACHE_TICKET_FILL);
    struct cache_fill *fill = objects_begin(f.cache, 7, 1, 1000, 1000);
    assert_non_null(fill);
    cache_report(f.cache, &r);
    assert_int_equal(r.filling.objects, 1);
    assert_int_equal(r.tickets, 1);
    cache_fill_abort(&fill);
    cache_ticket_end(f.cache, &ticket, CACHE_TICKET_LOST, 0);
    cache_report(f.cache, &r);
    assert_int_equal(r.filling.objects + r.tickets, 0);
    fixture_drop(&f);
}

/* Objects come in at OBJECTS_NOW and make others go seven seconds later. */
static void test_age_of_what_is_evicted(void **state)
{
    struct fixture f = fixture_make(2 << 20);
    struct cache_report r;
    struct cache_stats s;
    struct cache_hit hit;
    uint8_t id[CACHE_ID_SIZE];
    (void)state;
    for (uint32_t i = 0; i < 300; i++)
        assert_true(objects_put(f.cache, i, 1, 1000, 1000));
    cache_report(f.cache, &r);
    assert_int_equal(r.evicted_recent, 0);
    objects_id(f.cache, 1, id);
    for (uint32_t i = 300; i < 4000; i++) {
        if (cache_find(f.cache, id, NULL, 0, OBJECTS_NOW + 7, &hit)) /* tells the time */
            cache_unpin(f.cache, &hit);
        assert_true(objects_put(f.cache, i, 1, 1000, 1000));
    }
    cache_report(f.cache, &r);
    cache_stats(f.cache, &s);
    assert_true(s.evictions > 0);
    assert_int_equal(s.evicted_seconds, 7 * s.evictions);
    assert_int_equal(r.evicted_recent, 7);
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_objects_are_where_the_report_says),
        cmocka_unit_test(test_purged_objects_are_told_as_such),
        cmocka_unit_test(test_fills_and_tickets),
        cmocka_unit_test(test_age_of_what_is_evicted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
