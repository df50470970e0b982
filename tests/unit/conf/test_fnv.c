/* SPDX-License-Identifier: Apache-2.0 */
/* The hash is the published one, in one piece or in several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/fnv.h"

static void is_the_published_one(void **state)
{
    (void)state;
    assert_true(fnv_bytes(FNV_BEGIN, NULL, 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(fnv_text(FNV_BEGIN, "a") == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(fnv_text(FNV_BEGIN, "foobar") == UINT64_C(0x85944171f73967e8));
}

static void goes_on_where_it_was(void **state)
{
    (void)state;
    uint64_t whole = fnv_bytes(FNV_BEGIN, "ab\xff\0c", 5);
    assert_true(fnv_bytes(fnv_bytes(FNV_BEGIN, "ab", 2), "\xff\0c", 3) == whole);
    assert_true(fnv_text(fnv_text(FNV_BEGIN, "foo"), "bar") == fnv_text(FNV_BEGIN, "foobar"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(is_the_published_one),
                                        cmocka_unit_test(goes_on_where_it_was) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
