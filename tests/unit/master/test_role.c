/* SPDX-License-Identifier: Apache-2.0 */
/* The table of processes, and when one that died is replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/role.h"
#include <string.h>

static void every_role_has_a_complete_row(void **state)
{
    (void)state;
    for (int i = 0; i < ROLE_COUNT; i++) {
        const struct role *r = &role_table[i];
        assert_non_null(r->name);
        assert_non_null(r->count);
        assert_non_null(r->entry);
        assert_int_equal(r->restart == NULL, i == ROLE_MOVER); /* does one thing and ends */
        assert_true(r->sandbox & ROLE_DROPS_RIGHTS);
    }
}

static void doors_are_given_to_those_who_open_them(void **state)
{
    (void)state;
    assert_int_equal(role_table[ROLE_WORKER].sandbox & ROLE_CONTROL_DOORS, 0);
    assert_int_equal(role_table[ROLE_CONTROL].sandbox & ROLE_PROXY_DOORS, 0);
    assert_int_equal(role_table[ROLE_CHECKER].sandbox & (ROLE_PROXY_DOORS | ROLE_CONTROL_DOORS), 0);
}

static void counts_what_the_configuration_asks_for(void **state)
{
    struct conf conf = { .workers = 5 };

    (void)state;
    assert_int_equal(role_table[ROLE_WORKER].count(&conf), 5);
    assert_int_equal(role_table[ROLE_CHECKER].count(&conf), 1);
    assert_int_equal(role_processes(&conf), 7);
    conf.workers = 0;
    assert_true(role_table[ROLE_WORKER].count(&conf) >= 1);
}

static void a_crash_loop_backs_off(void **state)
{
    const struct role_restart *r = role_table[ROLE_WORKER].restart;

    (void)state;
    assert_int_equal(role_delay(r, 0), 0);
    assert_int_equal(role_delay(r, 3), 0);
    assert_int_equal(role_delay(r, 4), 100);
    assert_int_equal(role_delay(r, 5), 200);
    assert_int_equal(role_delay(r, 6), 400);
    assert_int_equal(role_delay(r, 10), 6400);
    assert_int_equal(role_delay(r, 11), 10000);
    assert_int_equal(role_delay(r, 4000000000u), 10000);
}

static void titles_name_the_process(void **state)
{
    char title[16];

    (void)state;
    role_title(ROLE_WORKER, 12, title, sizeof title);
    assert_string_equal(title, "worker 12");
    role_title(ROLE_CONTROL, 0, title, sizeof title);
    assert_string_equal(title, "control");
    role_title(ROLE_COUNT, 0, title, sizeof title);
    assert_string_equal(title, "process");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_role_has_a_complete_row),
        cmocka_unit_test(doors_are_given_to_those_who_open_them),
        cmocka_unit_test(counts_what_the_configuration_asks_for),
        cmocka_unit_test(a_crash_loop_backs_off),
        cmocka_unit_test(titles_name_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
