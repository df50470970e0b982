/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of response-transformer. */
#include "conf/plugins/plugin_response_transformer.h"
#include "tests/unit/conf/loading.h"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf = loaded("plugins = ( { name = \"response-transformer\"; config = { "
                                     "remove = { headers = [ \"Server\" ]; }; append = { headers = "
                                     "[ \"Set-Cookie: a=$(b); Path=/\" ]; }; }; } );");
    const struct conf_response_transformer *c = conf->plugins[0].config;
    assert_int_equal(conf->plugins[0].priority, 800);
    assert_string_equal(c->headers.kinds[CONF_CHANGE_REMOVE].v[0].name.s, "Server");
    assert_string_equal(c->headers.kinds[CONF_CHANGE_APPEND].v[0].name.s, "Set-Cookie");
    assert_string_equal(c->headers.kinds[CONF_CHANGE_APPEND].v[0].to.s, "a=$(b); Path=/");
    assert_int_equal(c->headers.kinds[CONF_CHANGE_ADD].n, 0);
    conf_free(&conf);
}

static void test_json(void **state)
{
    (void)state;
    const struct conf *conf = loaded(
        "plugins = ( { name = \"response-transformer\"; config = { remove = { json = [ \"a\" ]; }; "
        "add = { json = [ \"b:1\", \"c:$(x)\" ]; json_types = [ \"number\" ]; }; "
        "allow = { json = [ \"b\" ]; }; max_body_size = \"2k\"; }; } );");
    const struct conf_response_transformer *c = conf->plugins[0].config;
    assert_int_equal(c->json.n, 4);
    assert_int_equal(c->json.max_size, 2048);
    assert_true(c->json.dots_in_keys);
    assert_int_equal(c->json.changes.kinds[CONF_CHANGE_ADD].v[0].type, CONF_JSON_NUMBER);
    assert_string_equal(c->json.changes.kinds[CONF_CHANGE_ADD].v[1].to.s, "$(x)");
    assert_null(c->json.changes.kinds[CONF_CHANGE_ADD].v[1].value);
    assert_string_equal(c->json.changes.kinds[CONF_CHANGE_ALLOW].v[0].name.s, "b");
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"response-transformer\"; config = { remove = { headers = [ "
            "\"Transfer-Encoding\" ]; json = [ \"a:b\" ]; };\n"
            "add = { headers = [ \"a\", \"b:\\n\" ]; }; }; } );\n",
            "t.conf:1: plugins[0].config.remove.headers: \"Transfer-Encoding\" is the gateway's "
            "own business\n"
            "t.conf:1: plugins[0].config.remove.json: \"a:b\" is not a name\n"
            "t.conf:2: plugins[0].config.add.headers: \"a\" is not \"name:value\"\n"
            "t.conf:2: plugins[0].config.add.headers: \"b:\\x0a\" contains a control character\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused),
                                        cmocka_unit_test(test_json) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
