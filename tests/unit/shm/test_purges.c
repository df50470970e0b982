/* SPDX-License-Identifier: Apache-2.0 */
/* Labels: hard, soft, forgotten, prefixes; what was asked for before a purge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "shm/cache_ticket.h"
#include "store_fixture.h"

enum { NOW = 1000, MIB = 1 << 20 };

/* The key is a path, each byte of the head a tag, and meta.service one. */
static void see(struct purges_look *look, const struct cache_hit *hit)
{
    const struct iovec key = { (void *)(uintptr_t)hit->key, hit->key_n };
    const struct iovec service = { (void *)(uintptr_t)&hit->meta->service, 4 };

    for (uint32_t i = 0; i < hit->head_n; i++) {
        const struct iovec tag = { (void *)(uintptr_t)&hit->head[i], 1 };
        if (purges_wants(look, PURGES_TAG))
            purges_see(look, purges_label(look->cache, PURGES_TAG, false, &tag, 1));
    }
    if (purges_wants(look, PURGES_SERVICE))
        purges_see(look, purges_label(look->cache, PURGES_SERVICE, false, &service, 1));
    if (purges_wants(look, PURGES_PATH))
        purges_see_prefixes(look, PURGES_PATH, false, &key, 1);
}

static struct fixture make(uint64_t size)
{
    struct fixture f = fixture_make(size);
    purges_use(f.cache, see);
    return f;
}

static struct cache_fill *begin(struct cache *cache, const char *key, const char *tags,
                                uint64_t born)
{
    const struct cache_meta meta = {
        .keep_until = NOW, .fresh_for = 60, .born = born, .service = 7
    };
    uint8_t id[CACHE_ID_SIZE];
    cache_id(cache, key, strlen(key), id);
    return cache_fill_begin(cache, id, key, strlen(key), &meta, tags, strlen(tags), 0);
}

static bool put(struct cache *cache, const char *key, const char *tags, uint64_t born)
{
    struct cache_fill *fill = begin(cache, key, tags, born);
    return fill && cache_fill_commit(&fill);
}

enum state { GONE, STALE, FRESH };

static enum state find(struct cache *cache, const char *key)
{
    uint8_t id[CACHE_ID_SIZE];
    struct cache_hit hit;
    cache_id(cache, key, strlen(key), id);
    if (!cache_find(cache, id, key, strlen(key), NOW, &hit))
        return GONE;
    enum state state = hit.soft ? STALE : FRESH;
    cache_unpin(cache, &hit);
    return state;
}

static struct purges_label label(const struct cache *cache, enum purges_kind kind, const char *text)
{
    const struct iovec v = { (void *)(uintptr_t)text, strlen(text) };
    return purges_label(cache, kind, false, &v, 1);
}

static uint64_t purge(struct cache *cache, enum purges_kind kind, const char *text,
                      enum purges_force force)
{
    struct purges_label l = label(cache, kind, text);
    return purges_mark(cache, &l, 1, force);
}

static void test_a_tag(void **state)
{
    struct fixture f = make(MIB);
    (void)state;
    assert_true(put(f.cache, "/a", "xy", 0) && put(f.cache, "/b", "y", 0));
    purge(f.cache, PURGES_TAG, "x", PURGES_HARD);
    assert_int_equal(find(f.cache, "/a"), GONE);
    assert_int_equal(find(f.cache, "/b"), FRESH);
    assert_true(put(f.cache, "/a", "xy", 0)); /* came after */
    assert_int_equal(find(f.cache, "/a"), FRESH);
    purge(f.cache, PURGES_TAG, "y", PURGES_SOFT);
    assert_int_equal(find(f.cache, "/a"), STALE);
    assert_int_equal(find(f.cache, "/b"), STALE);
    purge(f.cache, PURGES_TAG, "z", PURGES_HARD); /* none of theirs */
    assert_int_equal(find(f.cache, "/a"), STALE);
    purge(f.cache, PURGES_TAG, "y", PURGES_HARD);
    assert_int_equal(find(f.cache, "/b"), GONE);
    fixture_drop(&f);
}

static void test_every_prefix(void **state)
{
    static const char path[] = "/some/path?q";
    struct fixture f = make(MIB);
    char prefix[64];
    (void)state;
    for (size_t n = 1; n < sizeof path; n++) {
        assert_true(put(f.cache, path, "", 0) && put(f.cache, "/other", "", 0));
        snprintf(prefix, sizeof prefix, "%.*s", (int)n, path);
        prefix[n - 1] = '_';
        purge(f.cache, PURGES_PATH, prefix, PURGES_HARD);
        assert_int_equal(find(f.cache, path), FRESH);
        prefix[n - 1] = path[n - 1];
        purge(f.cache, PURGES_PATH, prefix, PURGES_HARD);
        assert_int_equal(find(f.cache, path), GONE);
        assert_int_equal(find(f.cache, "/other"), n == 1 ? GONE : FRESH);
    }
    purge(f.cache, PURGES_PATH, "/some/path?q=longer", PURGES_HARD);
    assert_true(put(f.cache, path, "", 0));
    assert_int_equal(find(f.cache, path), FRESH);
    fixture_drop(&f);
}

static void test_a_prefix_that_is_too_long_is_cut(void **state)
{
    struct fixture f = make(MIB);
    char path[PURGES_PREFIX_MAX + 20];
    (void)state;
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_true(put(f.cache, path, "", 0));
    path[sizeof path - 2] = 'q'; /* behind what counts */
    purge(f.cache, PURGES_PATH, path, PURGES_HARD);
    path[sizeof path - 2] = 'p';
    assert_int_equal(find(f.cache, path), GONE);
    fixture_drop(&f);
}

static void test_by_id_and_all(void **state)
{
    struct fixture f = make(MIB);
    struct purges_label by = { .kind = PURGES_ALL };
    uint8_t id[CACHE_ID_SIZE];
    (void)state;
    assert_true(put(f.cache, "/a", "", 0) && put(f.cache, "/b", "", 0));
    purges_mark(f.cache, &by, 1, PURGES_SOFT);
    assert_int_equal(find(f.cache, "/a"), STALE);
    cache_id(f.cache, "/a", 2, id);
    const struct iovec text = { id, sizeof id };
    by = purges_label(f.cache, PURGES_KEY, false, &text, 1);
    purges_mark(f.cache, &by, 1, PURGES_HARD);
    assert_int_equal(find(f.cache, "/a"), GONE);
    assert_int_equal(find(f.cache, "/b"), STALE);
    by.kind = PURGES_ALL;
    purges_mark(f.cache, &by, 1, PURGES_HARD);
    assert_int_equal(find(f.cache, "/b"), GONE);
    fixture_drop(&f);
}

static void test_what_was_asked_for_before(void **state)
{
    struct fixture f = make(MIB);
    uint64_t before = cache_sequence(f.cache);
    (void)state;
    assert_true(before > 0);
    assert_int_equal(purge(f.cache, PURGES_TAG, "x", PURGES_HARD), before + 1);
    assert_false(put(f.cache, "/a", "x", before)); /* is not stored at all */
    assert_true(put(f.cache, "/a", "x", before + 1));
    struct cache_fill *fill = begin(f.cache, "/a", "xy", before + 1);
    purge(f.cache, PURGES_TAG, "y", PURGES_HARD);
    assert_false(cache_fill_commit(&fill)); /* and does not take the place of what is there */
    assert_int_equal(find(f.cache, "/a"), FRESH);
    purge(f.cache, PURGES_TAG, "x", PURGES_SOFT);
    assert_true(put(f.cache, "/a", "x", before + 2));
    assert_int_equal(find(f.cache, "/a"), STALE);
    cache_purge_all(f.cache);
    assert_false(put(f.cache, "/a", "", before + 3));
    fixture_drop(&f);
}

static void test_a_renewed_object_is_as_young_as_its_renewal(void **state)
{
    struct fixture f = make(MIB);
    uint8_t id[CACHE_ID_SIZE];
    struct cache_hit hit;
    (void)state;
    assert_true(put(f.cache, "/a", "x", 0));
    uint64_t number = purge(f.cache, PURGES_TAG, "x", PURGES_SOFT);
    struct cache_meta meta = { .keep_until = NOW, .fresh_for = 60, .born = number - 1 };
    cache_id(f.cache, "/a", 2, id);
    for (int i = 0; i < 2; i++, meta.born++) { /* asked for before and after the purge */
        assert_true(cache_find(f.cache, id, "/a", 2, NOW, &hit));
        assert_true(cache_keep(f.cache, &hit));
        assert_true(cache_update(f.cache, &hit, &meta, "x", 1));
        cache_unpin(f.cache, &hit);
        assert_int_equal(find(f.cache, "/a"), i == 0 ? STALE : FRESH);
    }
    assert_true(cache_find(f.cache, id, "/a", 2, NOW, &hit));
    assert_true(cache_keep(f.cache, &hit));
    meta.born = purge(f.cache, PURGES_TAG, "x", PURGES_HARD);
    assert_false(cache_update(f.cache, &hit, &meta, "x", 1)); /* nothing brings it back */
    cache_unpin(f.cache, &hit);
    fixture_drop(&f);
}

/* Far more labels than there is room for: what comes later than all of them lives, what was purged
 * does not come back, and what was looked at lately is not purged for what has been forgotten. */
static void test_forgetting_purges_more_never_less(void **state)
{
    enum { OBJECTS = 50, LABELS = 20000 };
    struct fixture f = make(4 * MIB);
    char key[16], tag[16];
    uint32_t gone = 0;
    (void)state;
    for (uint32_t i = 0; i < OBJECTS; i++) {
        snprintf(key, sizeof key, "/%u", i);
        assert_true(put(f.cache, key, "x", 0));
    }
    purge(f.cache, PURGES_TAG, "x", PURGES_HARD);
    assert_true(put(f.cache, "/hot", "y", 0) && put(f.cache, "/cold", "y", 0));
    for (uint32_t i = 0; i < LABELS; i++) {
        snprintf(tag, sizeof tag, "tag %u", i);
        purge(f.cache, PURGES_TAG, tag, PURGES_HARD);
        assert_int_equal(find(f.cache, "/hot"), FRESH);
    }
    for (uint32_t i = 0; i < OBJECTS; i++) {
        snprintf(key, sizeof key, "/%u", i);
        gone += find(f.cache, key) == GONE;
    }
    assert_int_equal(gone, OBJECTS);
    assert_int_equal(find(f.cache, "/cold"), GONE); /* nobody knows any more */
    assert_true(put(f.cache, "/late", "xy", 0));
    assert_int_equal(find(f.cache, "/late"), FRESH);
    fixture_drop(&f);
}

static bool count(void *arg, const uint8_t id[CACHE_ID_SIZE], const struct cache_hit *hit)
{
    struct fixture *f = arg;
    const struct purges_label wanted[] = { label(f->cache, PURGES_TAG, "x"),
                                           label(f->cache, PURGES_PATH, "/b") };
    bool expected = hit->head[0] == 'x' || hit->key[1] == 'b';
    assert_int_equal(purges_carries(f->cache, id, hit, wanted, 2), expected);
    return true;
}

static void test_what_carries_a_label(void **state)
{
    struct fixture f = make(MIB);
    (void)state;
    assert_true(put(f.cache, "/a", "x", 0) && put(f.cache, "/b", "y", 0) &&
                put(f.cache, "/c", "z", 0));
    cache_walk(f.cache, NOW, count, &f);
    fixture_drop(&f);
}

/* Who comes after a purge does not join what was asked for before, as soon as its labels say so. */
static void test_nobody_joins_what_was_purged(void **state)
{
    struct fixture f = make(MIB);
    const struct cache_meta meta = { .service = 7 };
    struct cache_hit like = { .meta = &meta, .key = "/a", .key_n = 2 }, hit;
    uint32_t own, other;
    uint8_t id[CACHE_ID_SIZE];
    (void)state;
    cache_id(f.cache, "/a", 2, id);
    assert_int_equal(cache_ticket_take(f.cache, id, NOW, &own), CACHE_TICKET_FILL);
    purge(f.cache, PURGES_PATH, "/b", PURGES_HARD);
    assert_false(cache_ticket_is_outdated(f.cache, own, &like));
    struct cache_fill *fill = begin(f.cache, "/a", "x", 0);
    cache_fill_offer(fill, own, UINT64_MAX);
    assert_true(cache_ticket_join(f.cache, own, "/a", 2, &hit));
    cache_unpin(f.cache, &hit);
    purge(f.cache, PURGES_TAG, "x", PURGES_SOFT); /* the key does not tell, the head does */
    assert_false(cache_ticket_is_outdated(f.cache, own, &like));
    assert_int_equal(cache_ticket_take(f.cache, id, NOW, &other), CACHE_TICKET_WAIT);
    assert_false(cache_ticket_is_purged(f.cache, other));
    assert_false(cache_ticket_join(f.cache, other, "/a", 2, &hit));
    assert_true(cache_ticket_is_purged(f.cache, other));
    cache_ticket_leave(f.cache, &other);
    assert_int_equal(cache_ticket_take(f.cache, id, NOW, &other), CACHE_TICKET_FILL);
    purge(f.cache, PURGES_PATH, "/a", PURGES_HARD);
    assert_true(cache_ticket_is_outdated(f.cache, other, &like));
    assert_false(cache_ticket_await(f.cache, id, &own));
    cache_ticket_end(f.cache, &other, CACHE_TICKET_LOST, 0);
    assert_false(cache_fill_commit(&fill));
    fixture_forget(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tag),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_a_prefix_that_is_too_long_is_cut),
        cmocka_unit_test(test_by_id_and_all),
        cmocka_unit_test(test_what_was_asked_for_before),
        cmocka_unit_test(test_a_renewed_object_is_as_young_as_its_renewal),
        cmocka_unit_test(test_forgetting_purges_more_never_less),
        cmocka_unit_test(test_what_carries_a_label),
        cmocka_unit_test(test_nobody_joins_what_was_purged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
