/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of stored objects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/http/labels.h"

static void an_id_is_the_same_however_written(void **state)
{
    uint32_t id = labels_id(SLICE("abababab-abab-abab-abab-abababababab"));
    (void)state;
    assert_int_equal(labels_id(SLICE("ABABABABABABABABABABABABABABABAB")), id);
    assert_int_not_equal(labels_id(SLICE("abababab-abab-abab-abab-abababababac")), id);
    assert_int_not_equal(labels_id(SLICE("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_the_same_however_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
