/* SPDX-License-Identifier: Apache-2.0 */
/* Stored objects by URL and id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/control/api_object.h"
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

static void assert_url(const char *text, const char *host, const char *path, const char *query)
{
    struct api_object_url url;

    assert_true(api_object_url(slice_of(text, strlen(text)), &url));
    assert_true(slice_equal(url.host, slice_of(host, strlen(host))));
    assert_true(slice_equal(url.path, slice_of(path, strlen(path))));
    assert_int_equal(url.query.p == NULL, query == NULL);
    if (query != NULL)
        assert_true(slice_equal(url.query, slice_of(query, strlen(query))));
}

static void test_urls(void **state)
{
    (void)state;
    assert_url("http://h.example/a", "h.example", "/a", NULL);
    assert_url("HTTPS://H.Example:8443/a/../b//c?x=%41#top", "h.example", "/b/c", "x=%41");
    assert_url("h.example", "h.example", "/", NULL);
    assert_url("h.example?x", "h.example", "/", "x");
    assert_url("http://h.example#x?y/z", "h.example", "/", NULL);
    assert_url("h/a?", "h", "/a", "");
}

static void assert_prefix(const char *text, const char *wanted)
{
    char out[64];
    size_t n = api_object_prefix(slice_of(text, strlen(text)), out, sizeof out);

    assert_int_equal(n, strlen(wanted));
    assert_memory_equal(out, wanted, n);
}

static void test_prefixes(void **state)
{
    (void)state;
    assert_prefix("/a", "/a");
    assert_prefix("/", "/");
    assert_prefix("/b/../a//c/", "/a/c/");
    assert_prefix("/%7eme/caf\xc3\xa9", "/~me/caf%C3%A9");
    assert_prefix("/%7eme?q=%7e", "/~me?q=%7e");
    /* the begin of "%2F", of ".well-known", of "..." */
    assert_prefix("/a%2", "/a%2");
    assert_prefix("/a/.", "/a/.");
    assert_prefix("/a/..", "/a/..");
    assert_prefix("/a/..?x", "/?x");
}

static void test_what_is_no_url(void **state)
{
    static const char *const texts[] = { "",      "http://",   "/a",    "http:///a", "?x",
                                         "u@h/a", "h:99999/a", "h/%zz", "h a/b" };
    struct api_object_url url;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (api_object_url(slice_of(texts[i], strlen(texts[i])), &url))
            fail_msg("taken for a URL: %s", texts[i]);
}

static void test_a_url_too_long(void **state)
{
    static char text[2 * API_OBJECT_URL_MAX];
    struct api_object_url url;

    (void)state;
    memset(text, 'a', sizeof text);
    assert_false(api_object_url(slice_of(text, 300), &url));
    text[1] = '/';
    assert_true(api_object_url(slice_of(text, API_OBJECT_URL_MAX - 100), &url));
    assert_false(api_object_url(slice_of(text, sizeof text), &url));
}

static void test_ids(void **state)
{
    uint8_t id[CACHE_ID_SIZE];

    (void)state;
    assert_true(api_object_id(SLICE("00112233-4455-6677-8899-AaBbCcDdEeFf"), id));
    assert_int_equal(id[1], 0x11);
    assert_int_equal(id[15], 0xff);
    assert_false(api_object_id(SLICE(""), id));
    assert_false(api_object_id(SLICE("00112233445566778899aabbccddeef"), id));
    assert_false(api_object_id(SLICE("00112233445566778899aabbccddeeff0"), id));
    assert_false(api_object_id(SLICE("g0112233445566778899aabbccddeeff"), id));
}

/* Neither its key nor its head has the form that the gateway writes. */
static void test_an_object_of_strange_bytes(void **state)
{
    struct fixture *f = *state;
    const struct cache_meta meta = { .stored = FIXTURE_NOW,
                                     .keep_until = FIXTURE_NOW + 9,
                                     .status = 200 };
    static const char key[] = "\xff\x01\0key", head[] = "no colon\r\n: empty\r\nA:\r\nB: \xfe\r\nC";
    struct cache_hit hit;
    const uint8_t id[CACHE_ID_SIZE] = { 0xab };
    struct api_object_url url;
    struct cache_fill *fill =
        cache_fill_begin(f->filler, id, key, sizeof key - 1, &meta, head, sizeof head - 1, 0);

    assert_non_null(fill);
    assert_true(cache_fill_commit(&fill));
    assert_true(cache_find(f->api.caches[0], id, NULL, 0, FIXTURE_NOW, &hit));
    json_t *o = api_object_json(&f->api, 0, id, &hit, true);
    const json_t *headers = json_object_get(o, "headers");
    assert_string_equal(json_string_value(json_object_get(o, "key")),
                        "ab000000000000000000000000000000");
    assert_null(json_object_get(o, "method"));
    assert_int_equal(json_object_size(headers), 2);
    assert_string_equal(json_string_value(json_object_get(headers, "A")), "");
    assert_string_equal(json_string_value(json_object_get(headers, "B")), "\xef\xbf\xbd");
    char *text = json_dumps(o, 0);
    assert_non_null(text);
    free(text);
    json_decref(o);
    assert_true(api_object_url(SLICE("h/a"), &url));
    assert_false(api_object_is_at(&hit, &url));
    cache_unpin(f->api.caches[0], &hit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_what_is_no_url),
        cmocka_unit_test(test_a_url_too_long),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_an_object_of_strange_bytes),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
