/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a load: zeroed, aligned, ended in reverse order; what happens when there is none. */
#include "loading.h"
#include "conf/store.h"

static void test_blocks(void **state)
{
    (void)state;
    jmp_buf out;
    struct store store = { .no_memory = &out };
    if (setjmp(out))
        fail();
    for (size_t n = 0; n < 3000; n++) {
        char *p = store_alloc(&store, n);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, n);
    }
    char *large = store_alloc(&store, 5 << 20);
    assert_int_equal(large[(5 << 20) - 1], 0);
    store_free(&store);
    assert_null(store.blocks);
}

static void test_texts(void **state)
{
    (void)state;
    jmp_buf out;
    struct store store = { .no_memory = &out };
    if (setjmp(out))
        fail();
    struct conf_text text = store_text(&store, "abcdef", 3);
    assert_string_equal(text.s, "abc");
    assert_int_equal(text.n, 3);
    assert_string_equal(store_text(&store, NULL, 0).s, "");
    assert_string_equal(store_lower(&store, (struct conf_text){ "AbZ-[\xc4", 6 }).s, "abz-[\xc4");
    assert_string_equal(store_format(&store, "%d-%s", 5, "x").s, "5-x");
    assert_int_equal(store_format(&store, "%0300d", 1).n, 300);
    store_free(&store);
}

static char order[8];
static void note(void *what)
{
    strcat(order, what);
}

static void test_duties(void **state)
{
    (void)state;
    jmp_buf out;
    struct store store = { .no_memory = &out };
    if (setjmp(out))
        fail();
    static char a[] = "a", b[] = "b", c[] = "c";
    store_duty(&store, note, a);
    store_duty(&store, note, b);
    store_duty(&store, note, c);
    assert_string_equal(order, "");
    store_free(&store);
    assert_string_equal(order, "cba");
}

/* True when taking n times `size` bytes jumps. */
static bool jumps(size_t n, size_t size)
{
    jmp_buf out;
    struct store store = { .no_memory = &out };
    if (setjmp(out))
        return true;
    store_array(&store, n, size);
    store_free(&store);
    return false;
}

static void test_no_memory(void **state)
{
    (void)state;
    assert_true(jumps(SIZE_MAX / 2, 3));
    assert_true(jumps(1, SIZE_MAX - 4));
    assert_true(jumps(1, SIZE_MAX / 2));
    assert_false(jumps(1, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_duties),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
