/* SPDX-License-Identifier: Apache-2.0 */
/* All overrides: listed, dropped by what they are about, printed as configuration; a service's
 * host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/control/api_fixture.h"

#define FIRST "/upstreams/orders.v1/targets/127.0.0.1:9001"

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

static int ask(struct fixture *f, const char *line, const char *body)
{
    char *answer = fixture_ask_for(f, line, body);
    int status = atoi(answer + 9);
    free(answer);
    return status;
}

static size_t count(struct fixture *f)
{
    json_t *o = fixture_json(fixture_ask_for(f, "GET /overrides", ""));
    size_t n = json_array_size(json_object_get(o, "overrides"));
    json_decref(o);
    return n;
}

static void dropped_by_what_they_are_about(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "PATCH " FIRST, "{\"weight\": 1, \"drain\": true, \"down\": true}"),
                     200);
    assert_int_equal(
        ask(f, "PATCH /upstreams/orders.v1/targets/127.0.0.1:9002", "{\"drain\": true}"), 200);
    assert_int_equal(count(f), 4);
    assert_int_equal(ask(f, "DELETE /overrides?upstream=other", ""), 200);
    assert_int_equal(count(f), 4);
    assert_int_equal(ask(f, "DELETE /overrides?target=127.0.0.1:9001&thing=drain", ""), 200);
    assert_int_equal(count(f), 3);
    assert_int_equal(ask(f, "DELETE /overrides?thing=weather", ""), 400);
    assert_int_equal(ask(f, "DELETE /overrides?target=a%20b", ""), 400);
    assert_int_equal(ask(f, "DELETE /overrides?service=orders", ""), 200);
    assert_int_equal(count(f), 3);
    assert_int_equal(ask(f, "DELETE /overrides", ""), 200);
    assert_int_equal(count(f), 0);
    assert_int_equal(peers_of(&f->api.peers, &fixture_upstream)->v[0]->weight, 100);
}

static void printed_as_configuration(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "PATCH " FIRST, "{\"weight\": 1, \"max_connections\": 4}"), 200);
    char *answer = fixture_ask_for(f, "GET /overrides/configuration", "");
    assert_int_equal(atoi(answer + 9), 200);
    assert_non_null(strstr(answer, "{ name = \"orders.v1\";"));
    assert_non_null(
        strstr(answer, "{ target = \"127.0.0.1:9001\"; weight = 1; max_connections = 4; }"));
    assert_non_null(strstr(answer, "{ target = \"127.0.0.1:9002\"; weight = 50; }"));
    free(answer);
}

static void hosts_are_upstreams(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "PATCH /services/orders", "{\"host\": \"orders.v1\"}"), 200);
    assert_int_equal(count(f), 0); /* as the file has it */
    assert_int_equal(ask(f, "PATCH /services/orders", "{\"host\": \"nobody\"}"), 400);
    assert_int_equal(ask(f, "PATCH /services/orders", "{\"host\": 5}"), 400);
    assert_int_equal(ask(f, "PATCH /services/orders", "{\"hots\": \"a\"}"), 400);
    assert_int_equal(ask(f, "PATCH /services/nobody", "{\"host\": null}"), 404);
    assert_int_equal(ask(f, "PATCH /services/service-id", "{\"host\": null}"), 200);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = { TEST(dropped_by_what_they_are_about),
                                        TEST(printed_as_configuration), TEST(hosts_are_upstreams) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
