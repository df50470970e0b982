/* SPDX-License-Identifier: Apache-2.0 */
/* Ticket keys: a first one at once, rotation by age, the newest first, three at most, never torn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/tickets.h"
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct zone zone;

static int setup(void **state)
{
    (void)state;
    return tickets_make(&zone) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    region_drop(&zone);
    return 0;
}

static void begins_with_a_random_key(void **state)
{
    struct ticket_key keys[TICKETS_KEYS], zero = { 0 };

    (void)state;
    assert_int_equal(tickets_read(&zone, keys), 1);
    assert_memory_not_equal(keys[0].aes, zero.aes, sizeof zero.aes);
    assert_memory_not_equal(keys[0].hmac, zero.hmac, sizeof zero.hmac);
    assert_memory_not_equal(keys[0].aes, keys[0].hmac, sizeof zero.aes);
}

static void rotates_by_age(void **state)
{
    struct ticket_key first[TICKETS_KEYS], keys[TICKETS_KEYS];
    int64_t made;

    (void)state;
    tickets_read(&zone, first);
    made = first[0].made;
    assert_false(tickets_rotate(&zone, made + 3600, 3600));
    assert_true(tickets_rotate(&zone, made + 3601, 3600));
    assert_int_equal(tickets_read(&zone, keys), 2);
    assert_int_equal(keys[0].made, made + 3601);
    assert_memory_equal(&keys[1], &first[0], sizeof first[0]);
    for (int i = 2; i < 20; i++)
        assert_true(tickets_rotate(&zone, made + 3601 * i, 3600));
    assert_int_equal(tickets_read(&zone, keys), TICKETS_KEYS);
    assert_int_equal(keys[0].made, made + 3601 * 19);
    assert_int_equal(keys[2].made, made + 3601 * 17);
}

static void a_clock_set_back_does_not_stop_rotation(void **state)
{
    struct ticket_key keys[TICKETS_KEYS];
    int64_t made;

    (void)state;
    tickets_read(&zone, keys);
    made = keys[0].made;
    assert_false(tickets_rotate(&zone, made - 100000, 3600));
    assert_false(tickets_rotate(&zone, made - 100000 + 3600, 3600));
    assert_true(tickets_rotate(&zone, made - 100000 + 3601, 3600));
}

static void a_reader_never_sees_a_torn_key(void **state)
{
    struct ticket_key keys[TICKETS_KEYS];
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        for (int64_t now = INT64_C(1) << 40;; now += 10)
            tickets_rotate(&zone, now, 5);
    for (int i = 0; i < 20000; i++) {
        int n = tickets_read(&zone, keys);
        assert_true(n >= 1);
        for (int k = 1; k < n && keys[k].made >= INT64_C(1) << 40; k++)
            assert_int_equal(keys[k - 1].made - keys[k].made, 10);
    }
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(begins_with_a_random_key, setup, teardown),
        cmocka_unit_test_setup_teardown(rotates_by_age, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clock_set_back_does_not_stop_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_never_sees_a_torn_key, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
