/* SPDX-License-Identifier: Apache-2.0 */
/* Any split of the input gives the same payload and verdict; limits; what is kept of trailers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guarded.h"
#include "worker/http/chunk.h"

static char *map;

struct result {
    enum chunk_verdict verdict;
    char payload[6000];
    size_t payload_n, left_over;
    char trailers[CHUNK_TRAILERS_KEPT];
    size_t trailers_n;
};

/* Feeds text in pieces of the sizes that cuts[] says, the last one being the rest. */
static void feed(const char *text, size_t n, const size_t *cuts, struct result *r)
{
    struct chunk c;
    const char *end = text + n;
    chunk_init(&c, r->trailers);
    r->payload_n = 0;
    r->verdict = CHUNK_MORE;
    while (text < end && r->verdict == CHUNK_MORE) {
        size_t piece = *cuts ? *cuts++ : (size_t)(end - text);
        if (piece > (size_t)(end - text))
            piece = (size_t)(end - text);
        struct slice out, in = slice_of(guarded_tail(map, text, piece), piece);
        while ((r->verdict = chunk_next(&c, &in, &out)) == CHUNK_DATA) {
            assert_true(out.n > 0 && r->payload_n + out.n <= sizeof(r->payload));
            memcpy(r->payload + r->payload_n, out.p, out.n);
            r->payload_n += out.n;
        }
        assert_true(in.n == 0 || r->verdict != CHUNK_MORE);
        text += piece - in.n;
    }
    r->left_over = (size_t)(end - text);
    r->trailers_n = c.trailers_n;
}

static void assert_same(const struct result *a, const struct result *b)
{
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->payload_n, b->payload_n);
    assert_memory_equal(a->payload, b->payload, a->payload_n);
    assert_int_equal(a->left_over, b->left_over);
    assert_int_equal(a->trailers_n, b->trailers_n);
    assert_memory_equal(a->trailers, b->trailers, a->trailers_n);
}

static struct result whole, split;

static void every_split(void **state)
{
    (void)state;
    static const char text[] =
        "5;name=\"value\"\r\nhello\r\n01 \t;x\r\n \r\nA\r\nwide world\r\n0\r\nX-Sum: \t1 2\t \r\n"
        "Empty:\r\n\r\nGET /next";
    size_t n = sizeof(text) - 1;
    feed(text, n, (size_t[]){ 0 }, &whole);
    assert_int_equal(whole.verdict, CHUNK_END);
    assert_int_equal(whole.left_over, 9);
    assert_int_equal(whole.payload_n, 16);
    assert_memory_equal(whole.payload, "hello wide world", 16);
    assert_int_equal(whole.trailers_n, 21);
    assert_memory_equal(whole.trailers, "X-Sum: 1 2\r\nEmpty: \r\n", 21);
    for (size_t a = 1; a < n; a++)
        for (size_t b = 1; b < n - a; b += b < 4 ? 1 : 5) {
            feed(text, n, (size_t[]){ a, b, 0 }, &split);
            assert_same(&whole, &split);
        }
}

static void random_input_and_splits(void **state)
{
    (void)state;
    static const char *const pieces[] = { "3\r\nabc\r\n",
                                          "0\r\n",
                                          "\r\n",
                                          "A: b\r\n",
                                          ";e",
                                          "1\r\nx\r\n",
                                          "2 ;y=z\r\n\r\n\r\n",
                                          "\n",
                                          "g",
                                          "10\r\n0123456789abcdef\r\n" };
    unsigned long long seed = 7;
    for (int round = 0; round < 20000; round++) {
        char text[200];
        size_t n = 0, cuts[200], cuts_n = 0;
        for (unsigned k = guarded_random(&seed) % 6 + 1; k; k--) {
            const char *piece = pieces[guarded_random(&seed) % (k > 3 ? 2 : 10)];
            memcpy(text + n, piece, strlen(piece));
            n += strlen(piece);
        }
        while (cuts_n < 199)
            cuts[cuts_n++] = 1 + guarded_random(&seed) % 5;
        cuts[cuts_n] = 0;
        feed(text, n, (size_t[]){ 0 }, &whole);
        feed(text, n, cuts, &split);
        assert_same(&whole, &split);
    }
}

static void the_end_is_final(void **state)
{
    (void)state;
    struct chunk c;
    struct slice out, in = SLICE("0\r\n\r\n5\r\n");
    chunk_init(&c, NULL);
    assert_int_equal(chunk_next(&c, &in, &out), CHUNK_END);
    assert_int_equal(in.n, 3);
    assert_int_equal(chunk_next(&c, &in, &out), CHUNK_END);
    assert_int_equal(in.n, 3);
    in = SLICE("x");
    chunk_init(&c, NULL);
    assert_int_equal(chunk_next(&c, &in, &out), CHUNK_BAD);
    in = SLICE("0\r\n\r\n");
    assert_int_equal(chunk_next(&c, &in, &out), CHUNK_BAD);
}

static enum chunk_verdict extension(size_t n)
{
    char text[600] = "0;";
    memset(text + 2, 'x', n);
    strcpy(text + 2 + n, "\r\n\r\n");
    feed(text, strlen(text), (size_t[]){ 0 }, &whole);
    return whole.verdict;
}

static void extensions_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(extension(CHUNK_EXTENSION_MAX - 1), CHUNK_END);
    assert_int_equal(extension(CHUNK_EXTENSION_MAX), CHUNK_BAD);
    char text[400] = "0";
    memset(text + 1, ' ', 300);
    feed(text, 301, (size_t[]){ 0 }, &whole);
    assert_int_equal(whole.verdict, CHUNK_BAD);
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    feed("7fffffffffffffff\r\nab", 20, (size_t[]){ 0 }, &whole);
    assert_int_equal(whole.verdict, CHUNK_MORE);
    assert_int_equal(whole.payload_n, 2);
    feed("8000000000000000\r\n", 18, (size_t[]){ 0 }, &whole);
    assert_int_equal(whole.verdict, CHUNK_BAD);
    feed("10000000000000000\r\n", 19, (size_t[]){ 0 }, &whole);
    assert_int_equal(whole.verdict, CHUNK_BAD);
    feed("00000000000000000000002\r\nab", 27, (size_t[]){ 0 }, &whole); /* nothing overflows */
    assert_int_equal(whole.verdict, CHUNK_MORE);
    assert_int_equal(whole.payload_n, 2);
    char text[300];
    memset(text, '0', sizeof(text));
    feed(text, sizeof(text), (size_t[]){ 0 }, &whole);
    assert_int_equal(whole.verdict, CHUNK_BAD);
}

static void sizes_may_be_padded(void **state)
{
    (void)state;
    feed("2  \r\nab\r\n1\t\r\nc\r\n0 \r\n\r\n", 22, (size_t[]){ 0 }, &whole);
    assert_int_equal(whole.verdict, CHUNK_END);
    assert_int_equal(whole.payload_n, 3);
    feed("2 2\r\nab", 7, (size_t[]){ 0 }, &whole);
    assert_int_equal(whole.verdict, CHUNK_BAD);
    feed(" 2\r\nab", 6, (size_t[]){ 0 }, &whole);
    assert_int_equal(whole.verdict, CHUNK_BAD);
}

static size_t trailers(const char *lines)
{
    static char text[20000];
    strcpy(text, "0\r\n");
    strcat(text, lines);
    strcat(text, "\r\n");
    feed(text, strlen(text), (size_t[]){ 0 }, &whole);
    return whole.trailers_n;
}

static void trailers_that_would_act_are_dropped(void **state)
{
    (void)state;
    static const char *const names[] = { "Host",
                                         "content-length",
                                         "Transfer-Encoding",
                                         "Connection",
                                         "TE",
                                         "Authorization",
                                         "Set-Cookie",
                                         "Cache-Control",
                                         "Via",
                                         "X-Forwarded-For",
                                         "x-forwarded-anything",
                                         "X-Consumer-ID",
                                         "X-Credential-Identifier",
                                         "X-Anonymous-Consumer",
                                         "X_Consumer-ID",
                                         "Content_Length",
                                         "Trailer" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char lines[100] = "A: b\r\n";
        strcat(lines, names[i]);
        strcat(lines, ": x\r\nC:  d\r\n");
        assert_int_equal(trailers(lines), 12);
        assert_int_equal(whole.verdict, CHUNK_END);
        assert_memory_equal(whole.trailers, "A: b\r\nC: d\r\n", 12);
    }
}

static void trailers_are_bounded(void **state)
{
    (void)state;
    static char lines[CHUNK_TRAILER_MAX + 100];
    strcpy(lines, "A: b\r\nLong: ");
    size_t n = strlen(lines);
    memset(lines + n, 'x', CHUNK_TRAILERS_KEPT - n - 2);
    strcpy(lines + CHUNK_TRAILERS_KEPT - 2, "\r\n");
    assert_int_equal(trailers(lines), CHUNK_TRAILERS_KEPT);
    strcpy(lines + CHUNK_TRAILERS_KEPT - 2, "y\r\nC: d\r\n");
    assert_int_equal(trailers(lines), 12); /* the long line alone is left out */
    assert_memory_equal(whole.trailers, "A: b\r\nC: d\r\n", 12);
    memset(lines + n, 'x', CHUNK_TRAILER_MAX - n - 4);
    strcpy(lines + CHUNK_TRAILER_MAX - 4, "\r\n");
    trailers(lines);
    assert_int_equal(whole.verdict, CHUNK_END);
    strcpy(lines + CHUNK_TRAILER_MAX - 4, "y\r\n");
    trailers(lines);
    assert_int_equal(whole.verdict, CHUNK_BAD);
}

static void trailers_without_room_are_checked_all_the_same(void **state)
{
    (void)state;
    struct chunk c;
    struct slice out, in = SLICE("0\r\nA: b\r\n\r\n");
    chunk_init(&c, NULL);
    assert_int_equal(chunk_next(&c, &in, &out), CHUNK_END);
    assert_int_equal(c.trailers_n, 0);
    in = SLICE("0\r\nA: b\x01\r\n\r\n");
    chunk_init(&c, NULL);
    assert_int_equal(chunk_next(&c, &in, &out), CHUNK_BAD);
}

static int set_up(void **state)
{
    (void)state;
    map = guarded_map();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split),
        cmocka_unit_test(random_input_and_splits),
        cmocka_unit_test(the_end_is_final),
        cmocka_unit_test(extensions_are_bounded),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(sizes_may_be_padded),
        cmocka_unit_test(trailers_that_would_act_are_dropped),
        cmocka_unit_test(trailers_are_bounded),
        cmocka_unit_test(trailers_without_room_are_checked_all_the_same),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
