/* SPDX-License-Identifier: Apache-2.0 */
/* Health in Kong's words, and targets that are set by hand. */
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

static const char *health(const json_t *o, size_t i)
{
    const json_t *target = json_array_get(json_object_get(o, "data"), i);
    return json_string_value(json_object_get(target, "health"));
}

static bool says(struct fixture *f, const char *line, const char *status)
{
    char *answer = fixture_ask_for(f, line, "");
    bool ok = strncmp(answer + strlen("HTTP/1.1 "), status, strlen(status)) == 0;
    free(answer);
    return ok;
}

static void an_upstream_and_its_targets(void **state)
{
    struct fixture *f = *state;
    fixture_upstream.healthchecks.max_ejection_percent = 100; /* the default */
    json_t *o = fixture_json(fixture_ask_for(f, "GET /upstreams/orders.v1/health", ""));
    const json_t *up = json_object_get(o, "upstream");

    assert_int_equal(json_integer_value(json_object_get(o, "total")), 2);
    assert_string_equal(health(o, 0), "HEALTHCHECKS_OFF");
    assert_string_equal(json_string_value(json_object_get(up, "health")), "HEALTHCHECKS_OFF");
    json_decref(o);
    fixture_row(f, 1)->verdict = HEALTH_DOWN;
    o = fixture_json(fixture_ask_for(f, "GET /upstreams/up/health", "")); /* by id */
    assert_string_equal(health(o, 1), "UNHEALTHY");
    json_decref(o);
    fixture_row(f, 0)->verdict = HEALTH_DOWN;
    o = fixture_json(fixture_ask_for(f, "GET /upstreams/up/health?balancer_health=1", ""));
    assert_string_equal(json_string_value(json_object_get(json_object_get(o, "data"), "health")),
                        "UNHEALTHY");
    json_decref(o);
    fixture_row(f, 0)->verdict = fixture_row(f, 1)->verdict = 0;
    assert_true(says(f, "GET /upstreams/other/health", "404"));
}

static void by_hand(void **state)
{
    struct fixture *f = *state;
    const struct peer *p = peers_of(&f->api.peers, &fixture_upstream)->v[1];
    char line[256];

    snprintf(line, sizeof line, "PUT /upstreams/orders.v1/targets/%s/unhealthy", p->target.s);
    assert_true(says(f, line, "204"));
    assert_int_equal(health_state(p->row), HEALTH_DOWN);
    snprintf(line, sizeof line, "POST /upstreams/up/targets/%s/%s/healthy", p->target.s, p->text.s);
    assert_true(says(f, line, "204"));
    assert_int_equal(health_state(p->row), HEALTH_UP);
    snprintf(line, sizeof line, "PUT /upstreams/up/targets/%s/1.1.1.1:1/unhealthy", p->target.s);
    assert_true(says(f, line, "404"));
    assert_true(says(f, "PUT /upstreams/up/targets/%zz/unhealthy", "4"));
    assert_true(says(f, "PUT /upstreams/none/targets/x/unhealthy", "404"));
    snprintf(line, sizeof line, "DELETE /upstreams/up/targets/%s/healthy", p->target.s);
    assert_true(says(f, line, "405"));
    assert_int_equal(health_state(p->row), HEALTH_UP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upstream_and_its_targets),
        cmocka_unit_test(by_hand),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
