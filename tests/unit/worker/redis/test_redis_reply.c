/* SPDX-License-Identifier: Apache-2.0 */
/* Replies in every cut, and what a hostile server may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/redis/redis_reply.h"
#include <stdio.h>
#include <stdlib.h>

static struct redis_reader *reader;

static int setup(void **state)
{
    (void)state;
    reader = redis_reply_open();
    return reader ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    redis_reply_close(&reader);
    assert_null(reader);
    return 0;
}

static void feed(const char *text)
{
    assert_true(redis_reply_feed(reader, text, strlen(text)));
}

static const struct redis_reply *next(void)
{
    const struct redis_reply *reply = NULL;
    assert_int_equal(redis_reply_next(reader, &reply), REDIS_REPLY_READ);
    return reply;
}

static void nothing_yet(void)
{
    const struct redis_reply *reply;
    assert_int_equal(redis_reply_next(reader, &reply), REDIS_REPLY_MORE);
}

static void broken(const char *text)
{
    const struct redis_reply *reply;
    feed(text);
    assert_int_equal(redis_reply_next(reader, &reply), REDIS_REPLY_BROKEN);
    assert_int_equal(redis_reply_next(reader, &reply), REDIS_REPLY_BROKEN); /* it stays so */
    assert_false(redis_reply_feed(reader, "+OK\r\n", 5));
    redis_reply_close(&reader);
    reader = redis_reply_open();
    assert_non_null(reader);
}

static bool is(const struct redis_reply *r, enum redis_kind kind, const char *text)
{
    return r->kind == kind && slice_equal(r->text, slice_of(text, strlen(text)));
}

static void kinds(void **state)
{
    (void)state;
    feed("+OK\r\n-ERR no\r\n:-12\r\n$3\r\na\r\n\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n");
    assert_true(is(next(), REDIS_STATUS, "OK"));
    assert_true(is(next(), REDIS_ERROR, "ERR no"));
    const struct redis_reply *r = next();
    assert_true(r->kind == REDIS_INTEGER && r->integer == -12);
    assert_true(is(next(), REDIS_TEXT, "a\r\n"));
    assert_true(is(next(), REDIS_TEXT, ""));
    assert_int_equal(next()->kind, REDIS_NIL);
    assert_int_equal(next()->kind, REDIS_NIL);
    r = next();
    assert_true(r->kind == REDIS_LIST && r->n == 0);
    nothing_yet();
}

/* The same tree, whatever bytes come together. */
static void every_cut(void **state)
{
    (void)state;
    const char text[] = "*3\r\n:1\r\n*2\r\n$2\r\nab\r\n$-1\r\n+x\r\n";
    for (size_t cut = 1; cut < sizeof text - 1; cut++) {
        assert_true(redis_reply_feed(reader, text, cut));
        nothing_yet();
        assert_true(redis_reply_feed(reader, text + cut, sizeof text - 1 - cut));
        const struct redis_reply *r = next();
        assert_true(r->kind == REDIS_LIST && r->n == 3);
        assert_int_equal(r->v[0]->integer, 1);
        assert_true(r->v[1]->kind == REDIS_LIST && r->v[1]->n == 2);
        assert_true(is(r->v[1]->v[0], REDIS_TEXT, "ab"));
        assert_int_equal(r->v[1]->v[1]->kind, REDIS_NIL);
        assert_true(is(r->v[2], REDIS_STATUS, "x"));
    }
}

static void hostile(void **state)
{
    (void)state;
    broken("HTTP/1.1 400 Bad Request\r\n\r\n");
    broken("*2147483647\r\n");
    broken("*65537\r\n");
    broken("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n");
    broken("*65536\r\n*65536\r\n*65536\r\n*65536\r\n*65536\r\n*65536\r\n*65536\r\n*65536\r\n");
    broken("$abc\r\n");
    broken(":12a\r\n");
    feed("$536870911\r\n");
    nothing_yet();
}

/* What waits for its end is bounded; what has ended does not count. */
static void endless(void **state)
{
    (void)state;
    char *much = malloc(REDIS_REPLY_BYTES);
    assert_non_null(much);
    memset(much, 'x', REDIS_REPLY_BYTES);
    much[0] = '+';
    assert_true(redis_reply_feed(reader, much, REDIS_REPLY_BYTES));
    nothing_yet();
    assert_false(redis_reply_feed(reader, much + 1, 2));
    free(much);
    redis_reply_close(&reader);
    reader = redis_reply_open();
    for (int i = 0; i < 100000; i++) {
        feed("*2\r\n$20\r\n01234567890123456789\r\n:1\r\n");
        assert_int_equal(next()->n, 2);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(every_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile, setup, teardown),
        cmocka_unit_test_setup_teardown(endless, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
