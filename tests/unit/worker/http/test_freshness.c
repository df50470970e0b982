/* SPDX-License-Identifier: Apache-2.0 */
/* Directives as they are written in the wild, lifetimes and ages; the rows of the public suites of
 * cache tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "worker/http/date.h"
#include "worker/http/freshness.h"

static const int64_t now = 1700000000;
static struct head h;
static struct cache_control cc;
static char text[2000];

static void parse(const char *fields)
{
    int n = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n%s\r\n", fields);
    assert_int_equal(head_response(text, (size_t)n, 0, METHOD_GET, &h), n);
    freshness_directives(&h, &cc);
}

static int64_t lifetime(const char *fields)
{
    parse(fields);
    return freshness_lifetime(&h, &cc, now);
}

#define CC(value) lifetime("Cache-Control: " value "\r\n")

static void lifetimes_of_directives(void **state)
{
    (void)state;
    assert_int_equal(lifetime(""), FRESHNESS_UNSET);
    assert_int_equal(CC("public"), FRESHNESS_UNSET);
    assert_int_equal(CC("max-age=3600"), 3600);
    assert_int_equal(CC("max-age=0"), 0);
    assert_int_equal(CC("MaX-aGe=3600"), 3600);
    assert_int_equal(CC("max-age=003600"), 3600);
    assert_int_equal(CC("max-age=\"3600\""), 3600);
    assert_int_equal(CC("foobar, max-age=3600"), 3600);
    assert_int_equal(CC("max-age=3600, s-maxage=1"), 1);
    assert_int_equal(CC("s-maxage=1,max-age=3600"), 1);
    assert_int_equal(lifetime("Cache-Control: max-age=3600\r\nCache-Control: s-maxage=1\r\n"), 1);
    assert_int_equal(CC("max-age=1800, max-age=1"), 1800);
    assert_int_equal(lifetime("Cache-Control: max-age=1\r\nCache-Control: max-age=1800\r\n"), 1);
    assert_int_equal(CC("extension=\"max-age=3600\", max-age=1"), 1);
    assert_int_equal(CC("max-age=1, extension=\"max-age=3600\""), 1);
    assert_int_equal(CC("extension=\"a, max-age=3600, b\""), FRESHNESS_UNSET);
    assert_true(CC("max-age=2147483647") == 2147483647);
    assert_true(CC("max-age=2147483648") == (int64_t)1 << 31);
    assert_true(CC("max-age=99999999999999999999999999999") == (int64_t)1 << 31);
}

static void unreadable_numbers_are_stale(void **state)
{
    (void)state;
    assert_int_equal(CC("max-age='3600'"), 0);
    assert_int_equal(CC("max-age=-3600"), 0);
    assert_int_equal(CC("max-age=3600.0"), 0);
    assert_int_equal(CC("max-age=a3600"), 0);
    assert_int_equal(CC("max-age=3600a"), 0);
    assert_int_equal(CC("max-age="), 0);
    assert_int_equal(CC("max-age"), 0);
    assert_int_equal(CC("max-age=\"\""), 0);
    assert_int_equal(CC("max-age=\"3600"), 0);
    assert_int_equal(CC("max-age =3600"), 0);
    assert_int_equal(CC("max-age= 3600"), 0);
    assert_int_equal(CC("max-age=x, max-age=3600"), 0);
    assert_int_equal(CC("s-maxage=x, max-age=3600"), 0);
    assert_int_equal(cc.s_maxage, FRESHNESS_UNSET);
    assert_int_equal(CC("s-maxage=5, max-age=x"), 5);
}

/* Expires and Date as offsets from now, other fields as text. */
static int64_t expires(int64_t in, int64_t date, const char *more)
{
    char fields[500], e[DATE_LENGTH], d[DATE_LENGTH];
    date_format(now + in, e);
    date_format(now + date, d);
    snprintf(fields, sizeof(fields), "Expires: %.29s\r\nDate: %.29s\r\n%s", e, d, more);
    return lifetime(fields);
}

static void lifetimes_of_expires(void **state)
{
    (void)state;
    assert_int_equal(expires(3600, 0, ""), 3600);
    assert_int_equal(expires(0, 0, ""), 0);
    assert_int_equal(expires(-100, 0, ""), 0);
    assert_int_equal(expires(300, 400, ""), 0);
    assert_int_equal(expires(20, 10, ""), 10);
    assert_int_equal(expires(-7200, 0, "Cache-Control: max-age=3600\r\n"), 3600);
    assert_int_equal(expires(3600, 0, "Cache-Control: max-age=0\r\n"), 0);
    assert_int_equal(expires(3600, 0, "Expires: 0\r\n"), 0);
    assert_int_equal(lifetime("Expires: 0\r\n"), 0);
    assert_int_equal(lifetime("Expires:\r\n"), 0);
    assert_int_equal(lifetime("Expires: Thu, 18 Aug 2050 02:01:18 UTC\r\n"), 0);
    assert_true(lifetime("Expires: Thu, 18 Aug 2050 02:01:18 GMT\r\n") == 2544400878 - now);
    assert_true(lifetime("Expires: Thu, 18 Aug 2050 02:01:18 GMT\r\nDate: foo\r\n") ==
                2544400878 - now);
}

static int64_t age(const char *fields, int64_t delay)
{
    parse(fields);
    return freshness_initial_age(&h, now - delay, now);
}

static void ages(void **state)
{
    (void)state;
    assert_int_equal(age("", 0), 0);
    assert_int_equal(age("", 3), 3);
    assert_int_equal(age("", -5), 0); /* the clock jumped back */
    assert_int_equal(age("Age: 7200\r\n", 2), 7202);
    assert_int_equal(age("Age: abc\r\n", 0), 0);
    assert_int_equal(age("Age: -7200\r\n", 0), 0);
    assert_int_equal(age("Age: 7200.0\r\n", 0), 0);
    assert_int_equal(age("Age: 7200;a=b\r\n", 0), 0);
    assert_int_equal(age("Age: 7200, 0\r\n", 0), 7200);
    assert_int_equal(age("Age: 0, 7200\r\n", 0), 0);
    assert_int_equal(age("Age: 7200\r\nAge: 0\r\n", 0), 7200);
    assert_int_equal(age("Age: 0\r\nAge: 7200\r\n", 0), 0);
    assert_true(age("Age: 2147483647\r\n", 0) == 2147483647);
    assert_true(age("Age: 99999999999999999999\r\n", 0) == (int64_t)1 << 31);
    assert_int_equal(age("Date: Tue, 14 Nov 2023 22:11:20 GMT\r\n", 0), 120);
    assert_int_equal(age("Date: Tue, 14 Nov 2023 22:11:20 GMT\r\nAge: 500\r\n", 0), 500);
    assert_int_equal(age("Date: Tue, 14 Nov 2023 23:13:20 GMT\r\nAge: 5\r\n", 0), 5);
    assert_int_equal(age("Date: foo\r\n", 0), 0);
}

static void flags(void **state)
{
    (void)state;
    parse("");
    assert_false(cc.any);
    parse("Cache-Control: NO-STORE, no-transform\r\nCache-Control: public,immutable, "
          "must-understand\r\n");
    assert_true(cc.any && cc.no_store && cc.no_transform && cc.public_ && cc.immutable &&
                cc.must_understand);
    assert_false(cc.no_cache || cc.private_ || cc.must_revalidate || cc.proxy_revalidate ||
                 cc.only_if_cached);
    parse(
        "Cache-Control: must-revalidate, proxy-revalidate, only-if-cached, no-cache, private\r\n");
    assert_true(cc.must_revalidate && cc.proxy_revalidate && cc.only_if_cached && cc.no_cache &&
                cc.private_);
    parse("Cache-Control: x=\"no-store, no-cache\", no-storex, xprivate\r\n");
    assert_false(cc.no_store || cc.no_cache || cc.private_);
    parse("Cache-Control: no-store=x\r\n");
    assert_true(cc.no_store);
    parse("Cache-Control: stale-while-revalidate=5, stale-if-error=\"6\", max-stale, "
          "min-fresh=7\r\n");
    assert_int_equal(cc.stale_while_revalidate, 5);
    assert_int_equal(cc.stale_if_error, 6);
    assert_int_equal(cc.min_fresh, 7);
    assert_true(cc.max_stale_any);
    assert_int_equal(cc.max_stale, FRESHNESS_UNSET);
    parse("Cache-Control: max-stale=9\r\n");
    assert_false(cc.max_stale_any);
    assert_int_equal(cc.max_stale, 9);
}

static void directives_about_some_fields(void **state)
{
    (void)state;
    parse("Cache-Control: no-cache=\"a, B\", private=set-cookie\r\n");
    assert_true(cc.no_cache_fields && cc.private_fields);
    assert_false(cc.no_cache || cc.private_);
    assert_true(slice_equal(cc.no_cache_names, SLICE("a, B")));
    assert_true(slice_equal(cc.private_names, SLICE("set-cookie")));
    parse("Cache-Control: no-cache=\"a\", no-cache\r\n");
    assert_true(cc.no_cache);
    assert_false(cc.no_cache_fields);
    parse("Cache-Control: no-cache, no-cache=\"a\"\r\n");
    assert_true(cc.no_cache);
    assert_false(cc.no_cache_fields);
    parse("Cache-Control: private=\"a\", private=\"b\"\r\n");
    assert_true(cc.private_);
    parse("Cache-Control: private=\"\"\r\n");
    assert_true(cc.private_);
    parse("Cache-Control: private=\"a\r\n");
    assert_true(cc.private_);
}

static void odd_lines(void **state)
{
    (void)state;
    static const char *const odd[] = { "",      ",,",   "=",      "=,=5", "\"",
                                       "\"a\"", "a=\"", "a=\"\\", ";",    "max-age=5;x" };
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        freshness_clear(&cc);
        freshness_parse(slice_of(odd[i], strlen(odd[i])), &cc);
        assert_true(cc.any);
        assert_int_equal(cc.max_age, FRESHNESS_UNSET);
        assert_false(cc.no_store || cc.public_);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lifetimes_of_directives),
        cmocka_unit_test(unreadable_numbers_are_stale),
        cmocka_unit_test(lifetimes_of_expires),
        cmocka_unit_test(ages),
        cmocka_unit_test(flags),
        cmocka_unit_test(directives_about_some_fields),
        cmocka_unit_test(odd_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
