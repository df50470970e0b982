/* SPDX-License-Identifier: Apache-2.0 */
/* The log of targets as JSON, and how a probe is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/control/api_fixture.h"

static int setup(void **state)
{
    *state = fixture_make();
    return *state == NULL;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static const json_t *target(const json_t *o, size_t i)
{
    return json_array_get(json_object_get(o, "targets"), i);
}

static void the_log_of_one_or_all(void **state)
{
    struct fixture *f = *state;
    const struct peer *p = peers_of(&f->api.peers, &fixture_upstream)->v[0];
    struct health_now now = { &f->heritage.health, 1, 1700000000250 };
    struct health_seen seen = { .source = VERDICT_ACTIVE,
                                .event = VERDICT_TCP_FAILURE,
                                .cause = HEALTH_CAUSE_TLS,
                                .took = 1500,
                                .text = "certificate has expired" };
    char line[256];

    health_log_note(p->row, &seen, &now);
    json_t *o = fixture_json(fixture_ask_for(f, "GET /health/log", ""));
    assert_int_equal(json_array_size(json_object_get(o, "targets")), 2);
    json_decref(o);
    snprintf(line, sizeof line, "GET /health/log?target=orders.v1/%s", p->text.s);
    o = fixture_json(fixture_ask_for(f, line, ""));
    assert_int_equal(json_array_size(json_object_get(o, "targets")), 1);
    const json_t *entry = json_array_get(json_object_get(target(o, 0), "log"), 0);
    assert_string_equal(json_string_value(json_object_get(entry, "cause")), "TLS handshake failed");
    assert_string_equal(json_string_value(json_object_get(entry, "detail")),
                        "certificate has expired");
    assert_string_equal(json_string_value(json_object_get(entry, "by")), "probe");
    assert_true(json_real_value(json_object_get(entry, "took_ms")) == 1.5);
    assert_true(json_real_value(json_object_get(entry, "at")) == 1700000000.25);
    assert_null(json_object_get(entry, "status"));
    json_decref(o);
}

static void a_probe_is_asked_for_in_the_record(void **state)
{
    struct fixture *f = *state;
    const struct peer *p = peers_of(&f->api.peers, &fixture_upstream)->v[0];
    uint32_t asks = health_state_asks(&f->heritage.health);
    char line[256];

    snprintf(line, sizeof line, "POST /health/probe?target=%s", p->text.s);
    char *answer = fixture_ask_for(f, line, "");
    assert_memory_equal(answer, "HTTP/1.1 202", 12);
    json_t *o = fixture_json(answer);
    assert_int_equal(json_integer_value(json_object_get(target(o, 0), "asked")), 1);
    assert_int_equal(json_integer_value(json_object_get(target(o, 0), "answered")), 0);
    json_decref(o);
    assert_int_equal(health_state_asks(&f->heritage.health), asks + 1);
    answer = fixture_ask_for(f, "POST /health/probe", "");
    assert_memory_equal(answer, "HTTP/1.1 400", 12);
    free(answer);
    answer = fixture_ask_for(f, "POST /health/probe?target=nobody", "");
    assert_memory_equal(answer, "HTTP/1.1 404", 12);
    free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_of_one_or_all),
        cmocka_unit_test(a_probe_is_asked_for_in_the_record),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
