/* SPDX-License-Identifier: Apache-2.0 */
/* GET /cache/keys: every filter, every order, the limit, and that others get their turn. */
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

/* Object number i has i bytes, is i seconds old and was asked for i times. */
static void store(struct fixture *f, int i, const char *host, const char *path, int status,
                  const char *tags)
{
    struct cache_key_parts parts = { .route_id = SLICE(FIXTURE_ROUTE_ID),
                                     .method = SLICE("GET"),
                                     .host = { host, strlen(host) },
                                     .path = { path, strlen(path) } };
    const struct cache_meta meta = { .stored = FIXTURE_NOW - i,
                                     .keep_until = FIXTURE_NOW + 1000,
                                     .fresh_for = 300,
                                     .status = (uint16_t)status };
    static const char body[64];
    uint8_t id[CACHE_ID_SIZE];
    char key[512], head[128];
    struct cache_hit hit;
    ptrdiff_t n = cache_key_write(&parts, key, sizeof key);
    int head_n = snprintf(head, sizeof head, "Cache-Tag: %s\r\n", tags);

    cache_id(f->filler, key, (size_t)n, id);
    struct cache_fill *fill =
        cache_fill_begin(f->filler, id, key, (size_t)n, &meta, head, (size_t)head_n, (size_t)i);
    assert_non_null(fill);
    assert_true(cache_fill_append(fill, body, (size_t)i) && cache_fill_commit(&fill));
    for (int k = 0; k < i; k++) {
        assert_true(cache_find(f->filler, id, key, (size_t)n, FIXTURE_NOW, &hit));
        cache_unpin(f->filler, &hit);
    }
}

static void fill(struct fixture *f)
{
    store(f, 3, "a.example", "/shop/1", 200, "red, blue");
    store(f, 1, "a.example", "/shop/2", 200, "red");
    store(f, 4, "b.example", "/shop/3", 404, "green");
    store(f, 2, "b.example", "/news", 301, "blue");
}

/* The sizes of what is listed, one digit each. */
static const char *sizes(struct fixture *f, const char *query)
{
    static char text[64];
    char line[512];
    size_t i;

    snprintf(line, sizeof line, "GET /cache/keys%s", query);
    json_t *o = fixture_json(fixture_ask_for(f, line, ""));
    const json_t *keys = json_object_get(o, "keys");
    assert_true(json_is_array(keys));
    for (i = 0; i < json_array_size(keys) && i < sizeof text - 1; i++)
        text[i] =
            (char)('0' + json_integer_value(json_object_get(json_array_get(keys, i), "size")));
    text[i] = '\0';
    json_decref(o);
    return text;
}

static void test_orders(void **state)
{
    fill(*state);
    assert_string_equal(sizes(*state, "?sort=size"), "4321");
    assert_string_equal(sizes(*state, "?sort=hits"), "4321");
    assert_string_equal(sizes(*state, "?sort=age"), "4321");
    assert_string_equal(sizes(*state, "?sort=hits&limit=2"), "43");
    assert_int_equal(strlen(sizes(*state, "")), 4);
    assert_int_equal(strlen(sizes(*state, "?limit=3")), 3);
}

static void test_filters(void **state)
{
    fill(*state);
    assert_string_equal(sizes(*state, "?sort=size&tag=red"), "31");
    assert_string_equal(sizes(*state, "?sort=size&tag=green,blue"), "432");
    assert_string_equal(sizes(*state, "?sort=size&tag=none"), "");
    assert_string_equal(sizes(*state, "?sort=size&host=A.example"), "31");
    assert_string_equal(sizes(*state, "?sort=size&prefix=/shop/"), "431");
    assert_string_equal(sizes(*state, "?sort=size&prefix=b.example/shop"), "4");
    assert_string_equal(sizes(*state, "?sort=size&status=200"), "31");
    assert_string_equal(sizes(*state, "?sort=size&status=4xx"), "4");
    assert_string_equal(sizes(*state, "?sort=size&status=3xx&tag=blue"), "2");
    assert_string_equal(sizes(*state, "?url=http://a.example/shop/2"), "1");
    assert_string_equal(sizes(*state, "?sort=size&method=HEAD&limit=1"), "4");
    assert_string_equal(sizes(*state, "?method=POST"), "");
    assert_string_equal(sizes(*state, "?dict=other"), "");
    assert_string_equal(sizes(*state, "?dict=gateway_cache&sort=age"), "4321");
}

static void expect_400(struct fixture *f, const char *query)
{
    static char line[9100];

    snprintf(line, sizeof line, "GET /cache/keys?%s", query);
    char *answer = fixture_ask_for(f, line, "");
    if (fixture_status(answer) != 400)
        fail_msg("%.64s: %s", query, answer);
    free(answer);
}

static void test_what_is_refused(void **state)
{
    static const char *const queries[] = { "limit=0",
                                           "limit=x",
                                           "sort=name",
                                           "status=20",
                                           "status=4xy",
                                           "prefix=noslash",
                                           "status=0xx",
                                           "prefix=http://h/",
                                           "url=/no-host",
                                           "tag=a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,"
                                           "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a" };
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        expect_400(*state, queries[i]);
}

/* What is too long to be read is not taken for what is not there: that would list everything. */
static void test_what_is_too_long(void **state)
{
    static const struct {
        const char *name;
        int n;
    } parameters[] = {
        { "method", 32 }, { "host", 256 }, { "dict", 256 }, { "details", 8 }, { "sort", 16 }
    };
    static char query[9000];

    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        int n = snprintf(query, sizeof query, "%s=", parameters[i].name);
        memset(query + n, '1', (size_t)parameters[i].n);
        query[n + parameters[i].n] = '\0';
        expect_400(*state, query);
    }
    expect_400(*state, "details=maybe");
    expect_400(*state, "method=%zz");
}

/* The heap keeps the heaviest of many, whatever their order. */
static void test_many(void **state)
{
    struct fixture *f = *state;
    char path[32];

    for (int i = 0; i < 600; i++) {
        snprintf(path, sizeof path, "/%d", i);
        store(f, i * 7 % 10, "h.example", path, 200, "x");
    }
    assert_string_equal(sizes(f, "?sort=size&limit=30"), "999999999999999999999999999999");
    assert_int_equal(strlen(sizes(f, "?sort=size&limit=50")), 50);
}

/* How many calls of control_http_run() it takes: another conversation is served in between. */
static int slices_of(struct fixture *f)
{
    static const char request[] =
        "GET /cache/keys?limit=1000&details=true HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const struct api_caller caller = { .door = API_DOOR_CONTROL };
    struct control_http *h = malloc(sizeof *h);
    size_t room;
    int slices = 0;

    control_http_init(h, &caller);
    memcpy(control_http_room(h, &room), request, sizeof request - 1);
    control_http_take(h, sizeof request - 1);
    control_http_run(h, &f->api);
    for (; h->state == CONTROL_HTTP_WORK; slices++)
        control_http_run(h, &f->api);
    assert_int_equal(h->state, CONTROL_HTTP_SEND);
    control_http_free(h);
    free(h);
    return slices;
}

/* The walk comes in slices, and what is found is written in slices as well. */
static void test_slices(void **state)
{
    struct fixture *f = *state;
    char path[32];

    int empty = slices_of(f);
    assert_true(empty >= 2);
    for (int i = 0; i < 320; i++) {
        snprintf(path, sizeof path, "/%d", i);
        store(f, 1, "h.example", path, 200, "x");
    }
    assert_true(slices_of(f) >= empty + 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_orders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_filters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slices, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
