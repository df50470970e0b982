/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of cors. */
#include "conf/plugins/plugin_cors.h"
#include "tests/unit/conf/loading.h"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("consumers = ( { username = \"c\"; } );"
               "plugins = ( { name = \"cors\"; }, { name = \"cors\"; consumer = \"c\"; config = { "
               "origins = [ \"https://a.example\", \"b.example\", \".*\\\\.c\\\\.example\" ]; "
               "methods = [ \"GET\", \"PURGE\" ]; headers = [ \"X-A\", "
               "\"X-B\" ]; exposed_headers = [ \"X-C\" ]; max_age = 60; }; } );");
    const struct conf_cors *c = conf->plugins[0].config;
    assert_int_equal(conf->plugins[0].priority, 2000);
    assert_true(c->any_origin && c->allow_origin_absent);
    assert_false(c->credentials || c->private_network || c->preflight_continue);
    assert_int_equal(c->max_age, -1);
    assert_string_equal(c->methods.s, "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT");
    assert_string_equal(c->headers.s, "");
    c = conf->plugins[1].config;
    assert_false(c->any_origin);
    assert_int_equal(c->origins_n, 3);
    assert_true(!c->origins[0].regex && !c->origins[0].by_host);
    assert_true(!c->origins[1].regex && c->origins[1].by_host);
    assert_true(c->origins[2].regex && c->origins[2].by_host);
    assert_string_equal(c->methods.s, "GET,PURGE");
    assert_string_equal(c->headers.s, "X-A,X-B");
    assert_string_equal(c->exposed_headers.s, "X-C");
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"cors\"; config = { origins = [ \"https://(\" ]; methods = [ ]; "
            "headers = [ \"a b\" ]; }; } );",
            "t.conf:1: plugins[0].config.methods: must not be empty\n"
            "t.conf:1: plugins[0].config.headers: \"a b\" is not a header's name\n"
            "t.conf:1: plugins[0].config.origins: \"https://(\" is not a valid pattern: missing "
            "closing parenthesis at offset 9\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
