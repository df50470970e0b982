/* SPDX-License-Identifier: Apache-2.0 */
/* Purging over the API: by everything that can be named, softly, dry; what says nothing purges
 * nothing. */
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

static int status_of(struct fixture *f, const char *line, const char *body)
{
    char *answer = fixture_ask_for(f, line, body);
    int status = fixture_status(answer);

    free(answer);
    return status;
}

static json_int_t objects(struct fixture *f)
{
    json_t *o = fixture_json(fixture_ask_for(f, "POST /purge", "{\"all\":true,\"dry_run\":true}"));
    json_int_t n = json_integer_value(json_object_get(o, "objects"));

    json_decref(o);
    return n;
}

/* One number of the reply to a purge; -1: it is no number there. */
static json_int_t told(struct fixture *f, const char *body, const char *name)
{
    json_t *o = fixture_json(fixture_ask_for(f, "POST /purge", body));
    const json_t *n = json_object_get(o, name);
    json_int_t result = json_is_integer(n) ? json_integer_value(n) : -1;

    json_decref(o);
    return result;
}

/* Two objects, of which a purge by this reaches the first alone. */
static void reaches_one(struct fixture *f, const char *what)
{
    char body[256];
    uint8_t id[2][CACHE_ID_SIZE];

    assert_int_equal(status_of(f, "DELETE /proxy-cache", ""), 204);
    assert_true(fixture_store(f, "h.example", "/a/b", "x=1", id[0]));
    assert_true(fixture_store(f, "other.example", "/other", NULL, id[1]));
    snprintf(body, sizeof body, "{%s,\"dry_run\":true}", what);
    assert_int_equal(told(f, body, "objects"), 1);
    assert_int_equal(objects(f), 2);
    snprintf(body, sizeof body, "{%s}", what);
    json_t *o = fixture_json(fixture_ask_for(f, "POST /purge", body));
    assert_true(json_is_real(json_object_get(o, "us")) && json_is_string(json_object_get(o, "by")));
    assert_true(json_is_null(json_object_get(o, "purged")));
    json_decref(o);
    assert_int_equal(objects(f), 1);
}

static void test_by_everything(void **state)
{
    reaches_one(*state, "\"url\":\"https://H.example:8443/x/../a/b?x=1#top\"");
    reaches_one(*state, "\"host\":\"H.Example:80\"");
    reaches_one(*state, "\"prefix\":\"/a\"");
    reaches_one(*state, "\"prefix\":\"/x/..//%61/\"");
    reaches_one(*state, "\"prefix\":\"h.example/\"");
    reaches_one(*state, "\"prefix\":\"https://H.example:8443/a/b?x\"");
}

static void test_what_all_have_in_common(void **state)
{
    static const char *const bodies[] = {
        "{\"tag\":\"blue\"}",       "{\"tag\":\"green,red\"}",
        "{\"route\":\"orders\"}",   "{\"route\":\"" FIXTURE_ROUTE_ID "\"}",
        "{\"service\":\"orders\"}", "{\"prefix\":\"/\"}",
    };
    uint8_t id[CACHE_ID_SIZE];

    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        assert_true(fixture_store(*state, "h.example", "/a", NULL, id));
        assert_true(fixture_store(*state, "h.example", "/b", NULL, id));
        assert_int_equal(status_of(*state, "POST /purge", bodies[i]), 200);
        assert_int_equal(objects(*state), 0);
    }
}

static void test_a_url_with_its_variants(void **state)
{
    struct cache_key_parts parts = { .route_id = SLICE(FIXTURE_ROUTE_ID),
                                     .method = SLICE("GET"),
                                     .host = SLICE("h.example"),
                                     .path = SLICE("/v"),
                                     .query = SLICE("a=1"),
                                     .vary_n = 1 };
    static const struct slice vary[] = { SLICE("gzip"), SLICE("br"), SLICE("") };
    uint8_t id[CACHE_ID_SIZE];

    for (size_t i = 0; i < 3; i++) {
        parts.vary[0] = vary[i];
        assert_true(fixture_store_as(*state, &parts, id));
    }
    parts.consumer_id = SLICE("alice");
    assert_true(fixture_store_as(*state, &parts, id));
    parts.query = SLICE("a=2");
    assert_true(fixture_store_as(*state, &parts, id));
    assert_int_equal(told(*state, "{\"url\":\"h.example/v?a=1\",\"dry_run\":true}", "objects"), 4);
    assert_int_equal(status_of(*state, "POST /purge", "{\"url\":\"h.example/v?a=1\"}"), 200);
    assert_int_equal(objects(*state), 1);
}

static bool is_soft(struct fixture *f, const uint8_t id[CACHE_ID_SIZE])
{
    struct cache_hit hit;

    assert_true(cache_find(f->filler, id, NULL, 0, FIXTURE_NOW, &hit));
    bool soft = hit.soft;
    cache_unpin(f->filler, &hit);
    return soft;
}

static void test_softly(void **state)
{
    static const char *const bodies[] = { "{\"prefix\":\"/a\",\"soft\":true}",
                                          "{\"all\":true,\"soft\":true}" };
    struct fixture *f = *state;
    uint8_t id[CACHE_ID_SIZE];
    char hex[40], body[96];

    purges_use(f->filler, labels_see);
    for (size_t i = 0; i < 2; i++) {
        assert_true(fixture_store(f, "h.example", "/a", NULL, id));
        assert_false(is_soft(f, id));
        assert_int_equal(status_of(f, "POST /purge", bodies[i]), 200);
        assert_true(is_soft(f, id));
    }
    assert_true(fixture_store(f, "h.example", "/a", NULL, id));
    fixture_hex(id, hex);
    snprintf(body, sizeof body, "{\"key\":\"%s\",\"soft\":true}", hex);
    assert_int_equal(told(f, body, "purged"), 1);
    assert_true(is_soft(f, id));
    snprintf(body, sizeof body, "{\"key\":\"%s\"}", hex);
    assert_int_equal(told(f, body, "purged"), 1);
    assert_int_equal(told(f, body, "purged"), 0);
}

/* A count is made in slices, one a call of control_http_run(): others are served in between. */
static void test_a_dry_run_in_slices(void **state)
{
    static const char request[] =
        "DELETE /proxy-cache?tag=red&dry_run=1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const struct api_caller caller = { .door = API_DOOR_CONTROL };
    struct fixture *f = *state;
    struct control_http *h = malloc(sizeof *h);
    uint8_t id[CACHE_ID_SIZE];
    size_t room;
    int slices = 0;

    assert_true(fixture_store(f, "h.example", "/a", NULL, id));
    control_http_init(h, &caller);
    memcpy(control_http_room(h, &room), request, sizeof request - 1);
    control_http_take(h, sizeof request - 1);
    control_http_run(h, &f->api);
    for (; h->state == CONTROL_HTTP_WORK; slices++)
        control_http_run(h, &f->api);
    assert_int_equal(h->state, CONTROL_HTTP_SEND);
    assert_non_null(strstr(h->reply.body, "\"objects\":1"));
    assert_true(slices >= 2);
    assert_int_equal(objects(f), 1);
    control_http_free(h);
    free(h);
}

static void test_in_the_query(void **state)
{
    struct fixture *f = *state;
    uint8_t id[CACHE_ID_SIZE];

    assert_true(fixture_store(f, "h.example", "/a", NULL, id));
    assert_int_equal(status_of(f, "DELETE /proxy-cache?tag=none", ""), 200);
    assert_int_equal(status_of(f, "DELETE /proxy-cache?tag=red&dry_run=1", ""), 200);
    assert_int_equal(status_of(f, "DELETE /proxy-cache?dict=gateway_cache&dry_run=1", ""), 200);
    assert_int_equal(status_of(f, "DELETE /proxy-cache/?soft=true", ""), 200);
    assert_int_equal(objects(f), 1);
    static const char *const wrong[] = { "tga=red", "tag=red&url=h/a", "tag=%zz", "soft=maybe",
                                         "key=12",  "route",           "all=0",   "all=false",
                                         "all=",    "all=no",          "dict=",   "tag=red&dict=" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char line[64];
        snprintf(line, sizeof line, "DELETE /proxy-cache?%s", wrong[i]);
        assert_in_range(status_of(f, line, ""), 400, 404);
    }
    assert_int_equal(objects(f), 1);
    assert_int_equal(status_of(f, "DELETE /proxy-cache?tag=red", ""), 200);
    assert_int_equal(objects(f), 0);
}

static void test_bodies_that_say_nothing(void **state)
{
    static const char *const bodies[] = { "",
                                          "x",
                                          "[]",
                                          "{}",
                                          "{\"url\":1}",
                                          "{\"all\":1}",
                                          "{\"all\":false}",
                                          "{\"soft\":true}",
                                          "{\"key\":\"12\"}",
                                          "{\"url\":\"\"}",
                                          "{\"url\":\"h/\",\"all\":true}",
                                          "{\"url\":\"h/%zz\"}",
                                          "{\"url\":\"u@h/\"}",
                                          "{\"tag\":\" \"}",
                                          "{\"prefix\":\"h.example\"}",
                                          "{\"prefix\":\"u@h/\"}",
                                          "{\"host\":\"\"}",
                                          "{\"tag\":\"a\",\"soft\":1}",
                                          "{\"tag\":\"a\",\"sotf\":true}",
                                          "{\"tag\":\"a\",\"dict\":7}" };
    static const char *const unknown[] = { "{\"route\":\"x\"}", "{\"service\":\"\"}",
                                           "{\"all\":true,\"dict\":\"x\"}",
                                           "{\"all\":true,\"dict\":\"\"}" };
    uint8_t id[CACHE_ID_SIZE];

    assert_true(fixture_store(*state, "h.example", "/a", NULL, id));
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        if (status_of(*state, "POST /purge", bodies[i]) != 400)
            fail_msg("%s", bodies[i]);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_int_equal(status_of(*state, "POST /purge", unknown[i]), 404);
    assert_int_equal(objects(*state), 1);
    assert_int_equal(told(*state, "{\"all\":true}", "purged"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_by_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_all_have_in_common, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_url_with_its_variants, setup, teardown),
        cmocka_unit_test_setup_teardown(test_softly, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_dry_run_in_slices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_the_query, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bodies_that_say_nothing, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
