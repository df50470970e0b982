/* SPDX-License-Identifier: Apache-2.0 */
/* The log of a row: the last sixteen, in order, printable, without those that were never finished.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/health_parts.h"
#include <stdio.h>
#include <string.h>

static struct zone zone;
static struct health_peer_shm *peer;
static struct health_now now;

static int setup(void **state)
{
    (void)state;
    if (!health_make(&zone, 10, 4))
        return -1;
    peer = health_claim_peer(&zone, 77, "orders/127.0.0.1:9001", 1);
    now = (struct health_now){ &zone, 1000, 1700000000000 };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    region_drop(&zone);
    return 0;
}

static void note(const char *text)
{
    struct health_seen seen = { .source = VERDICT_ACTIVE,
                                .event = VERDICT_HTTP_FAILURE,
                                .cause = HEALTH_CAUSE_STATUS,
                                .status = 503,
                                .took = 1234,
                                .text = text };
    health_log_note(peer, &seen, &now);
    now.real_ms++;
}

static void the_last_sixteen_in_order(void **state)
{
    struct health_entry log[HEALTH_LOG];
    char text[16];
    (void)state;
    assert_int_equal(health_log_read(&zone, peer, log), 0);
    for (int i = 1; i <= 40; i++) {
        snprintf(text, sizeof text, "probe %d", i);
        note(text);
        assert_int_equal(health_log_read(&zone, peer, log), i < HEALTH_LOG ? i : HEALTH_LOG);
    }
    for (int i = 0; i < HEALTH_LOG; i++) {
        snprintf(text, sizeof text, "probe %d", 25 + i);
        assert_string_equal(log[i].text, text);
        assert_int_equal(log[i].number, 25 + i);
        assert_int_equal(log[i].real_ms, 1700000000024 + i);
    }
    assert_int_equal(log[0].kind, HEALTH_PROBE);
    assert_int_equal(log[0].status, 503);
    assert_int_equal(log[0].took, 1234);
    assert_string_equal(health_cause_text(log[0].cause), "status");
}

static void text_is_bounded_and_printable(void **state)
{
    struct health_entry log[HEALTH_LOG];
    char text[200];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    text[1] = '\n';
    text[2] = '\x1b';
    note(text);
    note(NULL);
    assert_int_equal(health_log_read(&zone, peer, log), 2);
    assert_int_equal(strlen(log[0].text), HEALTH_LOG_TEXT - 1);
    assert_memory_equal(log[0].text, "x??x", 4);
    assert_string_equal(log[1].text, "");
}

static void what_was_never_finished_is_left_out(void **state)
{
    struct health_view v;
    struct health_entry log[HEALTH_LOG];
    (void)state;
    note("first");
    note("second");
    note("third");
    assert_true(health_view_of(&zone, &v));
    v.logs[health_number(&v, peer)].entries[1].number = 0; /* its writer was killed */
    assert_int_equal(health_log_read(&zone, peer, log), 2);
    assert_string_equal(log[0].text, "first");
    assert_string_equal(log[1].text, "third");
}

static void a_new_owner_of_a_row_begins_anew(void **state)
{
    struct health_entry log[HEALTH_LOG];
    struct zone small;
    uint64_t n = 0;
    (void)state;
    note("of the first owner");
    assert_true(health_make(&small, 1, 1));
    while (health_claim_peer(&small, ++n, "p", 1))
        ;
    struct health_peer_shm *row = health_claim_peer(&small, n + 1, "p", 3);
    assert_int_equal(health_log_read(&small, row, log), 0);
    region_drop(&small);
    assert_int_equal(health_log_read(&zone, peer + 100000, log), 0);
}

static void a_number_from_anywhere_has_a_text(void **state)
{
    (void)state;
    assert_string_equal(health_cause_text(HEALTH_CAUSE_REFUSED), "connection refused");
    assert_string_equal(health_cause_text(255), "unknown");
    for (unsigned i = 0; i < HEALTH_CAUSES_N; i++)
        assert_true(strlen(health_cause_text(i)) > 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_sixteen_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(text_is_bounded_and_printable, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_never_finished_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_owner_of_a_row_begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(a_number_from_anywhere_has_a_text, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
