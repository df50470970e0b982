/* SPDX-License-Identifier: Apache-2.0 */
/* Derived identifiers: their form, and that they are the same each time and another for another
 * name. */
#include "conf/ids.h"
#include "conf/value.h"
#include "loading.h"

static void test_uuid(void **state)
{
    (void)state;
    jmp_buf out;
    struct memory memory = { .no_memory = &out };
    if (setjmp(out))
        fail();
    char why[64];
    struct conf_text a = ids_uuid(&memory, "%s\n%s", "route", "a"),
                     b = ids_uuid(&memory, "%s\n%s", "route", "b");
    assert_true(value_is_uuid(a.s, a.n, why, sizeof why));
    assert_int_equal(a.s[14], '8');
    assert_non_null(strchr("89ab", a.s[19]));
    assert_string_not_equal(a.s, b.s);
    assert_string_equal(a.s, ids_uuid(&memory, "%s\n%s", "route", "a").s);
    /* Stored objects and metrics are found by these ids after an upgrade: they must not change. */
    assert_string_equal(a.s, "8e82f622-bd28-83bc-a5de-2d27659a9cc5");
    memory_free(&memory);
}

static void test_peer(void **state)
{
    (void)state;
    struct conf_text u = { "u", 1 }, v = { "v", 1 };
    assert_true(ids_peer(u, "127.0.0.1:1") == ids_peer(u, "127.0.0.1:1"));
    assert_true(ids_peer(u, "127.0.0.1:1") != ids_peer(u, "127.0.0.1:2"));
    assert_true(ids_peer(u, "127.0.0.1:1") != ids_peer(v, "127.0.0.1:1"));
    assert_true(ids_peer(u, "127.0.0.1:1") != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_uuid), cmocka_unit_test(test_peer) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
