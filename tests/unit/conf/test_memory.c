/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a load: zeroed, aligned, ended in reverse order; what happens when there is none.
 */
#include "conf/memory.h"
#include "loading.h"

static void test_blocks(void **state)
{
    (void)state;
    jmp_buf out;
    struct memory memory = { .no_memory = &out };
    if (setjmp(out))
        fail();
    for (size_t n = 0; n < 3000; n++) {
        char *p = memory_alloc(&memory, n);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, n);
    }
    char *large = memory_alloc(&memory, 5 << 20);
    assert_int_equal(large[(5 << 20) - 1], 0);
    memory_free(&memory);
    assert_null(memory.blocks);
}

static void test_texts(void **state)
{
    (void)state;
    jmp_buf out;
    struct memory memory = { .no_memory = &out };
    if (setjmp(out))
        fail();
    struct conf_text text = memory_text(&memory, "abcdef", 3);
    assert_string_equal(text.s, "abc");
    assert_int_equal(text.n, 3);
    assert_string_equal(memory_text(&memory, NULL, 0).s, "");
    assert_string_equal(memory_lower(&memory, (struct conf_text){ "AbZ-[\xc4", 6 }).s, "abz-[\xc4");
    assert_string_equal(memory_format(&memory, "%d-%s", 5, "x").s, "5-x");
    assert_int_equal(memory_format(&memory, "%0300d", 1).n, 300);
    memory_free(&memory);
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
    struct memory memory = { .no_memory = &out };
    if (setjmp(out))
        fail();
    static char a[] = "a", b[] = "b", c[] = "c";
    memory_duty(&memory, note, a);
    memory_duty(&memory, note, b);
    memory_duty(&memory, note, c);
    assert_string_equal(order, "");
    memory_free(&memory);
    assert_string_equal(order, "cba");
}

/* True when taking n times `size` bytes jumps. */
static bool jumps(size_t n, size_t size)
{
    jmp_buf out;
    struct memory memory = { .no_memory = &out };
    if (setjmp(out))
        return true;
    memory_array(&memory, n, size);
    memory_free(&memory);
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
