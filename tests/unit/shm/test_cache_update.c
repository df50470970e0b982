/* SPDX-License-Identifier: Apache-2.0 */
/* Heads that change under readers, and who may refresh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "store_fixture.h"

enum { NOW = 1700000000 };

static uint8_t id[CACHE_ID_SIZE];

static void store(struct cache *cache, size_t body_n)
{
    static char body[200000];
    struct cache_meta meta = { .stored = NOW, .fresh_for = 60, .keep_until = NOW + 60 };
    cache_id(cache, "k", 1, id);
    struct cache_fill *fill = cache_fill_begin(cache, id, "k", 1, &meta, "A: 0\r\n", 6, body_n);
    assert_non_null(fill);
    memset(body, 'b', sizeof body);
    assert_true(cache_fill_append(fill, body, body_n));
    assert_true(cache_fill_commit(&fill));
}

static void find(struct cache *cache, struct cache_hit *hit)
{
    assert_true(cache_find(cache, id, "k", 1, NOW, hit));
}

static bool update(struct cache *cache, struct cache_hit *hit, const char *head)
{
    struct cache_meta meta = { .stored = NOW + 1, .fresh_for = 90, .keep_until = NOW + 91 };
    return cache_update(cache, hit, &meta, head, strlen(head));
}

static void check(const struct cache *cache, const struct cache_hit *hit, const char *head,
                  size_t body_n)
{
    struct iovec iov[8];
    size_t bytes, total = 0;
    assert_int_equal(hit->head_n, strlen(head));
    assert_memory_equal(hit->head, head, strlen(head));
    assert_int_equal(hit->body_n, body_n);
    int n = cache_body(cache, hit, 0, iov, 8, &bytes);
    for (int i = 0; i < n; i++) {
        total += iov[i].iov_len;
        assert_int_equal(*(char *)iov[i].iov_base, 'b');
    }
    assert_int_equal(total, body_n);
    assert_int_equal(bytes, body_n);
}

static void the_head_changes_and_the_body_stays(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct cache_hit hit;
    (void)state;
    for (size_t n = 10; n <= 200000; n *= 20) {
        store(f.cache, n);
        find(f.cache, &hit);
        assert_true(update(f.cache, &hit, "A: 1\r\nB: longer than before\r\n"));
        check(f.cache, &hit, "A: 1\r\nB: longer than before\r\n", n);
        assert_int_equal(hit.meta->fresh_for, 90);
        cache_unpin(f.cache, &hit);
        find(f.cache, &hit);
        check(f.cache, &hit, "A: 1\r\nB: longer than before\r\n", n);
        cache_unpin(f.cache, &hit);
        fixture_audit(f.cache);
    }
    fixture_drop(&f);
}

static void a_reader_keeps_the_head_that_it_found(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct cache_hit old, hit;
    (void)state;
    store(f.cache, 1000);
    find(f.cache, &hit);
    assert_true(update(f.cache, &hit, "A: 1\r\n"));
    cache_unpin(f.cache, &hit);
    find(f.cache, &old);
    assert_true(cache_keep(f.cache, &old));
    for (int i = 0; i < 40; i++) {
        find(f.cache, &hit);
        assert_true(update(f.cache, &hit, "A: 2\r\n"));
        assert_int_equal(hit.meta->stored, NOW + 1);
        cache_unpin(f.cache, &hit);
        fixture_audit(f.cache);
    }
    check(f.cache, &old, "A: 1\r\n", 1000);
    cache_unpin(f.cache, &old);
    find(f.cache, &hit);
    assert_true(update(f.cache, &hit, "A: 3\r\n"));
    check(f.cache, &hit, "A: 3\r\n", 1000);
    cache_unpin(f.cache, &hit);
    fixture_drop(&f);
}

/* Where there is no place for another head, what is said of the object's use counts all the same.
 */
static void terms_change_without_a_head(void **state)
{
    enum { MUST_ASK = 2 };
    struct fixture f = fixture_make(4 << 20);
    struct cache_meta meta = { .stored = NOW + 2, .keep_until = NOW + 92, .flags = MUST_ASK };
    struct cache_hit old, hit;
    (void)state;
    store(f.cache, 1000);
    find(f.cache, &old);
    assert_true(cache_keep(f.cache, &old));
    for (int i = 0; i < 40; i++) {
        find(f.cache, &hit);
        assert_true(update(f.cache, &hit, "A: 1\r\n"));
        cache_unpin(f.cache, &hit);
    }
    find(f.cache, &hit);
    assert_true(cache_update(f.cache, &hit, &meta, "A: 2\r\n", 6));
    check(f.cache, &hit, "A: 1\r\n", 1000); /* no room for this one */
    assert_int_equal(hit.meta->flags, MUST_ASK);
    assert_int_equal(hit.meta->stored, NOW + 2);
    cache_unpin(f.cache, &hit);
    cache_unpin(f.cache, &old);
    fixture_drop(&f);
}

/* Old heads come back: a thousand updates take no more memory than a few. */
static void old_heads_are_freed(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct cache_stats before, after;
    struct cache_hit hit;
    (void)state;
    store(f.cache, 70000);
    for (int i = 0; i < 1000; i++) {
        find(f.cache, &hit);
        assert_true(cache_keep(f.cache, &hit));
        assert_true(update(f.cache, &hit, "A: 1\r\n"));
        cache_unpin(f.cache, &hit);
        if (i == 10)
            cache_stats(f.cache, &before);
    }
    cache_stats(f.cache, &after);
    assert_int_equal(before.used, after.used);
    assert_int_equal(after.evictions, 0);
    fixture_drop(&f);
}

static void what_is_not_published_is_not_updated(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct cache_hit hit;
    (void)state;
    store(f.cache, 100);
    find(f.cache, &hit);
    assert_int_equal(cache_purge(f.cache, id), 1);
    assert_false(update(f.cache, &hit, "A: 1\r\n"));
    check(f.cache, &hit, "A: 0\r\n", 100);
    cache_unpin(f.cache, &hit);
    store(f.cache, 100);
    find(f.cache, &hit);
    cache_purge_all(f.cache);
    assert_false(update(f.cache, &hit, "A: 1\r\n"));
    cache_unpin(f.cache, &hit);
    fixture_drop(&f);
}

static void one_refreshes(void **state)
{
    struct fixture f = fixture_make(4 << 20);
    struct cache_hit hit;
    (void)state;
    store(f.cache, 100);
    find(f.cache, &hit);
    assert_false(cache_update_is_put_off(&hit, NOW));
    assert_true(cache_update_claim(&hit, NOW, NOW + 10));
    assert_false(cache_update_claim(&hit, NOW, NOW + 10));
    assert_true(cache_update_is_put_off(&hit, NOW + 9));
    assert_true(cache_update_claim(&hit, NOW + 10, NOW + 20));
    cache_update_put_off(&hit, NOW + 100);
    assert_false(cache_update_claim(&hit, NOW + 99, NOW + 200));
    assert_false(cache_update_is_put_off(&hit, NOW - 86400)); /* the clock was set back by a day */
    assert_true(cache_update_claim(&hit, NOW - 86400, NOW - 86400 + 10));
    assert_false(cache_update_claim(&hit, NOW - 86400, NOW - 86400 + 10));
    assert_true(update(f.cache, &hit, "A: 1\r\n"));
    assert_true(cache_update_claim(&hit, NOW, NOW + 10));
    cache_unpin(f.cache, &hit);
    fixture_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_head_changes_and_the_body_stays),
        cmocka_unit_test(a_reader_keeps_the_head_that_it_found),
        cmocka_unit_test(terms_change_without_a_head),
        cmocka_unit_test(old_heads_are_freed),
        cmocka_unit_test(what_is_not_published_is_not_updated),
        cmocka_unit_test(one_refreshes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
