/* SPDX-License-Identifier: Apache-2.0 */
/* Objects are aligned, distinct, whole, come back newest first, and large ones beyond `keep` go
 * back to the kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/pool.h"
#include <string.h>

enum { OBJECTS = 3000 };

static void hands_out_distinct_objects(void **state)
{
    static unsigned char *p[OBJECTS];
    static struct pool pool;

    (void)state;
    pool_init(&pool, 100, 0);
    for (int i = 0; i < OBJECTS; i++) {
        p[i] = pool_take(&pool);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        memset(p[i], i & 255, 100);
    }
    for (int i = 0; i < OBJECTS; i++)
        for (int k = 0; k < 100; k++)
            assert_int_equal(p[i][k], i & 255);
    assert_int_equal(pool.used, OBJECTS);
    for (int i = 0; i < OBJECTS; i++)
        pool_give(&pool, p[i]);
    assert_int_equal(pool.used, 0);
}

static void last_in_first_out(void **state)
{
    static struct pool pool;

    (void)state;
    pool_init(&pool, 64, 0);
    void *a = pool_take(&pool), *b = pool_take(&pool);
    pool_give(&pool, a);
    pool_give(&pool, b);
    assert_ptr_equal(pool_take(&pool), b);
    assert_ptr_equal(pool_take(&pool), a);
}

static void keeps_a_bounded_number_of_large_ones(void **state)
{
    static struct pool pool;
    void *p[10];

    (void)state;
    pool_init(&pool, 16384, 3);
    for (int i = 0; i < 10; i++)
        p[i] = pool_take(&pool);
    for (int i = 0; i < 10; i++)
        pool_give(&pool, p[i]);
    assert_int_equal(pool.free_n, 3);
    assert_int_equal(pool.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_distinct_objects),
        cmocka_unit_test(last_in_first_out),
        cmocka_unit_test(keeps_a_bounded_number_of_large_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
