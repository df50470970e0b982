/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of issuers as JSON, and how a fetch is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/issuer.h"
#include "shm/jwks.h"
#include "tests/unit/master/control/api_fixture.h"

static const struct conf_issuer first = { .identity = 5,
                                          .uri = { "https://a/k?x=1", 15 },
                                          .tls_verify = true };
static const struct conf_issuer second = {
    .next = &first, .index = 1, .identity = 6, .uri = { "http://b/k", 10 }
};

static int setup(void **state)
{
    struct fixture *f = fixture_make();
    *state = f;
    if (!f || !jwks_make(&f->heritage.jwks))
        return -1;
    f->conf.issuers = &second;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    region_drop(&f->heritage.jwks);
    fixture_free(f);
    return 0;
}

static const json_t *issuer(const json_t *o, size_t i)
{
    return json_array_get(json_object_get(o, "issuers"), i);
}

static const char *text(const json_t *o, const char *field)
{
    return json_string_value(json_object_get(o, field));
}

static int status_of(struct fixture *f, const char *line)
{
    char *answer = fixture_ask_for(f, line, "");
    int status = fixture_status(answer);
    free(answer);
    return status;
}

static void what_is_known(void **state)
{
    struct fixture *f = *state;
    static struct jwks_set set = { .n = 2 };
    struct jwks_state about = { .health = JWKS_STALE, .fetched = 1000, .failures = 3 };

    set.keys[0] = (struct jwks_key){ .since = 900,
                                     .algorithms = 1U << CONF_PS256 | 1U << CONF_ES512,
                                     .has_kid = true,
                                     .kid_n = 2,
                                     .kid = "k1" };
    set.keys[1] = (struct jwks_key){ .since = 800, .gone = 950, .algorithms = 1U << CONF_EDDSA };
    strcpy(about.error, "status 500");
    int row = jwks_claim(&f->heritage.jwks, 1, first.identity, 1);
    jwks_put(&f->heritage.jwks, 1, row, first.identity, &set);
    jwks_put_state(&f->heritage.jwks, 1, row, first.identity, &about);
    json_t *o = fixture_json(fixture_ask_for(f, "GET /jwks", ""));
    assert_int_equal(json_array_size(json_object_get(o, "issuers")), 2);
    const json_t *a = issuer(o, 0), *key = json_array_get(json_object_get(a, "keys"), 0);
    assert_string_equal(text(a, "uri"), "https://a/k?x=1");
    assert_string_equal(text(a, "state"), "stale");
    assert_string_equal(text(a, "error"), "status 500");
    assert_int_equal(json_integer_value(json_object_get(a, "valid")), 1);
    assert_int_equal(json_integer_value(json_object_get(a, "in_grace")), 1);
    assert_int_equal(json_integer_value(json_object_get(a, "failures")), 3);
    assert_string_equal(text(key, "kid"), "k1");
    assert_int_equal(json_integer_value(json_object_get(key, "since")), 900);
    assert_true(json_is_null(json_object_get(key, "gone")));
    const json_t *algorithms = json_object_get(key, "algorithms");
    assert_int_equal(json_array_size(algorithms), 2);
    assert_string_equal(json_string_value(json_array_get(algorithms, 0)), "ES512");
    assert_string_equal(json_string_value(json_array_get(algorithms, 1)), "PS256");
    assert_string_equal(text(issuer(o, 1), "state"), "none");
    assert_true(json_is_null(json_object_get(issuer(o, 1), "fetched")));
    json_decref(o);
}

static void one_of_them(void **state)
{
    struct fixture *f = *state;
    json_t *o = fixture_json(fixture_ask_for(f, "GET /jwks?uri=http%3A%2F%2Fb%2Fk", ""));

    assert_int_equal(json_array_size(json_object_get(o, "issuers")), 1);
    assert_string_equal(text(issuer(o, 0), "uri"), "http://b/k");
    json_decref(o);
    assert_int_equal(status_of(f, "GET /jwks?uri=x"), 404);
}

static void a_fetch_is_asked_for_in_the_record(void **state)
{
    struct fixture *f = *state;
    int a = jwks_claim(&f->heritage.jwks, 1, first.identity, 1);
    int b = jwks_claim(&f->heritage.jwks, 1, second.identity, 1);

    assert_int_equal(status_of(f, "POST /jwks/refresh?uri=http%3A%2F%2Fb%2Fk"), 202);
    assert_true(jwks_wished(&f->heritage.jwks, b) && !jwks_wished(&f->heritage.jwks, a));
    assert_int_equal(status_of(f, "POST /jwks/refresh"), 202);
    assert_true(jwks_wished(&f->heritage.jwks, a));
    assert_int_equal(status_of(f, "POST /jwks/refresh?uri=x"), 404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(one_of_them, setup, teardown),
        cmocka_unit_test_setup_teardown(a_fetch_is_asked_for_in_the_record, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
