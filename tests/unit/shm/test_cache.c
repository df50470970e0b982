/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache as one process sees it: what goes in comes out, what is purged or past its time does
 * not, pins hold, room is made when there is none, and the audit agrees at every turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/cache.c"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOW = 1000000, MIB = 1 << 20 };

struct fixture {
    struct zone zone;
    struct cache *cache;
};

static struct fixture make(uint64_t size)
{
    struct fixture f;
    assert_true(region_make(&f.zone, ZONE_CACHE, CACHE_VERSION, "test", size));
    assert_true(cache_format(&f.zone));
    f.cache = cache_attach(&f.zone, 3);
    assert_non_null(f.cache);
    return f;
}

static void audit(struct cache *cache)
{
    char why[256];
    if (!cache_audit(cache, why, sizeof why))
        fail_msg("audit: %s", why);
}

static void drop(struct fixture *f)
{
    audit(f->cache);
    cache_detach(&f->cache);
    region_drop(&f->zone);
}

static struct cache_meta lasting(void)
{
    return (
        struct cache_meta){ .stored = NOW, .fresh_for = 60, .keep_until = NOW + 60, .status = 200 };
}

/* Any byte of any body follows from a number. */
static unsigned char byte_at(uint32_t seed, uint64_t i)
{
    return (unsigned char)((i * 31 + seed * 2654435761u + (i >> 8)) >> 3);
}

static char *body_of(uint32_t seed, size_t n)
{
    char *body = malloc(n + 1);
    assert_non_null(body);
    for (size_t i = 0; i < n; i++)
        body[i] = (char)byte_at(seed, i);
    return body;
}

static bool put_meta(struct cache *cache, const char *key, size_t n, size_t hint,
                     const struct cache_meta *meta)
{
    uint8_t id[CACHE_ID_SIZE];
    char head[64];
    char *body = body_of((uint32_t)n, n);
    snprintf(head, sizeof head, "Content-Length: %zu\r\n", n);
    cache_id(cache, key, strlen(key), id);
    struct cache_fill *fill =
        cache_fill_begin(cache, id, key, strlen(key), meta, head, strlen(head), hint);
    bool good = fill != NULL;
    for (size_t done = 0, part; good && done < n; done += part) {
        part = n - done < 10000 ? n - done : 10000;
        good = cache_fill_append(fill, body + done, part);
    }
    free(body);
    if (good)
        return cache_fill_commit(&fill);
    cache_fill_abort(&fill);
    return false;
}

static bool put(struct cache *cache, const char *key, size_t n)
{
    const struct cache_meta meta = lasting();
    return put_meta(cache, key, n, n, &meta);
}

static bool find(struct cache *cache, const char *key, struct cache_hit *hit)
{
    uint8_t id[CACHE_ID_SIZE];
    cache_id(cache, key, strlen(key), id);
    return cache_find(cache, id, key, strlen(key), NOW, hit);
}

/* Reads the body `max` vectors at a time and compares each byte. */
static void check_body(struct cache *cache, const struct cache_hit *hit, size_t n, int max)
{
    struct iovec iov[64];
    uint64_t at = 0;
    size_t bytes;
    int count;
    assert_int_equal(hit->body_n, n);
    while ((count = cache_body(cache, hit, at, iov, max, &bytes)) > 0) {
        size_t sum = 0;
        for (int i = 0; i < count; i++) {
            const unsigned char *p = iov[i].iov_base;
            for (size_t k = 0; k < iov[i].iov_len; k++)
                assert_int_equal(p[k], byte_at((uint32_t)n, at + sum + k));
            sum += iov[i].iov_len;
        }
        assert_int_equal(sum, bytes);
        at += bytes;
    }
    assert_int_equal(at, n);
}

static bool has(struct cache *cache, const char *key)
{
    struct cache_hit hit;
    if (!find(cache, key, &hit))
        return false;
    cache_unpin(cache, &hit);
    return true;
}

static void test_put_and_find(void **state)
{
    static const size_t sizes[] = { 0,     1,     100,   1000,  1024,   4096,
                                    30000, 40000, 65536, 65537, 100000, 1000000 };
    struct fixture f = make(16 * MIB);
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int known = 0; known < 2; known++) {
            struct cache_meta meta = lasting();
            struct cache_hit hit;
            meta.born = cache_sequence(f.cache);
            char key[64];
            snprintf(key, sizeof key, "GET /object/%zu/%d", sizes[i], known);
            assert_true(put_meta(f.cache, key, sizes[i], known ? sizes[i] : 0, &meta));
            audit(f.cache);
            assert_true(find(f.cache, key, &hit));
            assert_int_equal(hit.key_n, strlen(key));
            assert_memory_equal(hit.key, key, hit.key_n);
            assert_memory_equal(hit.head, "Content-Length: ", 16);
            assert_memory_equal(hit.meta, &meta, sizeof meta);
            check_body(f.cache, &hit, sizes[i], 1);
            check_body(f.cache, &hit, sizes[i], 5);
            cache_unpin(f.cache, &hit);
        }
    }
    assert_false(has(f.cache, "GET /other"));
    drop(&f);
}

static void test_few_vectors(void **state)
{
    struct fixture f = make(16 * MIB);
    struct cache_hit hit;
    struct iovec iov[8];
    size_t bytes;
    (void)state;
    assert_true(put(f.cache, "64k", 65536));
    assert_true(find(f.cache, "64k", &hit));
    assert_in_range(cache_body(f.cache, &hit, 0, iov, 8, &bytes), 1, 2);
    assert_int_equal(bytes, 65536);
    cache_unpin(f.cache, &hit);
    assert_true(put(f.cache, "1k", 1024));
    assert_true(find(f.cache, "1k", &hit));
    assert_int_equal(cache_body(f.cache, &hit, 0, iov, 8, &bytes), 1);
    cache_unpin(f.cache, &hit);
    drop(&f);
}

static void test_replace_and_purge(void **state)
{
    struct fixture f = make(MIB);
    uint8_t id[CACHE_ID_SIZE];
    struct cache_hit hit;
    struct cache_stats stats;
    (void)state;
    assert_true(put(f.cache, "a", 100));
    assert_true(put(f.cache, "a", 200));
    assert_true(find(f.cache, "a", &hit));
    check_body(f.cache, &hit, 200, 8);
    cache_unpin(f.cache, &hit);
    cache_stats(f.cache, &stats);
    assert_int_equal(stats.objects, 1);
    cache_id(f.cache, "a", 1, id);
    assert_int_equal(cache_purge(f.cache, id), 1);
    assert_int_equal(cache_purge(f.cache, id), 0);
    assert_false(has(f.cache, "a"));
    cache_stats(f.cache, &stats);
    assert_int_equal(stats.objects, 0);
    drop(&f);
}

static void test_key_must_match(void **state)
{
    struct fixture f = make(MIB);
    uint8_t id[CACHE_ID_SIZE];
    struct cache_hit hit;
    (void)state;
    assert_true(put(f.cache, "right", 10));
    cache_id(f.cache, "right", 5, id);
    assert_false(cache_find(f.cache, id, "wrong", 5, NOW, &hit));
    assert_false(cache_find(f.cache, id, "righ", 4, NOW, &hit));
    assert_true(cache_find(f.cache, id, NULL, 0, NOW, &hit));
    cache_unpin(f.cache, &hit);
    drop(&f);
}

static void test_expired_is_a_miss(void **state)
{
    struct fixture f = make(MIB);
    uint8_t id[CACHE_ID_SIZE];
    struct cache_hit hit;
    (void)state;
    assert_true(put(f.cache, "a", 10));
    cache_id(f.cache, "a", 1, id);
    assert_true(cache_find(f.cache, id, "a", 1, NOW + 60, &hit));
    cache_unpin(f.cache, &hit);
    assert_false(cache_find(f.cache, id, "a", 1, NOW + 61, &hit));
    drop(&f);
}

/* Neither by a purge of all nor by one of its own is an unfinished fill let in afterwards. */
static void test_purge_meets_fill(void **state)
{
    const struct cache_meta meta = lasting();
    uint8_t id[CACHE_ID_SIZE];
    struct fixture f = make(MIB);
    (void)state;
    cache_id(f.cache, "a", 1, id);
    for (int all = 0; all < 2; all++) {
        struct cache_fill *fill = cache_fill_begin(f.cache, id, "a", 1, &meta, "", 0, 3);
        assert_non_null(fill);
        assert_true(cache_fill_append(fill, "old", 3));
        if (all)
            assert_int_equal(cache_purge_all(f.cache), 0);
        else
            assert_int_equal(cache_purge(f.cache, id), 0);
        assert_false(cache_fill_commit(&fill));
        assert_null(fill);
        assert_false(has(f.cache, "a"));
        audit(f.cache);
    }
    drop(&f);
}

static void test_purge_all(void **state)
{
    struct fixture f = make(MIB);
    struct cache_stats stats;
    char key[32];
    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_true(put(f.cache, key, 1000));
    }
    assert_int_equal(cache_purge_all(f.cache), 100);
    cache_stats(f.cache, &stats);
    assert_int_equal(stats.objects, 0);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_false(has(f.cache, key));
    }
    audit(f.cache);
    for (int i = 0; i < 200; i++) { /* the dead go as others come */
        snprintf(key, sizeof key, "k%d", i);
        assert_true(put(f.cache, key, 1000));
    }
    cache_stats(f.cache, &stats);
    assert_int_equal(stats.objects, 200);
    assert_int_equal(stats.evictions, 0);
    drop(&f);
}

/* A pinned object stays whole when it is purged and everything else is turned over many times. */
static void test_pins_hold(void **state)
{
    struct fixture f = make(MIB);
    struct cache_hit kept, hit;
    uint8_t id[CACHE_ID_SIZE];
    char key[32];
    (void)state;
    assert_true(put(f.cache, "kept", 50000));
    assert_true(find(f.cache, "kept", &kept));
    assert_true(cache_keep(f.cache, &kept));
    cache_id(f.cache, "kept", 4, id);
    assert_int_equal(cache_purge(f.cache, id), 1);
    assert_true(put(f.cache, "short", 20000));
    assert_true(find(f.cache, "short", &hit));
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_true(put(f.cache, key, 3000));
    }
    check_body(f.cache, &kept, 50000, 8);
    check_body(f.cache, &hit, 20000, 8);
    audit(f.cache);
    cache_unpin(f.cache, &hit);
    cache_unpin(f.cache, &kept);
    drop(&f);
}

/* Whoever looks while the short pin is in use gets a long one. */
static void test_two_at_once(void **state)
{
    struct fixture f = make(MIB);
    struct cache_hit first, second;
    (void)state;
    assert_true(put(f.cache, "a", 10));
    assert_true(put(f.cache, "b", 20));
    assert_true(find(f.cache, "a", &first));
    assert_true(find(f.cache, "b", &second));
    assert_int_equal(first.pin, PIN_SHORT);
    assert_true(second.pin >= 0);
    assert_false(has(f.cache, "c"));
    assert_true(cache_keep(f.cache, &second));
    check_body(f.cache, &first, 10, 1);
    check_body(f.cache, &second, 20, 1);
    cache_unpin(f.cache, &first);
    assert_true(find(f.cache, "a", &first));
    assert_int_equal(first.pin, PIN_SHORT);
    cache_unpin(f.cache, &first);
    cache_unpin(f.cache, &second);
    assert_int_equal(f.cache->cells.used, 0);
    drop(&f);
}

/* What is asked for all the time is hardly ever written to, so that its lines stay in the caches of
 * all processors: of the entry nothing changes but its count of hits, once in about 256 of them. */
static void test_hot_is_hardly_written(void **state)
{
    enum { WARM = 20000, MORE = 20000 };
    struct fixture f = make(MIB);
    struct cache_hit hit;
    uint32_t writes = 0;
    (void)state;
    assert_true(put(f.cache, "a", 100));
    for (int i = 0; i < WARM; i++)
        assert_true(has(f.cache, "a"));
    assert_true(find(f.cache, "a", &hit));
    const size_t size = sizeof *hit.entry + hit.entry->key_n + hit.entry->head_n + 100;
    struct cache_entry_shm *entry = store_entry(f.cache, hit_ref(f.cache, &hit)),
                           *was = malloc(size);
    assert_non_null(was);
    cache_unpin(f.cache, &hit);
    for (int i = 0; i < MORE; i++) {
        memcpy(was, entry, size);
        assert_true(has(f.cache, "a"));
        writes += was->hits != entry->hits;
        was->hits = entry->hits;
        assert_memory_equal(was, entry, size);
    }
    assert_in_range(writes, 1, MORE / 100);
    free(was);
    drop(&f);
}

/* A slot that changed between the two looks at it is not believed: the entry may be gone. */
static void test_slot_is_read_twice(void **state)
{
    struct fixture f = make(MIB);
    _Atomic uint64_t slot = UINT64_C(7) << 32 | 4096;
    _Atomic uint32_t cell = 0;
    (void)state;
    assert_ptr_equal(protect(f.cache, &cell, &slot, slot), store_entry(f.cache, 4096));
    assert_int_equal(cell, 4096);
    assert_null(protect(f.cache, &cell, &slot, UINT64_C(7) << 32 | 2048));
    drop(&f);
}

static void test_many_pins(void **state)
{
    enum { MANY = 20000 };
    struct fixture f = make(8 * MIB);
    struct cache_hit *hits = calloc(MANY, sizeof *hits);
    struct cache_stats before, after;
    (void)state;
    assert_non_null(hits);
    assert_true(put(f.cache, "a", 1000));
    cache_stats(f.cache, &before);
    for (int i = 0; i < MANY; i++) {
        assert_true(find(f.cache, "a", &hits[i]));
        assert_true(cache_keep(f.cache, &hits[i]));
    }
    audit(f.cache);
    for (int i = 0; i < MANY; i++)
        cache_unpin(f.cache, &hits[i]);
    cache_stats(f.cache, &after);
    assert_int_equal(before.free_pages, after.free_pages);
    free(hits);
    drop(&f);
}

/* When all is full and pinned a store fails, without harm; when a pin goes, it works again. */
static void test_no_memory(void **state)
{
    enum { MANY = 64 };
    struct fixture f = make(MIB);
    struct cache_hit hits[MANY];
    struct cache_stats stats;
    char key[32];
    int n = 0;
    (void)state;
    for (; n < MANY; n++) {
        snprintf(key, sizeof key, "big%d", n);
        if (!put(f.cache, key, 60000))
            break;
        assert_true(find(f.cache, key, &hits[n]));
        assert_true(cache_keep(f.cache, &hits[n]));
    }
    assert_in_range(n, 4, MANY - 1);
    cache_stats(f.cache, &stats);
    assert_true(stats.no_memory > 0);
    audit(f.cache);
    cache_unpin(f.cache, &hits[0]);
    assert_true(put(f.cache, "again", 60000));
    for (int i = 1; i < n; i++) {
        check_body(f.cache, &hits[i], 60000, 8);
        cache_unpin(f.cache, &hits[i]);
    }
    drop(&f);
}

static void test_too_large(void **state)
{
    const struct cache_meta meta = lasting();
    uint8_t id[CACHE_ID_SIZE] = { 1 };
    struct fixture f = make(MIB);
    (void)state;
    assert_null(cache_fill_begin(f.cache, id, "k", 1, &meta, "", 0, 2 * MIB));
    assert_null(cache_fill_begin(f.cache, id, "k", CACHE_KEY_MAX + 1, &meta, "", 0, 0));
    assert_false(put(f.cache, "unknown", 0) && put_meta(f.cache, "unknown", 2 * MIB, 0, &meta));
    audit(f.cache);
    assert_true(put(f.cache, "fits", 500000));
    drop(&f);
}

/* What is left of a process that went away without a word: its fills and pins. */
static void test_slot_is_taken_back(void **state)
{
    const struct cache_meta meta = lasting();
    uint8_t id[CACHE_ID_SIZE] = { 1 };
    struct fixture f = make(MIB);
    struct cache_stats before, after;
    (void)state;
    cache_stats(f.cache, &before);
    for (int orphan = 0; orphan < 2; orphan++) {
        struct cache *gone = cache_attach(&f.zone, 7);
        struct cache_fill *fill = cache_fill_begin(gone, id, "k", 1, &meta, "", 0, 300000);
        assert_non_null(fill);
        char *body = body_of(1, 200000);
        assert_true(cache_fill_append(fill, body, 200000));
        free(body);
        if (orphan) { /* nobody follows on its slot: the next to store something clears up */
            cache_break(&f.zone, 7);
            assert_true(put(f.cache, "other", 10));
            id[0]++;
            cache_id(f.cache, "other", 5, id);
            assert_int_equal(cache_purge(f.cache, id), 1);
        } else {
            struct cache *next = cache_attach(&f.zone, 7);
            cache_detach(&next);
        }
        free(fill);
        audit(f.cache);
        cache_stats(f.cache, &after);
        assert_in_range(before.free_pages - after.free_pages, 0, 1);
        assert_true(put(f.cache, "much", 600000));
        cache_purge_all(f.cache);
        assert_true(put(f.cache, "much", 600000));
        cache_id(f.cache, "much", 4, id);
        assert_int_equal(cache_purge(f.cache, id), 1);
        cache_detach(&gone);
    }
    drop(&f);
}

static void test_hits_are_counted(void **state)
{
    struct fixture f = make(MIB);
    struct cache_hit hit;
    (void)state;
    assert_true(put(f.cache, "a", 10));
    for (int i = 0; i < 10; i++)
        assert_true(has(f.cache, "a"));
    assert_true(find(f.cache, "a", &hit));
    assert_int_equal(hit.hits, 11);
    cache_unpin(f.cache, &hit);
    for (int i = 0; i < 100000; i++)
        assert_true(has(f.cache, "a"));
    assert_true(find(f.cache, "a", &hit));
    assert_in_range(hit.hits, 80000, 120000);
    cache_unpin(f.cache, &hit);
    drop(&f);
}

static void test_layout_is_checked(void **state)
{
    struct zone zone;
    (void)state;
    assert_true(region_make(&zone, ZONE_CACHE, CACHE_VERSION, "small", MIB / 2));
    assert_false(cache_format(&zone));
    assert_null(cache_attach(&zone, 0));
    region_drop(&zone);
    assert_true(region_make(&zone, ZONE_CACHE, CACHE_VERSION, "raw", MIB));
    assert_null(cache_attach(&zone, 0));
    assert_true(cache_format(&zone));
    assert_null(cache_attach(&zone, 256));
    region_drop(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_and_find),
        cmocka_unit_test(test_few_vectors),
        cmocka_unit_test(test_replace_and_purge),
        cmocka_unit_test(test_key_must_match),
        cmocka_unit_test(test_expired_is_a_miss),
        cmocka_unit_test(test_purge_meets_fill),
        cmocka_unit_test(test_purge_all),
        cmocka_unit_test(test_pins_hold),
        cmocka_unit_test(test_many_pins),
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_hot_is_hardly_written),
        cmocka_unit_test(test_slot_is_read_twice),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_slot_is_taken_back),
        cmocka_unit_test(test_hits_are_counted),
        cmocka_unit_test(test_layout_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
