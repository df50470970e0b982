/* SPDX-License-Identifier: Apache-2.0 */
/* Stored times, the wishes of a client, and the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "worker/http/reuse.h"

enum { NOW = 1700000000 };

static struct cache_meta meta(uint32_t flags)
{
    return (struct cache_meta){
        .stored = NOW, .fresh_for = 60, .keep_until = NOW + 9999, .flags = flags
    };
}

static enum reuse_verdict judge(const struct cache_meta *m, const char *directives, int64_t after)
{
    struct cache_control cc;
    freshness_clear(&cc);
    if (*directives)
        freshness_parse(slice_of(directives, strlen(directives)), &cc);
    return reuse_judge(m, &cc, false, NOW + after);
}

static void freshness_alone(void **state)
{
    struct cache_meta m = meta(0);
    (void)state;
    assert_int_equal(judge(&m, "", 0), REUSE_FRESH);
    assert_int_equal(judge(&m, "", 59), REUSE_FRESH);
    assert_int_equal(judge(&m, "", 60), REUSE_ASK);
    assert_int_equal(reuse_judge(&m, NULL, false, NOW + 59), REUSE_FRESH);
    assert_int_equal(reuse_judge(&m, NULL, false, NOW + 60), REUSE_ASK);
    assert_int_equal(reuse_judge(&m, NULL, false, NOW - REUSE_SKEW), REUSE_FRESH);
    assert_int_equal(reuse_judge(&m, NULL, false, NOW - 86400),
                     REUSE_ASK); /* the clock was set back */
    assert_true(reuse_stale(&m, false, NOW - 86400));
    m.initial_age = 50;
    assert_int_equal(judge(&m, "", 9), REUSE_FRESH);
    assert_int_equal(judge(&m, "", 10), REUSE_ASK);
    m = meta(REUSE_VALIDATE);
    assert_int_equal(judge(&m, "", 0), REUSE_ASK);
}

static void wishes_of_the_client(void **state)
{
    struct cache_meta m = meta(0);
    (void)state;
    assert_int_equal(judge(&m, "no-cache", 0), REUSE_ASK);
    assert_int_equal(judge(&m, "max-age=0", 0), REUSE_ASK);
    assert_int_equal(judge(&m, "max-age=10", 10), REUSE_FRESH);
    assert_int_equal(judge(&m, "max-age=10", 11), REUSE_ASK);
    assert_int_equal(judge(&m, "min-fresh=50", 10), REUSE_FRESH);
    assert_int_equal(judge(&m, "min-fresh=51", 10), REUSE_ASK);
    assert_int_equal(judge(&m, "max-stale", 9000), REUSE_STALE);
    assert_int_equal(judge(&m, "max-stale=10", 70), REUSE_STALE);
    assert_int_equal(judge(&m, "max-stale=10", 71), REUSE_ASK);
    m = meta(REUSE_STRICT);
    assert_int_equal(judge(&m, "max-stale", 61), REUSE_ASK);
    m = meta(REUSE_SHARED);
    assert_int_equal(judge(&m, "max-stale", 61), REUSE_ASK);
    m = meta(REUSE_IMMUTABLE);
    assert_int_equal(judge(&m, "max-age=0", 5), REUSE_FRESH);
    assert_int_equal(judge(&m, "max-age=0", 65), REUSE_ASK);
    assert_int_equal(judge(&m, "no-cache", 5), REUSE_ASK);
}

static void purged_softly(void **state)
{
    struct cache_meta m = meta(0);
    struct cache_control cc;
    (void)state;
    assert_int_equal(reuse_judge(&m, NULL, true, NOW), REUSE_REFRESH);
    assert_int_equal(reuse_judge(&m, NULL, true, NOW + 60), REUSE_ASK);
    freshness_clear(&cc);
    freshness_parse(SLICE("min-fresh=1"), &cc);
    assert_int_equal(reuse_judge(&m, &cc, true, NOW), REUSE_ASK);
    m = meta(REUSE_STRICT);
    assert_int_equal(reuse_judge(&m, NULL, true, NOW), REUSE_ASK);
    m = meta(REUSE_VALIDATE);
    assert_int_equal(reuse_judge(&m, NULL, true, NOW), REUSE_ASK);
    m = meta(REUSE_SHARED);
    assert_int_equal(reuse_judge(&m, NULL, true, NOW), REUSE_ASK);
    m.stale_while = 10;
    assert_int_equal(reuse_judge(&m, NULL, true, NOW), REUSE_REFRESH);
    assert_int_equal(reuse_judge(&m, NULL, true, NOW + 69), REUSE_REFRESH);
    assert_int_equal(reuse_judge(&m, NULL, true, NOW + 70), REUSE_ASK);
}

static void stale_while_revalidate(void **state)
{
    struct cache_meta m = meta(REUSE_SHARED);
    (void)state;
    m.stale_while = 10;
    assert_int_equal(judge(&m, "", 59), REUSE_FRESH);
    assert_int_equal(judge(&m, "", 60), REUSE_REFRESH);
    assert_int_equal(judge(&m, "", 69), REUSE_REFRESH);
    assert_int_equal(judge(&m, "", 70), REUSE_ASK);
    assert_int_equal(judge(&m, "max-age=10", 61), REUSE_ASK);
    assert_int_equal(judge(&m, "max-age=1000", 61), REUSE_ASK); /* young enough, but stale */
    assert_int_equal(judge(&m, "max-age=1000, max-stale=5", 61), REUSE_REFRESH);
    m.flags = REUSE_STRICT;
    assert_int_equal(judge(&m, "", 61), REUSE_ASK);
}

static bool on_error(const struct cache_meta *m, const char *directives, bool listed, int64_t after)
{
    struct cache_control cc;
    freshness_clear(&cc);
    freshness_parse(slice_of(directives, strlen(directives)), &cc);
    return reuse_on_error(m, &cc, listed, NOW + after);
}

static void failures(void **state)
{
    struct cache_meta m = meta(0);
    (void)state;
    assert_true(on_error(&m, "", true, 9000) && reuse_on_error(&m, NULL, true, NOW + 9000));
    assert_false(on_error(&m, "", false, 61));
    assert_false(on_error(&m, "no-cache", true, 61));
    assert_true(on_error(&m, "stale-if-error=10", false, 69));
    assert_false(on_error(&m, "stale-if-error=10", false, 70));
    m.stale_error = 20;
    assert_true(on_error(&m, "", false, 79));
    assert_false(on_error(&m, "", false, 80));
    m.flags = REUSE_SHARED;
    assert_true(on_error(&m, "", true, 79));
    assert_false(on_error(&m, "", true, 80));
    m.flags = REUSE_STRICT;
    assert_false(on_error(&m, "", true, 61));
    m.flags = REUSE_VALIDATE;
    assert_false(on_error(&m, "", true, 61));
}

static void back_off(void **state)
{
    int64_t least = INT64_MAX, most = 0;
    (void)state;
    for (uint32_t dice = 0; dice < 1000; dice++) {
        int64_t wait = reuse_back_off(0, dice);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_true(least >= 2 && most > least && most <= 10);
    assert_true(reuse_back_off(30, 0) >= 30 && reuse_back_off(30, UINT32_MAX) <= 40);
    assert_true(reuse_back_off(1000000, 5) <= 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freshness_alone), cmocka_unit_test(wishes_of_the_client),
        cmocka_unit_test(purged_softly),   cmocka_unit_test(stale_while_revalidate),
        cmocka_unit_test(failures),        cmocka_unit_test(back_off)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
