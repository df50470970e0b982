/* SPDX-License-Identifier: Apache-2.0 */
/* The map: many names, absent names, duplicates, a key of its own each. */
#include "conf/names.h"
#include "loading.h"

enum { MANY = 20000 };

static void test_many(void **state)
{
    (void)state;
    jmp_buf out;
    static struct memory memory;
    static struct names names;
    static int values[MANY];
    memory.no_memory = &out;
    if (setjmp(out))
        fail();
    assert_null(names_get(&names, "x", 1));
    for (int i = 0; i < MANY; i++)
        assert_null(names_put(&names, &memory, memory_format(&memory, "name-%d", i), &values[i]));
    assert_true(names.size >= 2 * names.used);
    for (int i = 0; i < MANY; i++) {
        struct conf_text name = memory_format(&memory, "name-%d", i);
        assert_ptr_equal(names_get(&names, name.s, name.n), &values[i]);
        assert_ptr_not_equal(names_get(&names, name.s, name.n - 1), &values[i]);
    }
    assert_null(names_get(&names, "name-20000", 10));
    assert_null(names_get(&names, "", 0));
    memory_free(&memory);
}

static void test_duplicates_and_keys(void **state)
{
    (void)state;
    jmp_buf out;
    static struct memory memory;
    struct names one = { 0 }, two = { 0 };
    static int a, b;
    memory.no_memory = &out;
    if (setjmp(out))
        fail();
    struct conf_text name = { "n", 1 }, empty = { "", 0 };
    assert_null(names_put(&one, &memory, name, &a));
    assert_ptr_equal(names_put(&one, &memory, name, &b), &a);
    assert_ptr_equal(names_get(&one, "n", 1), &a);
    assert_null(names_put(&one, &memory, empty, &b));
    assert_ptr_equal(names_get(&one, "", 0), &b);
    assert_null(names_put(&two, &memory, name, &a));
    assert_memory_not_equal(one.secret, two.secret, NAMES_SECRET);
    memory_free(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_many),
                                        cmocka_unit_test(test_duplicates_and_keys) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
