/* SPDX-License-Identifier: Apache-2.0 */
/* What replies mean, and what they may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/redis/redis_answer.h"

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
    return 0;
}

/* The reply that these bytes are; lives until the next one. */
static const struct redis_reply *reply(const char *text)
{
    const struct redis_reply *r = NULL;
    assert_true(redis_reply_feed(reader, text, strlen(text)));
    assert_int_equal(redis_reply_next(reader, &r), REDIS_REPLY_READ);
    return r;
}

static bool is(struct slice text, const char *expected)
{
    return slice_equal(text, slice_of(expected, strlen(expected)));
}

static void errors(void **state)
{
    (void)state;
    assert_int_equal(redis_answer_error(reply("+MOVED\r\n")), REDIS_ERROR_NONE);
    assert_int_equal(redis_answer_error(reply("-ERR no\r\n")), REDIS_ERROR_OTHER);
    assert_int_equal(redis_answer_error(reply("-NOSCRIPT No matching\r\n")), REDIS_ERROR_NOSCRIPT);
    assert_int_equal(redis_answer_error(reply("-NOSCRIPTS\r\n")), REDIS_ERROR_OTHER);
    assert_int_equal(redis_answer_error(reply("-MOVED 1 a:1\r\n")), REDIS_ERROR_MOVED);
    assert_int_equal(redis_answer_error(reply("-ASK 1 a:1\r\n")), REDIS_ERROR_ASK);
    assert_int_equal(redis_answer_error(reply("-TRYAGAIN Multiple\r\n")), REDIS_ERROR_AGAIN);
    assert_int_equal(redis_answer_error(reply("-READONLY You\r\n")), REDIS_ERROR_LOST);
    assert_int_equal(redis_answer_error(reply("-LOADING Redis\r\n")), REDIS_ERROR_LOST);
}

static void redirections(void **state)
{
    (void)state;
    unsigned slot;
    struct redis_place p;
    assert_true(redis_answer_redirection(reply("-MOVED 3999 127.0.0.1:6381\r\n"), &slot, &p));
    assert_true(slot == 3999 && p.port == 6381 && is(p.host, "127.0.0.1"));
    assert_true(redis_answer_redirection(reply("-ASK 16383 2001:db8::1:7000\r\n"), &slot, &p));
    assert_true(slot == 16383 && p.port == 7000 && is(p.host, "2001:db8::1"));
    assert_true(redis_answer_redirection(reply("-MOVED 0 :6380\r\n"), &slot, &p));
    assert_true(p.host.n == 0 && p.port == 6380);
    static const char *const bad[] = {
        "-MOVED\r\n",           "-MOVED 1\r\n",         "-MOVED 16384 a:1\r\n", "-MOVED x a:1\r\n",
        "-MOVED 1 a:0\r\n",     "-MOVED 1 a:65536\r\n", "-MOVED 1 a:\r\n",      "-MOVED 1 a\r\n",
        "-MOVED 1 a/b:1\r\n",   "-MOVED -1 a:1\r\n",    "-MOVED 1  a:1\r\n",    "+MOVED 1 a:1\r\n",
        "-MOVED 1 a:123456\r\n"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(redis_answer_redirection(reply(bad[i]), &slot, &p));
}

static void sentinels(void **state)
{
    (void)state;
    struct redis_place p;
    assert_true(redis_answer_master(reply("*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n"), &p));
    assert_true(is(p.host, "127.0.0.1") && p.port == 6379);
    assert_false(redis_answer_master(reply("*-1\r\n"), &p)); /* no such master */
    assert_false(redis_answer_master(reply("*2\r\n$0\r\n\r\n$4\r\n6379\r\n"), &p));
    assert_false(redis_answer_master(reply("*2\r\n$1\r\na\r\n$5\r\n65536\r\n"), &p));
    assert_false(redis_answer_master(reply("*2\r\n$1\r\na\r\n:6379\r\n"), &p));
    assert_false(redis_answer_master(reply("*1\r\n$1\r\na\r\n"), &p));
    assert_false(redis_answer_master(reply("-IDONTKNOW\r\n"), &p));
    assert_true(redis_answer_is_master(reply("*2\r\n$6\r\nmaster\r\n:0\r\n")));
    assert_false(redis_answer_is_master(reply("*2\r\n$5\r\nslave\r\n:0\r\n")));
    assert_true(redis_answer_is_master(reply("-NOPERM no\r\n")));
}

static void maps(void **state)
{
    (void)state;
    struct redis_range range;
    const struct redis_reply *r =
        reply("*7\r\n*3\r\n:0\r\n:5460\r\n*2\r\n$9\r\n127.0.0.1\r\n:7000\r\n"
              "*3\r\n:5461\r\n:16383\r\n*3\r\n$-1\r\n:7001\r\n$2\r\nid\r\n"
              "*3\r\n:5\r\n:4\r\n*2\r\n$1\r\na\r\n:1\r\n"     /* backwards */
              "*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n" /* no such slot */
              "*3\r\n:-1\r\n:4\r\n*2\r\n$1\r\na\r\n:1\r\n"
              "*3\r\n:0\r\n:4\r\n*2\r\n$3\r\na b\r\n:1\r\n"
              "*2\r\n:0\r\n:4\r\n");
    assert_true(redis_answer_range(r, 0, &range));
    assert_true(range.from == 0 && range.to == 5460 && range.place.port == 7000);
    assert_true(is(range.place.host, "127.0.0.1"));
    assert_true(redis_answer_range(r, 1, &range));
    assert_true(range.to == 16383 && range.place.host.n == 0); /* the one that was asked */
    for (size_t i = 2; i < 7; i++)
        assert_false(redis_answer_range(r, i, &range));
}

static void integers(void **state)
{
    (void)state;
    int64_t v[2];
    assert_true(redis_answer_integers(reply("*2\r\n:1\r\n:-2\r\n"), v, 2));
    assert_true(v[0] == 1 && v[1] == -2);
    assert_false(redis_answer_integers(reply("*1\r\n:1\r\n"), v, 2));
    assert_false(redis_answer_integers(reply("*2\r\n:1\r\n$1\r\n2\r\n"), v, 2));
    assert_false(redis_answer_integers(reply(":1\r\n"), v, 1));
}

static unsigned slot(const char *key)
{
    return redis_answer_slot(slice_of(key, strlen(key)));
}

/* Known answers of CLUSTER KEYSLOT. */
static void slots(void **state)
{
    (void)state;
    assert_int_equal(slot("123456789"), 12739);
    assert_int_equal(slot("foo"), 12182);
    assert_int_equal(slot(""), 0);
    assert_int_equal(slot("{foo}bar"), slot("foo"));
    assert_int_equal(slot("a{foo}{bar}"), slot("foo"));
    assert_int_equal(slot("foo{{bar}}zap"), slot("{bar"));
    assert_true(slot("foo{}{bar}") != slot("bar")); /* nothing in it: all of it */
    assert_true(slot("foo{bar") != slot("bar"));
}

static void texts(void **state)
{
    (void)state;
    char out[REDIS_TEXT_ROOM];
    assert_string_equal(redis_answer_text(reply("-ERR \x1b[31m\x07\r\n"), out), "ERR ?[31m?");
    assert_string_equal(redis_answer_text(reply(":1\r\n"), out), "an unexpected answer");
    char much[300] = "-";
    memset(much + 1, 'x', 250);
    strcpy(much + 251, "\r\n");
    assert_int_equal(strlen(redis_answer_text(reply(much), out)), REDIS_TEXT_ROOM - 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(errors, setup, teardown),
        cmocka_unit_test_setup_teardown(redirections, setup, teardown),
        cmocka_unit_test_setup_teardown(sentinels, setup, teardown),
        cmocka_unit_test_setup_teardown(maps, setup, teardown),
        cmocka_unit_test_setup_teardown(integers, setup, teardown),
        cmocka_unit_test_setup_teardown(slots, setup, teardown),
        cmocka_unit_test_setup_teardown(texts, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
