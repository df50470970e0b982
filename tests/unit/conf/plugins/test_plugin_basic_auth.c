/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of basic-auth. */
#include "conf/plugins/plugin_basic_auth.h"
#include "tests/unit/conf/loading.h"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf = loaded("plugins = ( { name = \"basic-auth\"; } );");
    const struct conf_basic_auth *c = conf->plugins[0].config;
    assert_int_equal(conf->plugins[0].priority, 1001);
    assert_false(c->hide_credentials);
    assert_string_equal(c->realm.s, "service");
    assert_null(c->anonymous);
    conf_free(&conf);
    conf = loaded("consumers = ( { username = \"guest\"; } ); plugins = ( { name = "
                  "\"basic-auth\"; config = { hide_credentials = true; realm = \"r\"; anonymous = "
                  "\"guest\"; }; } );");
    c = conf->plugins[0].config;
    assert_true(c->hide_credentials);
    assert_string_equal(c->realm.s, "r");
    assert_ptr_equal(c->anonymous, &conf->consumers[0]);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"basic-auth\"; config = { anonymous = \"x\"; }; } );\n",
            "t.conf:1: plugins[0].config.anonymous: there is no consumer \"x\"\n");
    refused("consumers = ( { username = \"c\"; plugins = ( { name = \"basic-auth\"; } ); } );\n",
            "t.conf:1: consumers[0].plugins[0]: basic-auth finds out who the consumer is, and "
            "cannot be bound to one\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
