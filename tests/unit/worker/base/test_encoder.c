/* SPDX-License-Identifier: Apache-2.0 */
/* Encoders: what goes in comes out of zlib and brotli again, in any pieces, after any use before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/encoder.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { TEXT = 300000, ROOM = TEXT * 2 };

static char text[TEXT], encoded[ROOM], plain[TEXT + 1];

static void make_text(unsigned seed)
{
    srand(seed);
    for (size_t i = 0; i < TEXT; i++)
        text[i] = "etaoin shrdlu\n"[rand() % (i % 4096 < 2048 ? 3 : 14)];
}

/* Everything that `step` makes of the bytes, in steps of `room`, to encoded[at..). */
static size_t run(struct encoder *e, enum encoder_step step, const void *in, size_t n, size_t at,
                  size_t room)
{
    for (;;) {
        size_t part = room;
        assert_true(at + room <= ROOM);
        enum encoder_result result = encoder_run(e, step, &in, &n, encoded + at, &part);
        assert_true(part <= room);
        at += part;
        if (result == ENCODER_DONE) {
            assert_int_equal(n, 0);
            return at;
        }
        assert_int_equal(result, ENCODER_FULL);
    }
}

/* How much of a gzip stream can be read back, and whether its end was there. */
static size_t inflated(size_t n, bool *end)
{
    z_stream z = { .next_in = (Bytef *)encoded,
                   .avail_in = (uInt)n,
                   .next_out = (Bytef *)plain,
                   .avail_out = sizeof plain };

    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    int result = inflate(&z, Z_SYNC_FLUSH);
    assert_true(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR);
    *end = result == Z_STREAM_END;
    inflateEnd(&z);
    return z.total_out;
}

static void in_pieces_of_all_sizes(void **state)
{
    static const size_t pieces[] = { 1, 7, 1000, 65536, TEXT };
    static const size_t rooms[] = { 1, 13, 4096, ENCODER_OUT };
    struct encoders pool = { 0 };
    bool end;

    (void)state;
    make_text(1);
    for (size_t p = 0; p < 5; p++)
        for (size_t r = 0; r < 4; r++) {
            size_t at = 0, total = pieces[p] == 1 || rooms[r] == 1 ? 3000 : TEXT;
            struct encoder *e = encoder_take(&pool, ENCODER_GZIP, 1 + (int)(p + r), 1);
            assert_non_null(e);
            for (size_t i = 0; i < total; i += pieces[p]) {
                size_t n = total - i < pieces[p] ? total - i : pieces[p];
                at = run(e, ENCODER_GO_ON, text + i, n, at, rooms[r]);
            }
            at = run(e, ENCODER_FINISH, NULL, 0, at, rooms[r]);
            assert_int_equal(inflated(at, &end), total);
            assert_true(end);
            assert_memory_equal(plain, text, total);
            encoder_give(&pool, &e);
            assert_null(e);
        }
    encoder_close(&pool);
}

static void a_flush_brings_everything_out(void **state)
{
    struct encoders pool = { 0 };
    size_t at = 0;
    bool end;

    (void)state;
    make_text(2);
    struct encoder *e = encoder_take(&pool, ENCODER_GZIP, 6, 1);
    for (size_t i = 0; i < 20; i++) {
        at = run(e, ENCODER_GO_ON, text + i * 100, 100, at, ENCODER_OUT);
        at = run(e, ENCODER_FLUSH, NULL, 0, at, i % 2 ? 16 : ENCODER_OUT);
        assert_int_equal(inflated(at, &end), (i + 1) * 100);
        assert_false(end);
    }
    at = run(e, ENCODER_FLUSH, NULL, 0, at, ENCODER_OUT); /* with nothing to bring out */
    at = run(e, ENCODER_FINISH, NULL, 0, at, ENCODER_OUT);
    assert_int_equal(inflated(at, &end), 2000);
    assert_true(end);
    encoder_give(&pool, &e);
    encoder_close(&pool);
}

/* The same input makes the same output, whatever the encoder did before: left in the middle, or
 * ended. What brotli makes is read back by tests/e2e/test_54_compression.py. */
static void one_that_was_used_is_as_good_as_new(void **state)
{
    static char first[ROOM];

    (void)state;
    for (int kind = ENCODER_GZIP; kind <= ENCODER_BROTLI; kind++) {
        struct encoders pool = { 0 };
        size_t n = 0;
        for (int round = 0; round < 6; round++) {
            struct encoder *e = encoder_take(&pool, (enum encoder_kind)kind, 5, 1);
            assert_non_null(e);
            assert_int_equal(pool.idle_n, 0);
            make_text(round % 2 ? 9 : 3);
            size_t at = run(e, ENCODER_GO_ON, text, TEXT, 0, 5000);
            if (round % 2 == 0)
                at = run(e, ENCODER_FINISH, NULL, 0, at, 5000);
            if (round == 0)
                memcpy(first, encoded, n = at);
            else if (round % 2 == 0) {
                assert_int_equal(at, n);
                assert_memory_equal(encoded, first, n);
            }
            encoder_give(&pool, &e);
        }
        encoder_close(&pool);
    }
}

static void the_pool_is_bounded(void **state)
{
    struct encoders pool = { 0 };
    struct encoder *taken[20];

    (void)state;
    for (int i = 0; i < 20; i++) {
        taken[i] = encoder_take(&pool, i % 2 ? ENCODER_GZIP : ENCODER_BROTLI, 1 + i % 4, 20);
        assert_non_null(taken[i]);
    }
    assert_null(encoder_take(&pool, ENCODER_GZIP, 1, 20));
    assert_int_equal(pool.used, 20);
    for (int i = 0; i < 20; i++)
        encoder_give(&pool, &taken[i]);
    assert_int_equal(pool.used, 0);
    assert_int_equal(pool.idle_n, ENCODER_IDLE);
    assert_null(encoder_take(&pool, ENCODER_GZIP, 1, 0));
    struct encoder *e = encoder_take(&pool, ENCODER_GZIP, 9, 1); /* no idle one has that level */
    assert_non_null(e);
    assert_int_equal(pool.idle_n, ENCODER_IDLE);
    encoder_give(&pool, &e);
    encoder_give(&pool, &e); /* NULL: nothing */
    assert_int_equal(pool.idle_n, ENCODER_IDLE);
    encoder_close(&pool);
    assert_int_equal(pool.idle_n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_pieces_of_all_sizes),
        cmocka_unit_test(a_flush_brings_everything_out),
        cmocka_unit_test(one_that_was_used_is_as_good_as_new),
        cmocka_unit_test(the_pool_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
