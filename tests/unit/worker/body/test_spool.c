/* SPDX-License-Identifier: Apache-2.0 */
/* A spool gives back what it took, over the border between memory and file, from any offset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/body/spool.h"
#include <stdlib.h>
#include <string.h>

enum { TOTAL = 300000 };

static unsigned char at(uint64_t i)
{
    return (unsigned char)(i * 2654435761u >> 13);
}

static void gives_back_what_it_took(void **state)
{
    struct spool *sp = spool_make("/tmp");
    static unsigned char buf[TOTAL];

    (void)state;
    assert_non_null(sp);
    srand(3);
    while (spool_size(sp) < TOTAL) {
        size_t n = (size_t)rand() % 9000, left = (size_t)(TOTAL - spool_size(sp));
        if (n > left)
            n = left;
        for (size_t i = 0; i < n; i++)
            buf[i] = at(spool_size(sp) + i);
        assert_true(spool_append(sp, buf, n));
    }
    for (uint64_t offset = 0; offset < TOTAL;) {
        ssize_t n = spool_read(sp, offset, buf, 1 + (size_t)rand() % 70000);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(buf[i], at(offset + (uint64_t)i));
        offset += (uint64_t)n;
    }
    assert_int_equal(spool_read(sp, TOTAL, buf, 10), 0);
    spool_free(&sp);
    assert_null(sp);
    spool_free(&sp);
}

static void falls_back_from_a_folder_that_is_not_there(void **state)
{
    struct spool *sp = spool_make("/nonexistent/folder");
    static char buf[SPOOL_MEMORY + 10];

    (void)state;
    assert_true(spool_append(sp, buf, sizeof buf));
    assert_int_equal(spool_size(sp), sizeof buf);
    assert_int_equal(spool_read(sp, SPOOL_MEMORY, buf, 100), 10);
    spool_free(&sp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_it_took),
        cmocka_unit_test(falls_back_from_a_folder_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
