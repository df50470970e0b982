/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of response-transformer. */
#include "conf/plugin_response_transformer.h"
#include "loading.h"

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

static void test_refused(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"response-transformer\"; config = { remove = { headers = [ "
            "\"Transfer-Encoding\" ]; json = [ \"a\" ]; };\n"
            "add = { headers = [ \"a\", \"b:\\n\" ]; }; }; } );\n",
            "t.conf:1: plugins[0].config.remove.headers: \"Transfer-Encoding\" is the gateway's "
            "own business\n"
            "t.conf:1: plugins[0].config: no JSON can be changed: the body is streamed, not read\n"
            "t.conf:2: plugins[0].config.add.headers: \"a\" is not \"name:value\"\n"
            "t.conf:2: plugins[0].config.add.headers: \"b:\\x0a\" contains a control character\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
