/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of acl. */
#include "conf/plugins/plugin_acl.h"
#include "tests/unit/conf/loading.h"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf = loaded("plugins = ( { name = \"acl\"; config = { allow = [ \"a\", "
                                     "\"b\" ]; hide_groups_header = true; }; } );");
    const struct conf_acl *c = conf->plugins[0].config;
    assert_int_equal(conf->plugins[0].priority, 950);
    assert_int_equal(c->allow.n, 2);
    assert_int_equal(c->deny.n, 0);
    assert_true(c->hide_groups_header);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused(
        "plugins = ( { name = \"acl\"; },\n"
        "{ name = \"acl\"; protocols = [ \"http\" ]; config = { allow = [ \"a\" ]; deny = [ "
        "\"b\" ]; always_use_authenticated_groups = true; }; } );",
        "t.conf:1: plugins[0].allow: is empty, and so is deny\n"
        "t.conf:2: plugins[1]: acl is configured for the same scope at t.conf:1 already\n"
        "t.conf:2: plugins[1].config.deny: cannot be used with allow\n"
        "t.conf:2: plugins[1].config.always_use_authenticated_groups: cannot be true: groups are "
        "those of consumers, no plugin finds others\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
