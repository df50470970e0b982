/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of key-auth. */
#include "conf/plugins/plugin_key_auth.h"
#include "tests/unit/conf/loading.h"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf = loaded("plugins = ( { name = \"key-auth\"; } );");
    const struct conf_key_auth *c = conf->plugins[0].config;
    assert_int_equal(c->key_names.n, 1);
    assert_string_equal(c->key_names.v[0].s, "apikey");
    assert_true(c->key_in_header && c->key_in_query && c->run_on_preflight);
    assert_false(c->key_in_body || c->hide_credentials);
    assert_null(c->anonymous);
    conf_free(&conf);
    conf = loaded("consumers = ( { username = \"x\"; }, { username = \"guest\"; } ); plugins = ( { "
                  "name = \"key-auth\"; config = { key_names = [ \"X-Key\", \"k\" ]; key_in_query "
                  "= false; hide_credentials = true;\n"
                  "run_on_preflight = false; realm = \"r\"; anonymous = \"guest\"; }; } );");
    c = conf->plugins[0].config;
    assert_string_equal(c->key_names.v[0].s, "X-Key");
    assert_false(c->key_in_query || c->run_on_preflight);
    assert_true(c->hide_credentials);
    assert_string_equal(c->realm.s, "r");
    assert_ptr_equal(c->anonymous, &conf->consumers[1]);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused(
        "plugins = ( { name = \"key-auth\"; config = { key_names = [ ]; key_in_body = "
        "true;\nkey_in_header = false; key_in_query = false; anonymous = \"x\"; }; } );\n",
        "t.conf:1: plugins[0].config.key_names: must not be empty\n"
        "t.conf:1: plugins[0].config.key_in_body: cannot be true: the body is streamed, not read\n"
        "t.conf:2: plugins[0].config.anonymous: there is no consumer \"x\"\n");
    refused("plugins = ( { name = \"key-auth\"; config = { key_names = [ \"a b\" ];\nkey_in_header "
            "= false; key_in_query = false; }; } );\n",
            "t.conf:1: plugins[0].config.key_names: \"a b\" is not a header's name\n"
            "t.conf:2: plugins[0].config.key_in_header: a key must be allowed somewhere\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
