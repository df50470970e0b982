/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engines agree with the portable one on every byte, position and length, and on random text,
 * with the buffer's end against a page that cannot be read; classes are those of the RFCs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guarded.h"
#include "worker/http/scan.h"

static char *map;
static const struct scan_engine *engines[3];
static size_t engines_n;

static int find_engines(void **state)
{
    (void)state;
    map = guarded_map();
    engines[engines_n++] = &scan_portable;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        engines[engines_n++] = &scan_sse42;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))
        engines[engines_n++] = &scan_avx2;
#endif
    return 0;
}

static void classes(void **state)
{
    (void)state;
    const char *token =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (int c = 0; c < 256; c++) {
        char b = (char)c;
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        assert_int_equal(scan_is(b, SCAN_TOKEN), c && strchr(token, c) != NULL);
        assert_int_equal(scan_is(b, SCAN_VALUE), c == '\t' || (c >= 32 && c != 127));
        assert_int_equal(scan_is(b, SCAN_TARGET), c > 32 && c != 127 && c != '#');
        bool special = c == '#' || c == '%' || c == '/' || c == '?';
        assert_int_equal(scan_is(b, SCAN_PLAIN), c > 32 && c < 127 && !special);
        assert_int_equal(scan_is(b, SCAN_NAME), alnum || c == '-' || c == '_' || c == '~');
    }
    assert_true(scan_all(SLICE("token"), SCAN_TOKEN));
    assert_true(scan_all(SLICE(""), SCAN_TOKEN));
    assert_false(scan_all(SLICE("to ken"), SCAN_TOKEN));
}

/* Each engine's answers for text[0..n) from each of several starts, beside the portable one's. */
static void compare(const char *text, size_t n)
{
    static struct head want, got;
    char *low = guarded_tail(map, text, n);
    const char *end = low + n;
    for (size_t e = 1; e < engines_n; e++)
        for (size_t from = 0; from <= n; from += from < 3 || n - from < 40 ? 1 : 37) {
            const char *p = low + from;
            assert_ptr_equal(engines[e]->target(low, p, end), scan_portable.target(low, p, end));
            assert_ptr_equal(engines[e]->value(low, p, end), scan_portable.value(low, p, end));
            assert_ptr_equal(engines[e]->host(low, p, end), scan_portable.host(low, p, end));
            want.fields_n = got.fields_n = 0;
            int verdict = scan_portable.lines(low, p, end, &want);
            assert_int_equal(engines[e]->lines(low, p, end, &got), verdict);
            assert_int_equal(got.fields_n, want.fields_n);
            for (unsigned i = 0; i < want.fields_n; i++) {
                assert_ptr_equal(got.fields[i].name, want.fields[i].name);
                assert_int_equal(got.fields[i].name_n, want.fields[i].name_n);
                assert_ptr_equal(got.fields[i].value, want.fields[i].value);
                assert_int_equal(got.fields[i].value_n, want.fields[i].value_n);
            }
        }
}

static void every_byte_at_every_place(void **state)
{
    (void)state;
    char text[80];
    for (size_t n = SCAN_BLOCK_MAX; n < 70; n += n < 34 ? 1 : 9)
        for (size_t at = 0; at < n; at++)
            for (int c = 0; c < 256; c++) {
                memset(text, 'a', n);
                text[at] = (char)c;
                char *low = guarded_tail(map, text, n);
                for (size_t e = 1; e < engines_n; e++) {
                    assert_ptr_equal(engines[e]->target(low, low, low + n),
                                     scan_portable.target(low, low, low + n));
                    assert_ptr_equal(engines[e]->value(low, low, low + n),
                                     scan_portable.value(low, low, low + n));
                    for (size_t k = 1; k <= n; k += 7)
                        assert_ptr_equal(engines[e]->host(low, low + n - k, low + n),
                                         scan_portable.host(low, low + n - k, low + n));
                }
            }
}

static void names_stop_at_every_byte(void **state)
{
    (void)state;
    char text[100];
    for (size_t at = 0; at < 70; at++)
        for (int c = 0; c < 256; c++) {
            memset(text, 'n', sizeof(text));
            memcpy(text + 72, ": v\r\n\r\n", 7);
            text[at] = (char)c;
            char *low = guarded_tail(map, text, 79);
            static struct head want, got;
            int verdict = scan_portable.lines(low, low, low + 79, &want);
            for (size_t e = 1; e < engines_n; e++)
                assert_int_equal(engines[e]->lines(low, low, low + 79, &got), verdict);
        }
}

static void every_prefix_of_a_head(void **state)
{
    (void)state;
    static const char text[] =
        "Host: a.b..c\r\nEmpty:\r\nBlank: \t \r\nX-Long-Name-Of-More-Than-A-Block-Of-Bytes:"
        "\tvalue that is longer than one block, with \t inner blanks \t\r\nZ:z\r\n\r\nbody";
    for (size_t n = SCAN_BLOCK_MAX; n < sizeof(text); n++)
        compare(text, n);
}

static void random_text(void **state)
{
    (void)state;
    static const char alphabet[] = "aZ9-:: \t\r\n\r\n\r\n.#\x7f\x80\xff\0,\"";
    static const char *const pieces[] = { "Name", ": ", "value", "\r\n", ":",
                                          "x",    "\t", "\r",    "\n",   "a.b" };
    unsigned long long seed = 1;
    char text[400];
    for (int round = 0; round < 4000; round++) {
        size_t n = 0, want = SCAN_BLOCK_MAX + guarded_random(&seed) % 200;
        while (n < want) {
            const char *piece = pieces[guarded_random(&seed) % 10];
            if (guarded_random(&seed) % 40 == 0)
                text[n++] = alphabet[guarded_random(&seed) % (sizeof(alphabet) - 1)];
            memcpy(text + n, piece, strlen(piece));
            n += strlen(piece);
        }
        compare(text, n);
    }
}

static void nothing_before_the_buffer_is_read(void **state)
{
    (void)state;
    for (size_t n = SCAN_BLOCK_MAX; n < 40; n++) {
        memset(map, 'a', n);
        for (size_t e = 0; e < engines_n; e++) {
            static struct head h;
            for (size_t from = 0; from <= n; from++) {
                assert_ptr_equal(engines[e]->target(map, map + from, map + n), map + n);
                assert_ptr_equal(engines[e]->host(map, map + from, map + n), map + n);
                assert_int_equal(engines[e]->lines(map, map + from, map + n, &h), HEAD_MORE);
            }
        }
    }
}

static void short_buffers_get_the_portable_engine(void **state)
{
    (void)state;
    assert_ptr_equal(scan_engine(SCAN_BLOCK_MAX - 1), &scan_portable);
    assert_ptr_equal(scan_engine(SCAN_BLOCK_MAX), engines[engines_n - 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes),
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(names_stop_at_every_byte),
        cmocka_unit_test(every_prefix_of_a_head),
        cmocka_unit_test(random_text),
        cmocka_unit_test(nothing_before_the_buffer_is_read),
        cmocka_unit_test(short_buffers_get_the_portable_engine),
    };
    return cmocka_run_group_tests(tests, find_engines, NULL);
}
