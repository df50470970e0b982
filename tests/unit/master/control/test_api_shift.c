/* SPDX-License-Identifier: Apache-2.0 */
/* Shifts by the API: begun, shown, changed, finished, undone; and every mistake changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/control/api_shift.h"
#include "tests/unit/master/control/shift_fixture.h"

static int ask(struct fixture *f, const char *line, const char *body)
{
    char *answer = fixture_ask_for(f, line, body);
    int status = atoi(answer + 9);
    free(answer);
    return status;
}

static const char *field(json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static void begun_shown_and_undone(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "GET /services/orders/shift", ""), 404);
    json_t *o = fixture_json(
        fixture_ask_for(f, "PUT /services/orders/shift",
                        "{\"to\": \"green\", \"percent\": 12.5, \"step\": \"10/2m\", "
                        "\"abort_if\": \"5xx>0.25%\", \"requests\": 50, \"for\": \"1h\"}"));
    assert_string_equal(field(o, "from"), "orders.v1");
    assert_string_equal(field(o, "to"), "green");
    assert_string_equal(field(o, "state"), "stepping");
    assert_string_equal(field(o, "step"), "10/120s");
    assert_string_equal(field(o, "abort_if"), "5xx>0.25%");
    assert_true(json_real_value(json_object_get(o, "percent")) == 12.5);
    assert_int_equal(json_integer_value(json_object_get(o, "requests")), 50);
    assert_int_equal(json_integer_value(json_object_get(o, "until")), FIXTURE_NOW + 3600);
    json_decref(o);
    assert_int_equal(peers_shift(&f->api.peers, &fixture_service)->share, 125);
    assert_int_equal(ask(f, "GET /services/service-id/shift", ""), 200);
    assert_int_equal(ask(f, "DELETE /services/orders/shift", ""), 204);
    assert_null(peers_shift(&f->api.peers, &fixture_service));
    assert_int_equal(ask(f, "DELETE /services/orders/shift", ""), 404);
}

static void a_percentile_is_a_share_of_slow_answers(void **state)
{
    static const struct {
        const char *given, *shown;
        int64_t slow;
    } cases[] = {
        { "p99>500ms", "p99>500ms", 500000 },
        { "p99.9 > 2 s", "p99.9>2000ms", 2000000 },
        { "p50>1ms", "p50>1ms", 1000 },
        { "p99.99>3600s", "p99.99>3600000ms", 3600000000 },
        { "5xx>1%", "5xx>1%", 0 },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"to\": \"green\", \"percent\": 5, \"abort_if\": \"%s\"}",
                 cases[i].given);
        json_t *o = fixture_json(fixture_ask_for(f, "PUT /services/orders/shift", body));
        assert_string_equal(field(o, "abort_if"), cases[i].shown);
        json_decref(o);
        assert_int_equal(peers_shift(&f->api.peers, &fixture_service)->slow, cases[i].slow);
    }
    assert_int_equal(ask(f, "DELETE /services/orders/shift", ""), 204);
}

static void change_keeps_what_it_does_not_name(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "PATCH /services/orders/shift", "{\"percent\": 10}"), 404);
    assert_int_equal(ask(f, "PUT /services/orders/shift",
                         "{\"to\": \"green\", \"step\": \"10/30s\", \"abort_if\": \"5xx > 1 %\"}"),
                     200);
    uint32_t mark = peers_shift(&f->api.peers, &fixture_service)->mark;
    json_t *o = fixture_json(fixture_ask_for(f, "PATCH /services/orders/shift",
                                             "{\"percent\": \"30%\", \"step\": null}"));
    assert_string_equal(field(o, "state"), "steady");
    assert_string_equal(field(o, "abort_if"), "5xx>1%");
    json_decref(o);
    assert_int_equal(peers_shift(&f->api.peers, &fixture_service)->share, 300);
    assert_int_not_equal(peers_shift(&f->api.peers, &fixture_service)->mark, mark);
    assert_int_equal(ask(f, "PATCH /services/orders/shift", "{\"percent\": 100}"), 200);
    assert_null(peers_shift(&f->api.peers, &fixture_service));
    assert_string_equal(peers_upstream(&f->api.peers, &fixture_service)->name.s, "green");
    assert_int_equal(ask(f, "PUT /services/orders/shift", "{\"to\":\"orders.v1\",\"percent\":100}"),
                     200);
    assert_string_equal(peers_upstream(&f->api.peers, &fixture_service)->name.s, "orders.v1");
}

static void mistakes_change_nothing(void **state)
{
    static const char *const bodies[] = {
        "[]",
        "{}",
        "{\"to\": \"green\"}",
        "{\"to\": \"orders.v1\", \"percent\": 10}",
        "{\"to\": \"nobody\", \"percent\": 10}",
        "{\"percent\": 10}",
        "{\"to\": \"green\", \"percent\": 0}",
        "{\"to\": \"green\", \"percent\": -1}",
        "{\"to\": \"green\", \"percent\": 0.01}",
        "{\"to\": \"green\", \"percent\": 100.1}",
        "{\"to\": \"green\", \"percent\": \"1e9\"}",
        "{\"to\": \"green\", \"percent\": \"5 apples\"}",
        "{\"to\": \"green\", \"percent\": true}",
        "{\"to\": \"green\", \"percent\": null}",
        "{\"to\": \"green\", \"percent\": 5, \"step\": 5}",
        "{\"to\": \"green\", \"percent\": 5, \"step\": \"5/\"}",
        "{\"to\": \"green\", \"percent\": 5, \"step\": \"/5s\"}",
        "{\"to\": \"green\", \"percent\": 5, \"step\": \"5/99999d\"}",
        "{\"to\": \"green\", \"percent\": 5, \"abort_if\": \"5xx<1%\"}",
        "{\"to\": \"green\", \"percent\": 5, \"abort_if\": \"5xx>%\"}",
        "{\"to\": \"green\", \"percent\": 5, \"abort_if\": \"5xx>0.001%\"}",
        "{\"to\": \"green\", \"percent\": 5, \"abort_if\": \"p100>5ms\"}",
        "{\"to\": \"green\", \"percent\": 5, \"abort_if\": \"p0>5ms\"}",
        "{\"to\": \"green\", \"percent\": 5, \"abort_if\": \"p99.999>5ms\"}",
        "{\"to\": \"green\", \"percent\": 5, \"abort_if\": \"p99>5\"}",
        "{\"to\": \"green\", \"percent\": 5, \"abort_if\": \"p99>0ms\"}",
        "{\"to\": \"green\", \"percent\": 5, \"abort_if\": \"p99>-1ms\"}",
        "{\"to\": \"green\", \"percent\": 5, \"abort_if\": \"p99>3601s\"}",
        "{\"to\": \"green\", \"percent\": 5, \"abort_if\": \"p99>99999999999999999999ms\"}",
        "{\"to\": \"green\", \"percent\": 5, \"abort_if\": \"p>5ms\"}",
        "{\"to\": \"green\", \"percent\": 5, \"requests\": 1000001}",
        "{\"to\": \"green\", \"percent\": 5, \"requests\": \"5\"}",
        "{\"to\": \"green\", \"percent\": 5, \"for\": 0}",
        "{\"to\": \"green\", \"percent\": 5, \"more\": 0}",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_int_equal(ask(f, "PUT /services/orders/shift", bodies[i]), 400);
        assert_null(peers_shift(&f->api.peers, &fixture_service));
    }
    assert_int_equal(ask(f, "PUT /services/nobody/shift", "{\"to\":\"green\",\"percent\":5}"), 404);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, shift_setup, shift_teardown)
    const struct CMUnitTest tests[] = { TEST(begun_shown_and_undone),
                                        TEST(a_percentile_is_a_share_of_slow_answers),
                                        TEST(change_keeps_what_it_does_not_name),
                                        TEST(mistakes_change_nothing) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
