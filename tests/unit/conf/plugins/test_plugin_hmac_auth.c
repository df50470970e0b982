/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of hmac-auth, and its credentials. */
#include "conf/plugins/plugin_hmac_auth.h"
#include "tests/unit/conf/loading.h"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf = loaded("plugins = ( { name = \"hmac-auth\"; } );");
    const struct conf_hmac_auth *c = conf->plugins[0].config;
    assert_int_equal(conf->plugins[0].priority, 1000);
    assert_int_equal(c->clock_skew, 300);
    assert_int_equal(c->algorithms, 15);
    assert_int_equal(c->enforce_headers.n, 0);
    assert_false(c->hide_credentials);
    assert_null(c->anonymous);
    conf_free(&conf);
    conf = loaded("consumers = ( { username = \"a\"; hmacauth_credentials = ( { username = \"u\"; "
                  "secret = \"s\"; } ); } ); plugins = ( { name = \"hmac-auth\"; config = { "
                  "clock_skew = 10; algorithms = [ \"hmac-sha256\" ]; enforce_headers = [ "
                  "\"Date\", \"@request-target\" ]; hide_credentials = true; realm = \"r\"; "
                  "anonymous = \"a\"; }; } );");
    c = conf->plugins[0].config;
    assert_int_equal(c->clock_skew, 10);
    assert_int_equal(c->algorithms, CONF_HMAC_SHA256);
    assert_string_equal(c->enforce_headers.v[0].s, "date");
    assert_string_equal(c->realm.s, "r");
    assert_true(c->hide_credentials);
    assert_ptr_equal(c->anonymous, &conf->consumers[0]);
    const struct conf_hmac *hmac = credentials_hmac(conf->credentials, "u", 1);
    assert_ptr_equal(hmac, &conf->consumers[0].hmacs[0]);
    assert_ptr_equal(hmac->consumer, &conf->consumers[0]);
    assert_int_equal(hmac->id.n, 36);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("consumers = ( { username = \"a\"; hmacauth_credentials = ( { username = \"u\"; secret "
            "= \"s\"; }, { username = \"u\"; secret = \"\"; } ); } );\n"
            "plugins = ( { name = \"hmac-auth\"; config = { validate_request_body = true; "
            "clock_skew = 0;\nalgorithms = [ \"hmac-md5\" ]; enforce_headers = [ \"a b\" ]; }; } "
            ");\n",
            "t.conf:1: consumers[0].hmacauth_credentials[1].secret: must not be empty\n"
            "t.conf:1: consumers[0].hmacauth_credentials[1].username: \"u\" belongs to another "
            "credential already\n"
            "t.conf:2: plugins[0].config.clock_skew: 0 is out of range, 1 to 2147483647\n"
            "t.conf:3: plugins[0].config.enforce_headers: \"a b\" is not a header's name\n"
            "t.conf:3: plugins[0].config.algorithms: \"hmac-md5\" is not one of: hmac-sha1, "
            "hmac-sha256, hmac-sha384, hmac-sha512\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
