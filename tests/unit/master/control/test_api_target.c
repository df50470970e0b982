/* SPDX-License-Identifier: Apache-2.0 */
/* Targets over the API: shown with file and overrides, changed, added, deleted; mistakes change
 * nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/control/api_fixture.h"

#define TARGETS "/upstreams/orders.v1/targets"
#define FIRST   TARGETS "/127.0.0.1:9001"

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

static json_int_t number(const json_t *o, const char *field)
{
    return json_integer_value(json_object_get(o, field));
}

/* The status; the answer's JSON in *o when asked for. */
static int ask(struct fixture *f, const char *line, const char *body, json_t **o)
{
    char *answer = fixture_ask_for(f, line, body);
    int status = atoi(answer + 9);
    if (o)
        *o = fixture_json(answer);
    else
        free(answer);
    return status;
}

static const struct peer_set *set_of(struct fixture *f)
{
    return peers_of(&f->api.peers, &fixture_upstream);
}

static void shows_the_file(void **state)
{
    json_t *o;
    assert_int_equal(ask(*state, "GET " TARGETS, "", &o), 200);
    const json_t *first = json_array_get(json_object_get(o, "data"), 0);
    assert_int_equal(json_array_size(json_object_get(o, "data")), 2);
    assert_int_equal(number(first, "weight"), 100);
    assert_int_equal(number(json_object_get(first, "file"), "weight"), 100);
    assert_int_equal(json_array_size(json_object_get(first, "addresses")), 1);
    assert_null(json_object_get(first, "resolution"));
    json_decref(o);
    assert_int_equal(ask(*state, "GET /upstreams/nobody/targets", "", NULL), 404);
}

static void changes_a_weight(void **state)
{
    struct fixture *f = *state;
    json_t *o;
    assert_int_equal(ask(f, "PATCH " FIRST, "{\"weight\": 7, \"for\": \"2m\"}", &o), 200);
    assert_int_equal(number(o, "weight"), 7);
    const json_t *override = json_array_get(json_object_get(o, "overrides"), 0);
    assert_int_equal(number(override, "until"), FIXTURE_NOW + 120);
    assert_int_equal(number(override, "file"), 100);
    json_decref(o);
    assert_int_equal(set_of(f)->v[0]->weight, 7);
    assert_int_equal(ask(f, "PATCH " FIRST, "{\"drain\": true}", NULL), 200);
    assert_int_equal(set_of(f)->v[0]->weight, 0);
    assert_int_equal(ask(f, "PATCH " FIRST, "{\"drain\": false, \"weight\": 100}", &o), 200);
    assert_int_equal(json_array_size(json_object_get(o, "overrides")), 0);
    json_decref(o);
    assert_int_equal(set_of(f)->v[0]->weight, 100);
}

static void adds_and_deletes(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        ask(f, "POST " TARGETS, "{\"target\": \"127.0.0.1:9003\", \"weight\": 9}", NULL), 201);
    assert_int_equal(set_of(f)->n, 3);
    assert_string_equal(set_of(f)->v[2]->text.s, "127.0.0.1:9003");
    assert_int_equal(set_of(f)->v[2]->weight, 9);
    assert_int_equal(ask(f, "POST " TARGETS, "{\"target\": \"127.0.0.1:9003\"}", NULL), 200);
    assert_int_equal(ask(f, "DELETE " FIRST, "", NULL), 204);
    assert_int_equal(set_of(f)->n, 2);
    assert_int_equal(ask(f, "DELETE " FIRST, "", NULL), 404);
    assert_int_equal(ask(f, "POST " TARGETS, "{\"target\": \"127.0.0.1:9001\"}", NULL), 201);
    assert_int_equal(ask(f, "DELETE " TARGETS "/127.0.0.1:9003", "", NULL), 204);
    assert_int_equal(set_of(f)->n, 2);
    assert_int_equal(ask(f, "POST " TARGETS, "{\"target\": \"some.name:80\"}", NULL), 201);
    assert_int_equal(set_of(f)->n, 2);
    assert_int_equal(set_of(f)->unresolved, 1);
    json_t *o;
    assert_int_equal(ask(f, "GET " TARGETS, "", &o), 200);
    const json_t *named = json_array_get(json_object_get(o, "data"), 2);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(named, "resolution"), "state")),
        "unresolved");
    json_decref(o);
}

static void mistakes_change_nothing(void **state)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "{",
        "{\"weight\": -1}",
        "{\"weight\": 65536}",
        "{\"weight\": \"5\"}",
        "{\"drain\": 1}",
        "{\"wieght\": 5}",
        "{\"for\": 0}",
        "{\"for\": \"0m\"}",
        "{\"for\": \"5x\"}",
        "{\"for\": \"-5s\"}",
        "{\"for\": \"9999999999999d\"}",
        "{\"max_connections\": 1e3}",
    };
    struct fixture *f = *state;
    uint64_t epoch = atomic_load(roster_epoch(&f->heritage.roster));
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        assert_int_equal(ask(f, "PATCH " FIRST, bodies[i], NULL), 400);
    assert_int_equal(ask(f, "POST " TARGETS, "{}", NULL), 400);
    assert_int_equal(ask(f, "POST " TARGETS, "{\"target\": \"a b\"}", NULL), 400);
    assert_int_equal(ask(f, "PATCH " TARGETS "/127.0.0.1:1", "{\"weight\": 1}", NULL), 404);
    assert_int_equal(ask(f, "PATCH " TARGETS "/a%20b", "{\"weight\": 1}", NULL), 404);
    assert_true(atomic_load(roster_epoch(&f->heritage.roster)) == epoch);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = { TEST(shows_the_file), TEST(changes_a_weight),
                                        TEST(adds_and_deletes), TEST(mistakes_change_nothing) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
