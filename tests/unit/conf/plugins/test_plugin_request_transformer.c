/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of request-transformer. */
#include "conf/plugins/plugin_request_transformer.h"
#include "tests/unit/conf/loading.h"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf = loaded("plugins = ( { name = \"request-transformer\"; } );");
    const struct conf_request_transformer *c = conf->plugins[0].config;
    assert_int_equal(conf->plugins[0].priority, 801);
    assert_int_equal(c->http_method.n, 0);
    assert_null(c->uri);
    for (int kind = 0; kind < CONF_CHANGE_KINDS; kind++)
        assert_int_equal(c->headers.kinds[kind].n + c->querystring.kinds[kind].n, 0);
    conf_free(&conf);
    conf = loaded("plugins = ( { name = \"request-transformer\"; config = { http_method = "
                  "\"POST\"; remove = { headers = [ \"x-a\" ]; querystring = [ \"a\", \"b\" ]; }; "
                  "rename = { headers = [ \"a:b\" ]; }; replace = { uri = "
                  "\"/x/$(uri_captures.id)\"; headers = [ \"Host:a.example\" ]; }; add = { headers "
                  "= [ \"x-b: c:d\", \"x-c:\" ]; }; }; } );");
    c = conf->plugins[0].config;
    const struct conf_change *add = c->headers.kinds[CONF_CHANGE_ADD].v;
    assert_string_equal(c->http_method.s, "POST");
    assert_int_equal(c->uri->n, 2);
    assert_int_equal(c->querystring.kinds[CONF_CHANGE_REMOVE].n, 2);
    assert_string_equal(c->headers.kinds[CONF_CHANGE_RENAME].v[0].name.s, "a");
    assert_string_equal(c->headers.kinds[CONF_CHANGE_RENAME].v[0].to.s, "b");
    assert_string_equal(add[0].name.s, "x-b");
    assert_string_equal(add[0].value->pieces[0].text.s, "c:d");
    assert_int_equal(add[1].value->n, 0);
    assert_false(c->by_field);
    conf_free(&conf);
}

static void test_bodies(void **state)
{
    (void)state;
    const struct conf *conf = loaded("plugins = ( { name = \"request-transformer\"; } );");
    const struct conf_body_transform *b =
        &((const struct conf_request_transformer *)conf->plugins[0].config)->body;
    assert_int_equal(b->n, 0);
    assert_true(b->dots_in_keys);
    assert_int_equal(b->max_size, 1024 * 1024);
    conf_free(&conf);
    conf = loaded(
        "plugins = ( { name = \"request-transformer\"; config = { remove = { body = [ \"a b\" ]; "
        "}; "
        "rename = { body = [ \"a.b:c\" ]; }; add = { body = [ \"n:$(headers.x)\", \"m:2\", \"o:p\" "
        "]; json_types = [ \"number\", \"number\" ]; }; allow = { body = [ \"m\" ]; }; "
        "dots_in_keys = false; max_body_size = \"8k\"; }; } );");
    b = &((const struct conf_request_transformer *)conf->plugins[0].config)->body;
    const struct conf_change *add = b->changes.kinds[CONF_CHANGE_ADD].v;
    assert_int_equal(b->n, 6);
    assert_false(b->dots_in_keys);
    assert_int_equal(b->max_size, 8192);
    assert_string_equal(b->changes.kinds[CONF_CHANGE_REMOVE].v[0].name.s, "a b");
    assert_string_equal(b->changes.kinds[CONF_CHANGE_RENAME].v[0].to.s, "c");
    assert_string_equal(b->changes.kinds[CONF_CHANGE_ALLOW].v[0].name.s, "m");
    assert_int_equal(add[0].type, CONF_JSON_NUMBER);
    assert_int_equal(add[0].value->n, 1);
    assert_int_equal(add[1].type, CONF_JSON_NUMBER);
    assert_int_equal(add[2].type, CONF_JSON_STRING);
    conf_free(&conf);
}

static bool depends(const char *config)
{
    char text[512];
    snprintf(text, sizeof text,
             "plugins = ( { name = \"request-transformer\"; config = { %s }; } );", config);
    const struct conf *conf = loaded(text);
    bool by_field = ((const struct conf_request_transformer *)conf->plugins[0].config)->by_field;
    conf_free(&conf);
    return by_field;
}

static void test_what_the_cache_is_told(void **state)
{
    (void)state;
    assert_true(depends("replace = { uri = \"/$(headers.a)\"; };"));
    assert_false(depends("replace = { uri = \"/$(query_params.a)\"; };"));
    assert_true(depends("add = { querystring = [ \"a:$(headers.a)\" ]; };"));
    assert_false(depends("add = { headers = [ \"a:$(headers.a)\" ]; };"));
    assert_true(depends("replace = { headers = [ \"HOST:$(headers.a)\" ]; };"));
}

static void test_refused(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"request-transformer\"; config = { http_method = \"HEAD\";\n"
            "remove = { headers = [ \"content-length\", \"a b\" ]; };\n"
            "rename = { headers = [ \"a\", \"a:Connection\" ]; };\n"
            "replace = { uri = \"x\"; headers = [ \"a:$(env.x)\" ]; };\n"
            "add = { headers = [ \"Host:x\", \"a:b\\r\\nc\" ]; };\n"
            "append = { querystring = [ \"a\" ]; }; }; } );\n",
            "t.conf:1: plugins[0].config.http_method: \"HEAD\" is a method whose responses are "
            "framed otherwise\n"
            "t.conf:2: plugins[0].config.remove.headers: \"content-length\" is the gateway's own "
            "business\n"
            "t.conf:2: plugins[0].config.remove.headers: \"a b\" is not a header's name\n"
            "t.conf:3: plugins[0].config.rename.headers: \"a\" is not \"old:new\"\n"
            "t.conf:3: plugins[0].config.rename.headers: \"Connection\" is the gateway's own "
            "business\n"
            "t.conf:4: plugins[0].config.replace.uri: \"x\" does not begin with \"/\"\n"
            "t.conf:4: plugins[0].config.replace.headers: \"a:$(env.x)\" has a $( ) of something "
            "else than headers, query_params and uri_captures\n"
            "t.conf:5: plugins[0].config.add.headers: \"Host:x\" is the gateway's own business, "
            "but for replace\n"
            "t.conf:5: plugins[0].config.add.headers: \"a:b\\x0d\\x0ac\" contains a control "
            "character\n"
            "t.conf:6: plugins[0].config.append.querystring: \"a\" is not \"name:value\"\n");
}

static void test_refused_bodies(void **state)
{
    (void)state;
    refused(
        "plugins = ( { name = \"request-transformer\"; config = {\n"
        "remove = { body = [ \"\", \"a:b\", \"a..b\" ]; };\n"
        "rename = { body = [ \"a\", \"a:\" ]; };\n"
        "replace = { body = [ \"a:1\" ]; json_types = [ \"integer\" ]; };\n"
        "add = { body = [ \"a:01\", \"b:yes\" ]; json_types = [ \"number\", \"boolean\" ]; };\n"
        "append = { body = [ \"a:b\" ]; json_types = [ \"string\", \"number\" ]; };\n"
        "dots_in_keys = false; max_body_size = 0; }; } );\n",
        "t.conf:2: plugins[0].config.remove.body: must not be empty\n"
        "t.conf:2: plugins[0].config.remove.body: \"a:b\" is not a name\n"
        "t.conf:2: plugins[0].config.remove.body: \"a..b\" has a part without a name between its "
        "dots\n"
        "t.conf:3: plugins[0].config.rename.body: \"a\" is not \"old:new\"\n"
        "t.conf:3: plugins[0].config.rename.body: \"a:\" has no name\n"
        "t.conf:4: plugins[0].config.replace.json_types: \"integer\" is not one of string, "
        "number, boolean\n"
        "t.conf:5: plugins[0].config.add.body: \"01\" is not a number\n"
        "t.conf:5: plugins[0].config.add.body: \"yes\" is neither true nor false\n"
        "t.conf:6: plugins[0].config.append.json_types: has more elements than body\n"
        "t.conf:7: plugins[0].config.max_body_size: 0 bytes is out of range, 1 to 64m\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_what_the_cache_is_told),
                                        cmocka_unit_test(test_refused),
                                        cmocka_unit_test(test_bodies),
                                        cmocka_unit_test(test_refused_bodies) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
