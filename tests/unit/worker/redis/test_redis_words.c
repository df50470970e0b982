/* SPDX-License-Identifier: Apache-2.0 */
/* What counters are called in Redis, and what is said about them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/redis/redis_answer.h"
#include "worker/redis/redis_words.h"

#define NOW (INT64_C(1800000000) * 1000 + 20000) /* 20 s into a minute */

static struct redis_words words;

static bool is(struct slice text, const char *expected)
{
    return slice_equal(text, slice_of(expected, strlen(expected)));
}

static bool take(struct slice who, const struct limits_claim *claims, int n)
{
    return redis_words_take(&words, SLICE("id"), who, claims, n, NOW);
}

static void names_and_numbers(void **state)
{
    (void)state;
    const struct limits_claim claims[] = {
        { .unit = CALENDAR_MINUTE, .shape = LIMITS_FIXED, .limit = 5, .cost = 1 },
        { .unit = CALENDAR_HOUR, .shape = LIMITS_SLIDING, .limit = 9, .cost = 2 },
        { .unit = CALENDAR_SECOND, .shape = LIMITS_BUCKET, .limit = 10, .burst = 20, .cost = 1 },
    };
    static const char *const keys[] = {
        "ratelimit:{id:=alice}:minute:30000000", "ratelimit:{id:=alice}:minute:30000000",
        "ratelimit:{id:=alice}:hour:500000",     "ratelimit:{id:=alice}:hour:499999",
        "ratelimit:{id:=alice}:second:bucket",   "ratelimit:{id:=alice}:second:bucket",
    };
    static const char *const args[] = {
        "1800000020000000",
        "w",
        "5",
        "1",
        "40000",
        "60000",
        "42000",
        "s",
        "9",
        "2",
        "3580000",
        "3600000",
        "7182000",
        "b",
        "10",
        "1",
        "100000",
        "2000000",
        "4000",
    };
    assert_true(take(SLICE("alice"), claims, 3));
    assert_int_equal(words.keys_n, 6);
    assert_int_equal(words.args_n, 19);
    for (size_t i = 0; i < 6; i++)
        assert_true(is(words.key[i], keys[i]));
    for (size_t i = 0; i < 19; i++)
        assert_true(is(words.arg[i], args[i]));
    for (size_t i = 1; i < 6; i++) /* one node of a Cluster has them all */
        assert_int_equal(redis_answer_slot(words.key[i]), redis_answer_slot(words.key[0]));
}

/* What is long, or could be taken for a part of the name, is hashed. */
static void whoever_it_is(void **state)
{
    (void)state;
    const struct limits_claim c = { .unit = CALENDAR_DAY, .limit = 5, .cost = 1 };
    char much[5000];
    memset(much, 'x', sizeof much);
    assert_true(take(slice_of(much, 128), &c, 1));
    assert_non_null(memmem(words.key[0].p, words.key[0].n, "{id:=xxx", 8));
    static const char hashed[] = "{id:#";
    assert_true(take(slice_of(much, 129), &c, 1));
    assert_non_null(memmem(words.key[0].p, words.key[0].n, hashed, 5));
    assert_true(take(slice_of(much, sizeof much), &c, 1));
    assert_int_equal(words.key[0].n, strlen("ratelimit:{id:#}:day:20833") + 64);
    static const char *const odd[] = { "a}", "{", "a b", "\xff", "\n" };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        assert_true(take(slice_of(odd[i], strlen(odd[i])), &c, 1));
        assert_non_null(memmem(words.key[0].p, words.key[0].n, hashed, 5));
    }
    /* SHA-256 of "a}" */
    assert_true(take(SLICE("a}"), &c, 1));
    assert_true(is(words.key[0], "ratelimit:{id:#"
                                 "0fa7ca4dfdeb7fefde235a0ce50ae59c80ace983f06497379e3a3f4dc6a1629f"
                                 "}:day:20833"));
}

static void what_is_told_later(void **state)
{
    (void)state;
    const struct limits_claim c = { .unit = CALENDAR_MINUTE, .limit = 6, .cost = 1 };
    static const char *const args[] = { "1800000020000000", "w", "17", "10000000", "42000" };
    redis_words_add(&words, &c, NOW, 17);
    assert_int_equal(words.args_n, 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(is(words.arg[i], args[i]));
}

/* Names of their own beside each other, on one node; what is added says how much and how long. */
static void usage(void **state)
{
    (void)state;
    struct limits_claim claims[] = { { .unit = CALENDAR_MINUTE, .limit = 6, .cost = 3 },
                                     { .unit = CALENDAR_HOUR, .limit = 7, .cost = 4000000000u },
                                     { .unit = CALENDAR_MINUTE, .limit = 6, .cost = 5 } };
    const struct slice names[] = { SLICE("sms"), SLICE("sms"), SLICE("v.2") };
    const struct redis_usage u = { SLICE("id"), SLICE("alice"), claims, names, 3 };
    static const char *const keys[] = { "ratelimit:{id:=alice}:sms:minute:30000000",
                                        "ratelimit:{id:=alice}:sms:hour:500000",
                                        "ratelimit:{id:=alice}:v.2:minute:30000000" };
    static const char *const args[] = { "3", "42000", "4000000000", "3582000", "5", "42000" };
    struct redis_usage_words w;
    struct arena arena;
    arena_init(&arena, NULL, 0);
    assert_true(redis_words_use(&w, &arena, &u, true, NOW));
    assert_int_equal(w.keys_n, 3);
    assert_int_equal(w.args_n, 6);
    for (size_t i = 0; i < 3; i++)
        assert_true(is(w.key[i], keys[i]));
    for (size_t i = 0; i < 6; i++)
        assert_true(is(w.arg[i], args[i]));
    assert_true(redis_words_use(&w, &arena, &u, false, NOW));
    assert_int_equal(w.keys_n, 3);
    assert_int_equal(w.args_n, 0);
    arena_reset(&arena);
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(names_and_numbers),
                                               cmocka_unit_test(whoever_it_is),
                                               cmocka_unit_test(what_is_told_later),
                                               cmocka_unit_test(usage) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
