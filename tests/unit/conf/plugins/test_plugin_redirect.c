/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of redirect. */
#include "conf/plugins/plugin_redirect.h"
#include "tests/unit/conf/loading.h"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf = loaded("plugins = ( { name = \"redirect\"; config = { location = "
                                     "\"https://new.example:8443/x?y\"; }; } );");
    const struct conf_redirect *c = conf->plugins[0].config;
    assert_int_equal(conf->plugins[0].priority, 779);
    assert_int_equal(c->status_code, 301);
    assert_int_equal(c->origin.n, strlen("https://new.example:8443"));
    assert_false(c->keep_incoming_path);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused(
        "plugins = ( { name = \"redirect\"; },\n"
        "{ name = \"redirect\"; protocols = [ \"http\" ]; config = { location = \"/x\"; "
        "status_code = 200; }; },\n"
        "{ name = \"redirect\"; protocols = [ \"https\" ]; config = { location = "
        "\"http://a/\\r\\nX: y\"; }; } );",
        "t.conf:1: plugins[0].config.location: is missing\n"
        "t.conf:2: plugins[1].config.status_code: 200 is out of range, 300 to 399\n"
        "t.conf:2: plugins[1].config.location: \"/x\" is not a URL with http:// or https://\n"
        "t.conf:2: plugins[1]: redirect is configured for the same scope at t.conf:1 already\n"
        "t.conf:3: plugins[2].config.location: \"http://a/\\x0d\\x0aX: y\" is not a URL with "
        "http:// or https://\n"
        "t.conf:3: plugins[2]: redirect is configured for the same scope at t.conf:1 already\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
