/* SPDX-License-Identifier: Apache-2.0 */
/* CDN-Cache-Control: what is a dictionary, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "heads.h"
#include "worker/http/targeted.h"

static struct cache_control cc;

static bool read_field(const char *value)
{
    char fields[600];
    snprintf(fields, sizeof fields, "CDN-Cache-Control: %s\r\n", value);
    return targeted_directives(heads_response(200, fields), &cc);
}

static void directives(void **state)
{
    (void)state;
    assert_false(targeted_directives(heads_response(200, "Cache-Control: max-age=1\r\n"), &cc));
    assert_true(read_field("max-age=600") && cc.max_age == 600 && !cc.no_store);
    assert_true(read_field("max-age=0, no-store") && cc.max_age == 0 && cc.no_store);
    assert_true(read_field("no-store=?1, private=?0, must-revalidate") && cc.no_store &&
                !cc.private_ && cc.must_revalidate);
    assert_true(read_field("max-age=1, max-age=2") && cc.max_age == 2);
    assert_true(read_field("max-age=99999999999") && cc.max_age == (int64_t)1 << 31);
    assert_true(read_field("stale-while-revalidate=5, stale-if-error=6, s-maxage=7") &&
                cc.stale_while_revalidate == 5 && cc.stale_if_error == 6 && cc.s_maxage == 7);
    assert_true(read_field("private=\"a, b\"") && cc.private_);
    assert_true(targeted_directives(
        heads_response(200, "CDN-Cache-Control: max-age=1\r\nCDN-Cache-Control: no-cache\r\n"),
        &cc));
    assert_true(cc.max_age == 1 && cc.no_cache);
}

static void what_else_a_dictionary_may_hold(void **state)
{
    static const char *const good[] = {
        "a",    "a=1.5, max-age=1",       "a=-1",       "a=tok/en:x",
        "a=*",  "a=\"b\\\"c\\\\\"",       "a=:aGk=:",   "a=(1 \"b\" c;d=1);e, max-age=1",
        "a=()", "max-age=1;why=\"x\"; b", "*x_y-z.0=1", "a ,\tb  ,  c"
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(read_field(good[i]));
}

static void faults(void **state)
{
    static const char *const bad[] = { "",
                                       "&",
                                       "max-age=1, &&&",
                                       "A",
                                       "a=",
                                       "a= 1",
                                       "a =1",
                                       "max-age=\"1\"",
                                       "max-age",
                                       "max-age=x",
                                       "max-age=-1",
                                       "max-age=1.0",
                                       "a,",
                                       "a,,b",
                                       "a b",
                                       "a=?2",
                                       "a=\"x",
                                       "a=\"\\x\"",
                                       "a=:x",
                                       "a=:%:",
                                       "a=(1",
                                       "a=(1,2)",
                                       "a=1;",
                                       "a=1;B",
                                       "a=1.",
                                       "a=1.1234",
                                       "a=1234567890123456",
                                       "a=1234567890123.1",
                                       "a=(1\"b\")",
                                       "a=-" };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(read_field(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(directives),
                                        cmocka_unit_test(what_else_a_dictionary_may_hold),
                                        cmocka_unit_test(faults) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
