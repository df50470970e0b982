/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of ip-restriction. */
#include "conf/plugins/plugin_ip_restriction.h"
#include "tests/unit/conf/loading.h"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("plugins = ( { name = \"ip-restriction\"; config = { deny = [ \"::1\" ]; }; } );");
    const struct conf_ip_restriction *c = conf->plugins[0].config;
    assert_int_equal(conf->plugins[0].priority, 3000);
    assert_int_equal(c->status, 403);
    assert_string_equal(c->message.s, "");
    assert_int_equal(c->allow.n, 0);
    assert_int_equal(c->deny.n, 1);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"ip-restriction\"; },\n"
            "{ name = \"ip-restriction\"; protocols = [ \"http\" ]; config = { status = 200; "
            "deny = [ \"x\" ]; }; } );",
            "t.conf:1: plugins[0].allow: is empty, and so is deny\n"
            "t.conf:2: plugins[1].config.status: 200 is out of range, 400 to 599\n"
            "t.conf:2: plugins[1]: ip-restriction is configured for the same scope at t.conf:1 "
            "already\n"
            "t.conf:2: plugins[1].config.deny: \"x\" is not a network: IP or IP/BITS\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
