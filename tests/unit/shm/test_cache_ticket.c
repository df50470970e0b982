/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tickets as two processes see them, which here are two slots in one: who fills and who waits, what
 * each ending means, deaths in between, purges, wake-ups, ids that cannot be stored, full sets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/cache_ticket_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOW = 1000000, MIB = 1 << 20, FILLER = 2, WAITER = 130 };

struct bed {
    struct zone zone;
    struct cache *filler, *waiter;
    uint8_t id[CACHE_ID_SIZE];
    uint32_t theirs, ours; /* handles: the filler's, the waiter's */
    uint32_t woken[BOARD_SLOTS];
};

static const char key[] = "GET /one";
static const char head[] = "Content-Type: text/plain\r\n";

static void ring(void *arg, uint32_t slot)
{
    ((struct bed *)arg)->woken[slot]++;
}

static void attach_filler(struct bed *bed)
{
    bed->filler = cache_attach(&bed->zone, FILLER);
    assert_non_null(bed->filler);
    cache_ticket_waker(bed->filler, ring, bed);
}

static struct bed *make(void)
{
    struct bed *bed = calloc(1, sizeof *bed);
    assert_non_null(bed);
    assert_true(region_make(&bed->zone, ZONE_CACHE, CACHE_VERSION, "test", 2 * MIB));
    assert_true(cache_format(&bed->zone));
    attach_filler(bed);
    bed->waiter = cache_attach(&bed->zone, WAITER);
    assert_non_null(bed->waiter);
    cache_ticket_waker(bed->waiter, ring, bed);
    cache_id(bed->waiter, key, sizeof key - 1, bed->id);
    return bed;
}

static uint32_t in_use(const struct cache *cache)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < cache->g.shards * cache->g.tickets; i++)
        for (int k = 0; k < STORE_WAYS; k++)
            n += atomic_load(&cache->tickets[i].tag[k]) != 0;
    return n;
}

static void drop(struct bed *bed)
{
    char why[256];
    cache_ticket_leave(bed->filler, &bed->theirs);
    cache_ticket_leave(bed->waiter, &bed->ours);
    if (!cache_audit(bed->waiter, why, sizeof why))
        fail_msg("audit: %s", why);
    assert_int_equal(in_use(bed->waiter), 0);
    cache_detach(&bed->filler);
    cache_detach(&bed->waiter);
    region_drop(&bed->zone);
    free(bed);
}

static enum cache_ticket_verdict fill_take(struct bed *bed)
{
    return cache_ticket_take(bed->filler, bed->id, NOW, &bed->theirs);
}

static enum cache_ticket_verdict wait_take(struct bed *bed)
{
    return cache_ticket_take(bed->waiter, bed->id, NOW, &bed->ours);
}

static struct bed *both(void)
{
    struct bed *bed = make();
    assert_int_equal(fill_take(bed), CACHE_TICKET_FILL);
    assert_int_equal(wait_take(bed), CACHE_TICKET_WAIT);
    return bed;
}

static struct cache_ticket_view look(const struct bed *bed)
{
    struct cache_ticket_view view;
    cache_ticket_look(bed->waiter, bed->ours, &view);
    return view;
}

static struct cache_fill *begin(struct cache *cache, const uint8_t *id)
{
    const struct cache_meta meta = { .stored = NOW, .keep_until = NOW + 60, .status = 200 };
    return cache_fill_begin(cache, id, key, sizeof key - 1, &meta, head, sizeof head - 1, 0);
}

static struct cache_fill *offer(struct bed *bed)
{
    struct cache_fill *fill = begin(bed->filler, bed->id);
    assert_non_null(fill);
    cache_fill_offer(fill, bed->theirs, UINT64_MAX);
    return fill;
}

static bool join(struct bed *bed, struct cache_hit *hit)
{
    return cache_ticket_join(bed->waiter, bed->ours, key, sizeof key - 1, hit);
}

static bool found(struct bed *bed)
{
    struct cache_hit hit;
    if (!cache_find(bed->waiter, bed->id, key, sizeof key - 1, NOW, &hit))
        return false;
    cache_unpin(bed->waiter, &hit);
    return true;
}

static unsigned char byte_at(uint64_t i)
{
    return (unsigned char)(i * 131 + (i >> 9));
}

static void append(struct cache_fill *fill, size_t n)
{
    char piece[1000];
    while (n > 0) {
        size_t part = n < sizeof piece ? n : sizeof piece;
        for (size_t i = 0; i < part; i++)
            piece[i] = (char)byte_at(cache_fill_size(fill) + i);
        assert_true(cache_fill_append(fill, piece, part));
        n -= part;
    }
}

/* Reads on to what is known; every byte has to be right. `most`: vectors at a time. */
static void read_on(const struct bed *bed, const struct cache_hit *hit, struct cache_growth *growth,
                    int most)
{
    struct iovec iov[8];
    while (growth->offset < growth->known) {
        int n = cache_body_grown(bed->waiter, hit, growth, iov, most);
        assert_in_range(n, 1, most);
        uint64_t at = growth->offset;
        for (int i = 0; i < n; i++, at += iov[i - 1].iov_len)
            for (size_t k = 0; k < iov[i].iov_len; k++)
                assert_int_equal(((unsigned char *)iov[i].iov_base)[k], byte_at(at + k));
        assert_in_range(at, 1, growth->known);
        growth->offset += iov[0].iov_len; /* not as far as it could */
    }
    assert_int_equal(growth->offset, growth->known);
}

static void test_first_fills_others_wait(void **state)
{
    (void)state;
    struct bed *bed = both();
    uint32_t third;
    assert_int_equal(cache_ticket_take(bed->filler, bed->id, NOW, &third), CACHE_TICKET_WAIT);
    assert_int_equal(third, bed->theirs);
    assert_int_equal(look(bed).state, CACHE_TICKET_ASKED);
    assert_false(cache_ticket_try(bed->waiter, bed->id, NOW, &third) || third != 0);
    third = bed->theirs;
    cache_ticket_leave(bed->filler, &third);
    assert_int_equal(third, 0);
    assert_int_equal(in_use(bed->filler), 1);
    cache_ticket_leave(bed->filler, &third); /* nothing */
    cache_ticket_end(bed->filler, &bed->theirs, CACHE_TICKET_DONE, 0);
    assert_int_equal(look(bed).state, CACHE_TICKET_DONE);
    cache_ticket_leave(bed->waiter, &bed->ours);
    assert_int_equal(in_use(bed->filler), 0);
    assert_true(cache_ticket_try(bed->waiter, bed->id, NOW, &bed->ours));
    drop(bed);
}

static void test_await_never_fills(void **state)
{
    (void)state;
    struct bed *bed = make();
    struct cache_stats stats;
    assert_false(cache_ticket_await(bed->waiter, bed->id, &bed->ours));
    assert_int_equal(bed->ours, 0);
    assert_false(cache_ticket_is_taken(bed->waiter, bed->id));
    assert_int_equal(fill_take(bed), CACHE_TICKET_FILL);
    assert_true(cache_ticket_is_taken(bed->waiter, bed->id));
    cache_stats(bed->waiter, &stats);
    assert_int_equal(stats.waits, 0);
    assert_true(cache_ticket_await(bed->waiter, bed->id, &bed->ours));
    cache_stats(bed->waiter, &stats);
    assert_int_equal(stats.waits, 1);
    cache_ticket_end(bed->filler, &bed->theirs, CACHE_TICKET_DONE, 0);
    assert_false(cache_ticket_is_taken(bed->waiter, bed->id));
    assert_int_equal(look(bed).state, CACHE_TICKET_DONE);
    drop(bed);
}

static void test_ids_do_not_meet(void **state)
{
    (void)state;
    struct bed *bed = both();
    uint8_t other[CACHE_ID_SIZE];
    uint32_t ticket;
    memcpy(other, bed->id, sizeof other);
    other[4] ^= 1; /* the same set and tag */
    assert_int_equal(cache_ticket_take(bed->waiter, other, NOW, &ticket), CACHE_TICKET_FILL);
    assert_int_not_equal(ticket, bed->ours);
    cache_ticket_end(bed->waiter, &ticket, CACHE_TICKET_LOST, 0);
    assert_int_equal(look(bed).state, CACHE_TICKET_ASKED);
    drop(bed);
}

static void test_body_is_read_while_it_grows(void **state)
{
    (void)state;
    static const size_t steps[] = { 0, 1, 700, 5000, 60000, 90000, 3, 200000 };
    for (int most = 1; most <= 4; most++) {
        struct bed *bed = both();
        struct cache_fill *fill = offer(bed);
        struct cache_hit hit, own;
        struct cache_growth growth = { 0 };
        assert_int_equal(look(bed).state, CACHE_TICKET_FILLING);
        assert_true(join(bed, &hit));
        assert_int_equal(hit.body_n, 0);
        assert_memory_equal(hit.head, head, sizeof head - 1);
        assert_int_equal(hit.meta->status, 200);
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
            append(fill, steps[i]);
            assert_int_equal(look(bed).published, growth.known);
            cache_fill_progress(fill);
            growth.known = look(bed).published;
            assert_int_equal(growth.known, cache_fill_size(fill));
            read_on(bed, &hit, &growth, most);
        }
        assert_true(cache_fill_pin(fill, &own));
        append(fill, 10);
        assert_true(cache_fill_commit(&fill));
        assert_int_equal(look(bed).state, CACHE_TICKET_DONE);
        assert_int_equal(look(bed).published, growth.known + 10);
        growth.known += 10;
        read_on(bed, &hit, &growth, most);
        growth.offset = growth.chunk = 0;
        growth.chunk_at = 0;
        read_on(bed, &own, &growth, most);
        assert_true(found(bed));
        cache_unpin(bed->waiter, &hit);
        cache_unpin(bed->filler, &own);
        drop(bed);
    }
}

static void test_pinned_body_outlives_abort_and_purge(void **state)
{
    (void)state;
    struct bed *bed = both();
    struct cache_fill *fill = offer(bed);
    struct cache_hit hit;
    assert_true(join(bed, &hit));
    append(fill, 100000);
    cache_fill_progress(fill);
    struct cache_growth growth = { .known = look(bed).published };
    cache_fill_abort(&fill);
    assert_int_equal(look(bed).state, CACHE_TICKET_LOST);
    cache_ticket_end(bed->filler, &bed->theirs, CACHE_TICKET_DONE, 0); /* it has ended before */
    assert_int_equal(look(bed).state, CACHE_TICKET_LOST);
    read_on(bed, &hit, &growth, 3);
    assert_false(join(bed, &(struct cache_hit){ 0 }));
    cache_ticket_leave(bed->waiter, &bed->ours);
    assert_int_equal(wait_take(bed), CACHE_TICKET_FILL);
    cache_unpin(bed->waiter, &hit);
    drop(bed);
}

static void test_join_wants_the_key_and_a_filling_one(void **state)
{
    (void)state;
    struct bed *bed = both();
    struct cache_hit hit;
    assert_false(join(bed, &hit));
    struct cache_fill *fill = offer(bed);
    assert_false(cache_ticket_join(bed->waiter, bed->ours, "GET /two", 8, &hit));
    assert_false(cache_ticket_join(bed->waiter, bed->ours, "GET /on", 7, &hit));
    assert_true(join(bed, &hit));
    cache_unpin(bed->waiter, &hit);
    assert_true(cache_fill_commit(&fill));
    assert_false(join(bed, &hit));
    drop(bed);
}

static void test_expected_is_told(void **state)
{
    (void)state;
    struct bed *bed = both();
    assert_true(look(bed).expected == UINT64_MAX);
    struct cache_fill *fill = begin(bed->filler, bed->id);
    cache_fill_offer(fill, bed->theirs, 4711);
    assert_int_equal(look(bed).expected, 4711);
    cache_fill_abort(&fill);
    drop(bed);
}

static void test_failed_says_why(void **state)
{
    (void)state;
    struct bed *bed = both();
    cache_ticket_end(bed->filler, &bed->theirs, CACHE_TICKET_FAILED, 504);
    assert_int_equal(look(bed).state, CACHE_TICKET_FAILED);
    assert_int_equal(look(bed).status, 504);
    assert_int_equal(fill_take(bed), CACHE_TICKET_FILL); /* a new attempt, beside the held one */
    drop(bed);
}

static void test_passed_is_remembered(void **state)
{
    (void)state;
    struct bed *bed = both();
    cache_ticket_end(bed->filler, &bed->theirs, CACHE_TICKET_PASSED, NOW + 30);
    assert_int_equal(look(bed).state, CACHE_TICKET_PASSED);
    cache_ticket_leave(bed->waiter, &bed->ours);
    assert_int_equal(wait_take(bed), CACHE_TICKET_PASS);
    assert_int_equal(bed->ours, 0);
    assert_false(cache_ticket_try(bed->waiter, bed->id, NOW + 29, &bed->ours));
    assert_int_equal(cache_ticket_take(bed->waiter, bed->id, NOW + 30, &bed->ours),
                     CACHE_TICKET_FILL);
    cache_ticket_end(bed->waiter, &bed->ours, CACHE_TICKET_PASSED, NOW + 60);
    assert_int_equal(wait_take(bed), CACHE_TICKET_PASS);
    cache_ticket_unmark(bed->filler, bed->id);
    assert_int_equal(wait_take(bed), CACHE_TICKET_FILL);
    cache_ticket_end(bed->waiter, &bed->ours, CACHE_TICKET_PASSED, 0);
    assert_int_equal(wait_take(bed), CACHE_TICKET_FILL);
    drop(bed);
}

/* More marks than a line holds: the one that ends first gives way. */
static void test_marks_are_bounded(void **state)
{
    (void)state;
    struct bed *bed = make();
    uint8_t id[CACHE_ID_SIZE];
    for (uint8_t i = 0; i <= STORE_MARKS; i++) {
        memcpy(id, bed->id, sizeof id);
        id[9] = (uint8_t)(i + 1);
        assert_int_equal(cache_ticket_take(bed->filler, id, NOW, &bed->theirs), CACHE_TICKET_FILL);
        cache_ticket_end(bed->filler, &bed->theirs, CACHE_TICKET_PASSED, NOW + 100 - 2 * i);
    }
    uint32_t ticket, passed = 0;
    for (uint8_t i = 0; i <= STORE_MARKS; i++) {
        id[9] = (uint8_t)(i + 1);
        enum cache_ticket_verdict verdict = cache_ticket_take(bed->filler, id, NOW, &ticket);
        passed += verdict == CACHE_TICKET_PASS;
        cache_ticket_leave(bed->filler, &ticket);
        assert_true(verdict == CACHE_TICKET_PASS || i == STORE_MARKS - 1);
    }
    assert_true(passed >= STORE_MARKS);
    drop(bed);
}

static void test_death_loses_the_ticket(void **state)
{
    (void)state;
    struct bed *bed = both();
    struct cache_fill *fill = offer(bed);
    struct cache_hit hit;
    assert_true(join(bed, &hit));
    append(fill, 50000);
    cache_fill_progress(fill);
    struct cache_growth growth = { .known = look(bed).published };
    cache_break(&bed->zone, FILLER);
    assert_int_equal(look(bed).state, CACHE_TICKET_LOST);
    assert_false(join(bed, &(struct cache_hit){ 0 }));
    uint32_t next;
    assert_int_equal(cache_ticket_take(bed->waiter, bed->id, NOW, &next), CACHE_TICKET_FILL);
    /* its successor takes back what it left; the pinned entry stays */
    struct cache *dead = bed->filler;
    attach_filler(bed);
    bed->theirs = 0;
    read_on(bed, &hit, &growth, 2);
    cache_unpin(bed->waiter, &hit);
    assert_int_equal(fill_take(bed), CACHE_TICKET_WAIT);
    cache_ticket_end(bed->waiter, &next, CACHE_TICKET_LOST, 0);
    free(dead->holds);
    free(dead->cells.free);
    free(dead);
    free(fill);
    drop(bed);
}

/* The one who waits dies: nothing is left of its handle. */
static void test_death_of_a_waiter(void **state)
{
    (void)state;
    struct bed *bed = both();
    struct cache *dead = bed->waiter;
    cache_break(&bed->zone, WAITER);
    bed->waiter = cache_attach(&bed->zone, WAITER);
    bed->ours = 0;
    assert_int_equal(in_use(bed->filler), 1);
    cache_ticket_end(bed->filler, &bed->theirs, CACHE_TICKET_DONE, 0);
    assert_int_equal(in_use(bed->filler), 0);
    free(dead->holds);
    free(dead->cells.free);
    free(dead);
    drop(bed);
}

static void test_purge_splits_before_and_after(void **state)
{
    (void)state;
    struct bed *bed = both();
    uint32_t after;
    cache_purge(bed->waiter, bed->id);
    assert_int_equal(cache_ticket_take(bed->waiter, bed->id, NOW, &after), CACHE_TICKET_FILL);
    struct cache_fill *fill = offer(bed);
    struct cache_hit hit;
    assert_true(join(bed, &hit)); /* asked before the purge */
    append(fill, 10);
    assert_false(cache_fill_commit(&fill)); /* the question is older than the purge */
    assert_int_equal(look(bed).state, CACHE_TICKET_DONE);
    assert_int_equal(look(bed).published, 10);
    assert_false(found(bed));
    cache_unpin(bed->waiter, &hit);
    cache_ticket_end(bed->waiter, &after, CACHE_TICKET_LOST, 0);
    cache_ticket_leave(bed->filler, &bed->theirs);
    cache_ticket_leave(bed->waiter, &bed->ours);
    assert_int_equal(fill_take(bed), CACHE_TICKET_FILL);
    cache_purge_all(bed->waiter);
    assert_int_equal(wait_take(bed), CACHE_TICKET_FILL);
    drop(bed);
}

static void test_wakes_who_sleeps_once(void **state)
{
    (void)state;
    struct bed *bed = both();
    struct cache_ticket_view seen = look(bed);
    assert_true(cache_ticket_sleep(bed->waiter, bed->ours, &seen));
    assert_true(cache_ticket_sleep(bed->waiter, bed->ours, &seen)); /* another stream of it */
    struct cache_fill *fill = offer(bed);
    assert_int_equal(bed->woken[WAITER], 0); /* a body may come with the head */
    cache_fill_progress(fill);
    assert_int_equal(bed->woken[WAITER], 1);
    append(fill, 10);
    cache_fill_progress(fill);
    assert_int_equal(bed->woken[WAITER], 1); /* awake: it will look before it sleeps */
    assert_false(cache_ticket_sleep(bed->waiter, bed->ours, &seen));
    seen = look(bed);
    assert_true(cache_ticket_sleep(bed->waiter, bed->ours, &seen));
    cache_fill_progress(fill); /* no progress */
    assert_true(cache_ticket_sleep(bed->waiter, bed->ours, &seen));
    append(fill, 10);
    cache_fill_progress(fill);
    assert_int_equal(bed->woken[WAITER], 2);
    seen = look(bed);
    assert_true(cache_ticket_sleep(bed->waiter, bed->ours, &seen));
    assert_true(cache_fill_commit(&fill));
    assert_int_equal(bed->woken[WAITER], 3);
    assert_int_equal(bed->woken[FILLER], 0);
    seen = look(bed);
    cache_break(&bed->zone, FILLER); /* what has ended is not lost any more */
    assert_int_equal(look(bed).state, CACHE_TICKET_DONE);
    drop(bed);
}

static void test_full_set_passes(void **state)
{
    (void)state;
    struct bed *bed = make();
    uint8_t id[CACHE_ID_SIZE];
    uint32_t tickets[STORE_WAYS], more;
    memcpy(id, bed->id, sizeof id);
    for (uint8_t i = 0; i < STORE_WAYS; i++) {
        id[4] = i;
        assert_int_equal(cache_ticket_take(bed->waiter, id, NOW, &tickets[i]), CACHE_TICKET_FILL);
    }
    id[4] = STORE_WAYS;
    assert_int_equal(cache_ticket_take(bed->waiter, id, NOW, &more), CACHE_TICKET_PASS);
    cache_ticket_end(bed->waiter, &tickets[3], CACHE_TICKET_LOST, 0);
    assert_int_equal(cache_ticket_take(bed->waiter, id, NOW, &more), CACHE_TICKET_FILL);
    tickets[3] = more;
    for (uint8_t i = 0; i < STORE_WAYS; i++)
        cache_ticket_end(bed->waiter, &tickets[i], CACHE_TICKET_LOST, 0);
    drop(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_fills_others_wait),
        cmocka_unit_test(test_await_never_fills),
        cmocka_unit_test(test_ids_do_not_meet),
        cmocka_unit_test(test_body_is_read_while_it_grows),
        cmocka_unit_test(test_pinned_body_outlives_abort_and_purge),
        cmocka_unit_test(test_join_wants_the_key_and_a_filling_one),
        cmocka_unit_test(test_expected_is_told),
        cmocka_unit_test(test_failed_says_why),
        cmocka_unit_test(test_passed_is_remembered),
        cmocka_unit_test(test_marks_are_bounded),
        cmocka_unit_test(test_death_loses_the_ticket),
        cmocka_unit_test(test_death_of_a_waiter),
        cmocka_unit_test(test_purge_splits_before_and_after),
        cmocka_unit_test(test_wakes_who_sleeps_once),
        cmocka_unit_test(test_full_set_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
