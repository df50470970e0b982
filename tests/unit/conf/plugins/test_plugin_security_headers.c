/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of security-headers. */
#include "conf/plugins/plugin_security_headers.h"
#include "tests/unit/conf/loading.h"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("consumers = ( { username = \"c\"; } );"
               "plugins = ( { name = \"security-headers\"; }, { name = \"security-headers\"; "
               "consumer = \"c\"; "
               "config = { hsts_max_age = 60; hsts_include_subdomains = true; hsts_preload = true; "
               "frame_options = \"\"; }; } );");
    const struct conf_security_headers *c = conf->plugins[0].config;
    assert_string_equal(c->hsts.s, "max-age=31536000");
    assert_true(c->content_type_nosniff);
    assert_string_equal(c->frame_options.s, "SAMEORIGIN");
    assert_string_equal(c->referrer_policy.s, "strict-origin-when-cross-origin");
    assert_int_equal(c->content_security_policy.n + c->permissions_policy.n, 0);
    c = conf->plugins[1].config;
    assert_string_equal(c->hsts.s, "max-age=60; includeSubDomains; preload");
    assert_string_equal(c->frame_options.s, "");
    conf_free(&conf);
    conf =
        loaded("plugins = ( { name = \"security-headers\"; config = { hsts_max_age = 0; }; } );");
    c = conf->plugins[0].config;
    assert_int_equal(c->hsts.n, 0);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"security-headers\"; config = { frame_options = \"ALLOW\"; "
            "content_security_policy = \"a\\nb\"; }; } );",
            "t.conf:1: plugins[0].config.frame_options: \"ALLOW\" is not DENY or SAMEORIGIN\n"
            "t.conf:1: plugins[0].config.content_security_policy: \"a\\x0ab\" contains a control "
            "character\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
