/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of proxy-cache: Kong's defaults, the forms that a worker compares, the dictionary. */
#include "conf/plugins/plugin_proxy_cache.h"
#include "tests/unit/conf/loading.h"

static void test_defaults(void **state)
{
    (void)state;
    const struct conf *conf = loaded("plugins = ( { name = \"proxy-cache\"; } );");
    const struct conf_proxy_cache *c = conf->plugins[0].config;
    static const int codes[] = { 200, 301, 404 };
    assert_string_equal(c->dictionary_name.s, "gateway_cache");
    assert_int_equal(c->dict, 0);
    assert_int_equal(c->response_code.n, 3);
    assert_memory_equal(c->response_code.v, codes, sizeof codes);
    assert_int_equal(c->request_method.n, 2);
    assert_int_equal(c->content_type_n, 2);
    assert_string_equal(c->content_type[1].subtype.s, "json");
    assert_int_equal(c->vary_headers.n + c->vary_query_params.n, 0);
    assert_int_equal(c->cache_ttl, 300);
    assert_int_equal(c->storage_ttl, 0);
    assert_false(c->cache_control || c->ignore_uri_case || c->store_set_cookie);
    assert_true(c->header_age && c->header_status && c->header_key && c->header_cache_status);
    assert_int_equal(c->serve_stale, CONF_STALE_ERROR | CONF_STALE_TIMEOUT);
    assert_int_equal(c->status_ttl_n + c->bypass.headers.n + c->no_store.query.n, 0);
    assert_int_equal(c->min_uses, 1);
    assert_int_equal(c->lock_timeout, 5000);
    assert_int_equal(c->max_object_size, 0);
    conf_free(&conf);
}

static void test_values(void **state)
{
    (void)state;
    const struct conf *conf = loaded(
        "shared_dicts = ( { name = \"a\"; size = \"1m\"; }, { name = \"b\"; size = \"1m\"; } ); "
        "plugins = ( { name = \"proxy-cache\"; config = { strategy = \"memory\";\n"
        "memory = { dictionary_name = \"b\"; }; response_code = [ 203 ]; request_method = [ "
        "\"POST\" ]; content_type = [ \"Text/HTML; Q=1; Charset=\\\"UTF-8\\\"\", \"*/*\" ];\n"
        "vary_headers = [ \"Z-A\", \"accept\", \"B\" ]; vary_query_params = [ \"z\", \"A\" ]; "
        "cache_ttl = 1; cache_control = true; storage_ttl = 9; ignore_uri_case = true;\n"
        "store_set_cookie = true; response_headers = { age = false; X-Cache-Key = false; }; }; } "
        ");");
    const struct conf_proxy_cache *c = conf->plugins[0].config;
    assert_int_equal(c->dict, 1);
    assert_string_equal(c->request_method.v[0].s, "POST");
    assert_string_equal(c->content_type[0].type.s, "text");
    assert_string_equal(c->content_type[0].parameters.s, "charset=utf-8;q=1");
    assert_string_equal(c->content_type[1].type.s, "*");
    assert_string_equal(c->vary_headers.v[0].s, "accept");
    assert_string_equal(c->vary_headers.v[1].s, "b");
    assert_string_equal(c->vary_headers.v[2].s, "z-a");
    assert_string_equal(c->vary_query_params.v[0].s, "A");
    assert_true(c->cache_control && c->ignore_uri_case && c->store_set_cookie && c->header_status);
    assert_false(c->header_age || c->header_key);
    assert_int_equal(c->storage_ttl, 9);
    char *text = printed(conf);
    conf_free(&conf);
    conf = loaded(text);
    char *again = printed(conf);
    assert_string_equal(text, again);
    conf_free(&conf);
    free(text);
    free(again);
}

static void test_conditions_and_limits(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("plugins = ( { name = \"proxy-cache\"; config = { response_code = [ ]; "
               "content_type = [ ]; cache_ttl = 0; cache_ttl_by_status = [ \"404=10\", \"5xx=1\" "
               "]; serve_stale = [ \"updating\", \"http_503\" ]; min_uses = 3; max_object_size = "
               "\"2m\"; lock_timeout = 0; bypass = { headers = [ \"X-A\", \"X-B=1\" ]; }; no_store "
               "= { query = [ "
               "\"q\" ]; }; }; } );");
    const struct conf_proxy_cache *c = conf->plugins[0].config;
    assert_int_equal(c->response_code.n + c->content_type_n, 0);
    assert_int_equal(c->status_ttl_n, 2);
    assert_int_equal(c->status_ttl[0].first, 404);
    assert_int_equal(c->status_ttl[0].last, 404);
    assert_int_equal(c->status_ttl[0].ttl, 10);
    assert_int_equal(c->status_ttl[1].first, 500);
    assert_int_equal(c->status_ttl[1].last, 599);
    assert_int_equal(c->serve_stale, CONF_STALE_UPDATING | CONF_STALE_503);
    assert_int_equal(c->min_uses, 3);
    assert_int_equal(c->lock_timeout, 0);
    assert_int_equal(c->max_object_size, 2 << 20);
    assert_string_equal(c->bypass.headers.v[1].s, "X-B=1");
    assert_string_equal(c->no_store.query.v[0].s, "q");
    conf_free(&conf);
    refused(
        "plugins = ( { name = \"proxy-cache\"; config = { cache_ttl_by_status = [ \"404\", "
        "\"4x4=1\" ]; min_uses = 0; }; } );",
        "t.conf:1: plugins[0].config.cache_ttl_by_status: \"404\" is not a status and seconds "
        "like \"404=10\" or \"5xx=1\"\n"
        "t.conf:1: plugins[0].config.cache_ttl_by_status: \"4x4=1\" is not a status and seconds "
        "like \"404=10\" or \"5xx=1\"\n"
        "t.conf:1: plugins[0].config.min_uses: 0 is out of range, 1 to 1000000\n");
}

static void test_refused(void **state)
{
    (void)state;
    refused(
        "shared_dicts = ( { name = \"cache\"; size = \"1m\"; } );\nplugins = ( { name = "
        "\"proxy-cache\"; config = { strategy = \"redis\"; response_code = [ 99 ]; "
        "request_method = [ \"DELETE\" ];\n"
        "content_type = [ \"text\" ]; vary_headers = [ \"a b\", \"X\", \"x\" ]; cache_ttl = -1; "
        "response_headers = { X-Cache-Stat = true; };\nmemory = { dictionary_name = \"cach\"; "
        "}; }; } );",
        "t.conf:2: plugins[0].config.strategy: \"redis\" is not one of: memory\n"
        "t.conf:2: plugins[0].config.response_code: 99 is out of range, 100 to 999\n"
        "t.conf:2: plugins[0].config.request_method: \"DELETE\" is not one of: GET, HEAD, "
        "POST, PUT, PATCH\n"
        "t.conf:3: plugins[0].config.content_type: \"text\" is not a media type like "
        "\"text/html\" or \"application/json; charset=utf-8\"\n"
        "t.conf:3: plugins[0].config.vary_headers: \"a b\" is not a header's name\n"
        "t.conf:3: plugins[0].config.vary_headers: \"x\" is listed twice\n"
        "t.conf:3: plugins[0].config.cache_ttl: -1 is out of range, 0 to 2147483647\n"
        "t.conf:3: plugins[0].config.response_headers.X-Cache-Stat: unknown key; the nearest "
        "known one is \"X-Cache-Status\"\n"
        "t.conf:4: plugins[0].config.memory.dictionary_name: \"cach\" is not declared in "
        "shared_dicts; the nearest name is \"cache\"\n");
    refused("shared_dicts = ( );\nplugins = ( { name = \"proxy-cache\"; } );",
            "t.conf:2: plugins[0].dictionary_name: \"gateway_cache\" is not declared in "
            "shared_dicts\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_defaults),
                                        cmocka_unit_test(test_values),
                                        cmocka_unit_test(test_conditions_and_limits),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
