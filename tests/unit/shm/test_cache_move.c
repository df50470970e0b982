/* SPDX-License-Identifier: Apache-2.0 */
/* A dictionary gets another size: what fits moves, whole and as it was; what is purged at any
 * moment stays purged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void between(void);
#define CRASH_POINT() between()

#include "shm/cache_fill.c"
#include "shm/cache_move.c"
#include "shm/cache_walk.c"
#include <stdio.h>

enum { USER, MOVER };
enum { MIB = 1 << 20, NOW = 1800000000, FIELD = 64 };

static struct zone zones[2];          /* the old one, the new one */
static struct cache *old[2], *new[2]; /* by slot: USER, MOVER */
static struct cache_moved moved;
static char body[300000];

static void open_zones(uint64_t from, uint64_t to)
{
    const uint64_t sizes[2] = { from, to };

    for (int i = 0; i < 2; i++) {
        assert_true(region_make(&zones[i], ZONE_CACHE, CACHE_VERSION, "test", sizes[i]));
        assert_true(cache_format(&zones[i]));
    }
    cache_move_kin(&zones[1], &zones[0]);
    for (uint32_t slot = 0; slot < 2; slot++) {
        old[slot] = cache_attach(&zones[0], slot);
        new[slot] = cache_attach(&zones[1], slot);
        assert_true(old[slot] && new[slot]);
    }
    cache_move_twin(old[USER], new[USER]);
}

static void close_zones(void)
{
    char why[256];

    for (int i = 0; i < 2; i++) {
        struct cache **handle = i == 0 ? old : new;
        if (!cache_audit(handle[USER], why, sizeof why))
            fail_msg("%s", why);
        cache_detach(&handle[USER]);
        cache_detach(&handle[MOVER]);
        region_drop(&zones[i]);
    }
}

static void name(int i, char key[FIELD], uint8_t id[CACHE_ID_SIZE])
{
    snprintf(key, FIELD, "GET /object/%d", i);
    cache_id(old[USER], key, strlen(key), id);
}

static struct cache_meta meta_of(int64_t age)
{
    return (struct cache_meta){
        .stored = NOW - age, .keep_until = NOW + 1000, .fresh_for = 600, .status = 200, .flags = 5
    };
}

static bool put(struct cache *cache, int i, size_t n, int64_t age)
{
    char key[FIELD], head[FIELD];
    uint8_t id[CACHE_ID_SIZE];
    struct cache_meta meta = meta_of(age);
    struct cache_fill *fill;

    name(i, key, id);
    snprintf(head, sizeof head, "X-Number: %d\r\n", i);
    memset(body, 'a' + i % 26, n);
    fill = cache_fill_begin(cache, id, key, strlen(key), &meta, head, strlen(head), n);
    if (!fill || !cache_fill_append(fill, body, n)) {
        cache_fill_abort(&fill);
        return false;
    }
    return cache_fill_commit(&fill);
}

/* Whether it is there; then *hit is pinned. */
static bool get(struct cache *cache, int i, struct cache_hit *hit)
{
    char key[FIELD];
    uint8_t id[CACHE_ID_SIZE];

    name(i, key, id);
    return cache_find(cache, id, key, strlen(key), NOW, hit);
}

static bool has(struct cache *cache, int i)
{
    struct cache_hit hit;
    bool there = get(cache, i, &hit);

    if (there)
        cache_unpin(cache, &hit);
    return there;
}

static int purge(struct cache *cache, int i)
{
    char key[FIELD];
    uint8_t id[CACHE_ID_SIZE];

    name(i, key, id);
    return cache_purge(cache, id);
}

static void move_all(void)
{
    cache_move(new[MOVER], old[MOVER], NOW, &moved);
}

static void expect_whole(int i, size_t n)
{
    struct iovec part[64];
    struct cache_hit hit;
    size_t bytes;
    uint64_t at = 0;

    assert_true(get(new[USER], i, &hit));
    assert_int_equal(hit.body_n, n);
    while (at < n) {
        int count = cache_body(new[USER], &hit, at, part, 64, &bytes);
        assert_true(count > 0);
        for (int k = 0; k < count; k++)
            for (size_t b = 0; b < part[k].iov_len; b++)
                assert_int_equal(((char *)part[k].iov_base)[b], 'a' + i % 26);
        at += bytes;
    }
    assert_int_equal(hit.meta->flags, 5);
    assert_int_equal(hit.meta->status, 200);
    cache_unpin(new[USER], &hit);
}

/* --- what moves ------------------------------------------------------------------------ */

static void everything_moves_when_it_fits(void **state)
{
    struct cache_hit hit;
    struct cache_stats stats;

    (void)state;
    open_zones(8 * MIB, 14 * MIB);
    for (int i = 0; i < 200; i++)
        assert_true(put(old[USER], i, (size_t)(i % 3 ? i * 7 : i * 300), i));
    for (int k = 0; k < 5; k++)
        assert_true(has(old[USER], 17));
    move_all();
    assert_int_equal(moved.objects, 200);
    assert_int_equal(moved.left, 0);
    for (int i = 0; i < 200; i++)
        expect_whole(i, (size_t)(i % 3 ? i * 7 : i * 300));
    assert_true(get(new[USER], 17, &hit));
    assert_true(hit.hits >= 6);
    assert_int_equal(hit.meta->stored, NOW - 17);
    cache_unpin(new[USER], &hit);
    cache_stats(new[USER], &stats);
    assert_int_equal(stats.objects, 200);
    close_zones();
}

static void renewed_heads_move(void **state)
{
    static const char head[] = "X-Number: renewed\r\nX-More: of it\r\n";
    struct cache_meta meta = meta_of(-3);
    struct cache_hit hit;

    (void)state;
    open_zones(2 * MIB, 3 * MIB);
    assert_true(put(old[USER], 1, 100000, 50));
    assert_true(get(old[USER], 1, &hit));
    assert_true(cache_update(old[USER], &hit, &meta, head, strlen(head)));
    cache_unpin(old[USER], &hit);
    move_all();
    expect_whole(1, 100000);
    assert_true(get(new[USER], 1, &hit));
    assert_int_equal(hit.head_n, strlen(head));
    assert_memory_equal(hit.head, head, strlen(head));
    assert_int_equal(hit.meta->stored, NOW + 3);
    cache_unpin(new[USER], &hit);
    close_zones();
}

static void the_hottest_and_youngest_have_room(void **state)
{
    int hot = 0, young = 0, cold = 0;

    (void)state;
    open_zones(8 * MIB, 2 * MIB);
    for (int i = 0; i < 600; i++) /* 6 MB; those of an even number are young */
        assert_true(put(old[USER], i, 10000, i % 2 ? 10000 : 1));
    for (int i = 0; i < 600; i += 10)
        assert_true(has(old[USER], i + 1) && has(old[USER], i + 1));
    move_all();
    assert_true(moved.objects > 100 && moved.left > 300);
    for (int i = 0; i < 600; i++) {
        if (!has(new[USER], i))
            continue;
        expect_whole(i, 10000);
        if (i % 10 == 1)
            hot++;
        else if (i % 2 == 0)
            young++;
        else
            cold++;
    }
    assert_int_equal(hot, 60);
    assert_true(young > 40);
    assert_true(cold < 10);
    close_zones();
}

static void the_expired_and_the_purged_stay_behind(void **state)
{
    struct purges_label label;
    char key[FIELD];
    uint8_t id[CACHE_ID_SIZE];
    const struct iovec text = { id, sizeof id };

    (void)state;
    open_zones(2 * MIB, 3 * MIB);
    for (int i = 0; i < 4; i++)
        assert_true(put(old[USER], i, 1000, 10));
    cache_move_twin(old[USER], NULL); /* purged before there was another zone */
    assert_int_equal(purge(old[USER], 1), 1);
    name(2, key, id);
    label = purges_label(old[USER], PURGES_KEY, false, &text, 1);
    purges_mark(old[USER], &label, 1, PURGES_HARD);
    name(3, key, id);
    label = purges_label(old[USER], PURGES_KEY, false, &text, 1);
    purges_mark(old[USER], &label, 1, PURGES_SOFT);
    move_all();
    assert_int_equal(moved.objects, 2);
    assert_true(has(new[USER], 0));
    assert_false(has(new[USER], 1));
    assert_false(has(new[USER], 2));
    close_zones();
}

static void what_was_purged_softly_is_still_stale(void **state)
{
    struct purges_label label;
    char key[FIELD];
    uint8_t id[CACHE_ID_SIZE];
    const struct iovec text = { id, sizeof id };
    struct cache_hit hit;

    (void)state;
    open_zones(2 * MIB, 3 * MIB);
    for (int i = 0; i < 3; i++)
        assert_true(put(old[USER], i, 1000, 10));
    for (int i = 1; i < 3; i++) {
        name(i, key, id);
        label = purges_label(old[USER], PURGES_KEY, false, &text, 1);
        if (i == 2)
            move_all();
        purges_mark(old[USER], &label, 1, PURGES_SOFT); /* before; after */
    }
    for (int i = 0; i < 3; i++) {
        assert_true(get(new[USER], i, &hit));
        assert_int_equal(hit.soft, i > 0);
        cache_unpin(new[USER], &hit);
    }
    assert_true(put(new[USER], 1, 500, 0)); /* it was refreshed */
    assert_true(get(new[USER], 1, &hit));
    assert_false(hit.soft);
    cache_unpin(new[USER], &hit);
    close_zones();
}

static void twins_are_purged_together(void **state)
{
    (void)state;
    open_zones(2 * MIB, 3 * MIB);
    for (int i = 0; i < 3; i++)
        assert_true(put(old[USER], i, 1000, 10));
    move_all();
    assert_int_equal(purge(old[USER], 0), 1);
    assert_false(has(new[USER], 0));
    cache_move_twin(old[USER], NULL);
    cache_move_twin(new[USER], old[USER]);
    assert_int_equal(purge(new[USER], 1), 1);
    assert_false(has(old[USER], 1));
    assert_int_equal(cache_purge_all(new[USER]), 1);
    assert_false(has(old[USER], 2));
    cache_move_twin(new[USER], NULL);
    assert_true(put(old[USER], 2, 10, 0));
    assert_int_equal(cache_purge_all(new[USER]), 0);
    assert_true(has(old[USER], 2));
    close_zones();
}

/* --- at any moment --------------------------------------------------------------------- */

static int countdown = -1;
static void (*deed)(void);

static bool is_locked(void)
{
    for (int i = 0; i < STORE_SHARDS; i++)
        if (atomic_load(&new[MOVER]->shm->shard_lock[i].lock.word) != 0 ||
            atomic_load(&old[MOVER]->shm->shard_lock[i].lock.word) != 0)
            return true;
    return false;
}

/* The deed is done at the nth place where another process could do it. */
static void between(void)
{
    if (countdown < 0 || is_locked() || countdown-- > 0)
        return;
    deed();
}

static void purge_one(void)
{
    (void)purge(old[USER], 1);
}

static void purge_all(void)
{
    (void)cache_purge_all(old[USER]);
}

static void purge_by_label(void)
{
    char key[FIELD];
    uint8_t id[CACHE_ID_SIZE];
    const struct iovec text = { id, sizeof id };

    name(1, key, id);
    struct purges_label label = purges_label(old[USER], PURGES_KEY, false, &text, 1);
    purges_mark(old[USER], &label, 1, PURGES_HARD);
}

static void replace(void)
{
    (void)put(old[USER], 1, 70000, -1);
}

static void nothing_comes_back(void (*what)(void), bool also_others)
{
    bool done = false;

    for (int n = 0; !done; n++) {
        open_zones(MIB, 2 * MIB);
        for (int i = 0; i < 3; i++)
            assert_true(put(old[USER], i, 100000, 10));
        deed = what;
        countdown = n;
        move_all();
        done = countdown >= 0; /* there are not so many places */
        countdown = -1;
        assert_int_equal(has(new[USER], 1), done);
        assert_int_equal(has(new[USER], 0) && has(new[USER], 2), done || !also_others);
        close_zones();
        assert_true(!done || n > 10);
    }
}

static void a_purge_of_one_at_any_moment_holds(void **state)
{
    (void)state;
    nothing_comes_back(purge_one, false);
}

static void a_purge_by_label_at_any_moment_holds(void **state)
{
    (void)state;
    nothing_comes_back(purge_by_label, false);
}

static void a_purge_of_all_at_any_moment_holds(void **state)
{
    (void)state;
    nothing_comes_back(purge_all, true);
}

static void what_is_replaced_meanwhile_moves_as_it_is_then(void **state)
{
    bool done = false;

    (void)state;
    for (int n = 0; !done; n++) {
        struct cache_hit hit;
        open_zones(MIB, 2 * MIB);
        for (int i = 0; i < 3; i++)
            assert_true(put(old[USER], i, 100000, 10));
        deed = replace;
        countdown = n;
        move_all();
        done = countdown >= 0;
        countdown = -1;
        assert_true(get(new[USER], 1, &hit));
        assert_true(hit.body_n == 70000 || hit.body_n == 100000);
        cache_unpin(new[USER], &hit);
        if (n < 3) /* in the first of the walks */
            expect_whole(1, 70000);
        close_zones();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_moves_when_it_fits),
        cmocka_unit_test(renewed_heads_move),
        cmocka_unit_test(the_hottest_and_youngest_have_room),
        cmocka_unit_test(the_expired_and_the_purged_stay_behind),
        cmocka_unit_test(what_was_purged_softly_is_still_stale),
        cmocka_unit_test(twins_are_purged_together),
        cmocka_unit_test(a_purge_of_one_at_any_moment_holds),
        cmocka_unit_test(a_purge_by_label_at_any_moment_holds),
        cmocka_unit_test(a_purge_of_all_at_any_moment_holds),
        cmocka_unit_test(what_is_replaced_meanwhile_moves_as_it_is_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
