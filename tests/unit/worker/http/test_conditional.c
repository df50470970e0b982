/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions of a request against the validators of a stored response. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "heads.h"
#include "worker/http/conditional.h"
#include "worker/http/date.h"

enum { NOW = 1700000000, CHANGED = 1577836800 }; /* Wed, 01 Jan 2020 00:00:00 GMT */

static bool not_modified(const char *fields, const char *etag, int64_t modified)
{
    struct conditional_validators v = { etag ? slice_of(etag, strlen(etag)) : slice_of(NULL, 0),
                                        modified, 0 };
    return conditional_not_modified(heads_request(fields), &v, NOW);
}

static void entity_tags(void **state)
{
    (void)state;
    assert_true(not_modified("If-None-Match: \"a\"\r\n", "\"a\"", 0));
    assert_true(not_modified("If-None-Match: W/\"a\"\r\n", "\"a\"", 0));
    assert_true(not_modified("If-None-Match: \"a\"\r\n", "W/\"a\"", 0));
    assert_true(not_modified("If-None-Match: \"x\" , \"a\"\r\n", "\"a\"", 0));
    assert_true(not_modified("If-None-Match: \"x\"\r\nIf-None-Match: \"a\"\r\n", "\"a\"", 0));
    assert_true(not_modified("If-None-Match: *\r\n", NULL, 0));
    assert_true(not_modified("If-None-Match: \"a,b\"\r\n", "\"a,b\"", 0));
    assert_false(not_modified("If-None-Match: \"A\"\r\n", "\"a\"", 0));
    assert_false(not_modified("If-None-Match: \"a\"\r\n", NULL, 0));
    assert_false(not_modified("If-None-Match: W/\r\n", "W/", 0));
    assert_false(not_modified("", "\"a\"", CHANGED));
}

static void dates(void **state)
{
    (void)state;
#define SINCE "If-Modified-Since: "
    assert_true(not_modified(SINCE "Wed, 01 Jan 2020 00:00:00 GMT\r\n", NULL, CHANGED));
    assert_true(not_modified(SINCE "Wed, 01 Jan 2020 00:00:01 GMT\r\n", NULL, CHANGED));
    assert_false(not_modified(SINCE "Tue, 31 Dec 2019 23:59:59 GMT\r\n", NULL, CHANGED));
    assert_false(not_modified(SINCE "Wed, 01 Jan 2020 00:00:00 GMT\r\n", NULL, 0));
    assert_false(not_modified(SINCE "yesterday\r\n", NULL, CHANGED));
    assert_false(not_modified(SINCE "Wed, 01 Jan 2020 00:00:00 GMT\r\n" SINCE
                                    "Wed, 01 Jan 2020 00:00:00 GMT\r\n",
                              NULL, CHANGED));
    assert_false(not_modified(SINCE "Wed, 01 Jan 2020 00:00:00 GMT\r\nIf-None-Match: \"b\"\r\n",
                              "\"a\"", CHANGED));
}

static bool range_holds_of(const char *fields, int64_t date)
{
    struct conditional_validators v = { SLICE("\"a\""), CHANGED, date };
    return conditional_range_holds(heads_request(fields), &v, NOW);
}

static bool range_holds(const char *fields)
{
    return range_holds_of(fields, CHANGED + 1);
}

static void if_range(void **state)
{
    (void)state;
    assert_true(range_holds(""));
    assert_true(range_holds("If-Range: \"a\"\r\n"));
    assert_false(range_holds("If-Range: \"b\"\r\n"));
    assert_false(range_holds("If-Range: W/\"a\"\r\n"));
    assert_true(range_holds("If-Range: Wed, 01 Jan 2020 00:00:00 GMT\r\n"));
    assert_false(range_holds("If-Range: Wed, 01 Jan 2020 00:00:01 GMT\r\n"));
    assert_false(range_holds("If-Range: \"a\"\r\nIf-Range: \"a\"\r\n"));
    assert_false(range_holds("If-Range: \r\n"));
    assert_false(range_holds_of("If-Range: Wed, 01 Jan 2020 00:00:00 GMT\r\n", CHANGED));
    assert_false(range_holds_of("If-Range: Wed, 01 Jan 2020 00:00:00 GMT\r\n", -1));
    assert_true(range_holds_of("If-Range: \"a\"\r\n", CHANGED));
}

static void fields_of_a_304(void **state)
{
    (void)state;
    assert_false(conditional_in_304(SLICE("content-type")));
    assert_false(conditional_in_304(SLICE("Content-Encoding")));
    assert_true(conditional_in_304(SLICE("Content-Location")));
    assert_true(conditional_in_304(SLICE("ETag")) && conditional_in_304(SLICE("X-Any")));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(entity_tags), cmocka_unit_test(dates),
                                        cmocka_unit_test(if_range),
                                        cmocka_unit_test(fields_of_a_304) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
