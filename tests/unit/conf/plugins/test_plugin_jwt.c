/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of jwt. */
#include "conf/plugins/plugin_jwt.h"
#include "tests/unit/conf/loading.h"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf = loaded("plugins = ( { name = \"jwt\"; } );");
    const struct conf_jwt *c = conf->plugins[0].config;
    assert_string_equal(c->uri_param_names.v[0].s, "jwt");
    assert_string_equal(c->header_names.v[0].s, "authorization");
    assert_int_equal(c->cookie_names.n, 0);
    assert_string_equal(c->key_claim_name.s, "iss");
    assert_true(c->run_on_preflight);
    assert_false(c->secret_is_base64 || c->verify_exp || c->verify_nbf);
    assert_int_equal(c->maximum_expiration, 0);
    assert_null(c->anonymous);
    conf_free(&conf);
    conf = loaded(
        "consumers = ( { username = \"guest\"; } ); plugins = ( { name = \"jwt\"; config = { "
        "uri_param_names = [ ]; cookie_names = [ \"c\" ]; header_names = [ \"X-T\" ]; "
        "key_claim_name = \"kid\";\n"
        "secret_is_base64 = true; run_on_preflight = false; claims_to_verify = [ \"nbf\", \"exp\" "
        "]; maximum_expiration = 3600; realm = \"r\"; anonymous = \"guest\"; }; } );");
    c = conf->plugins[0].config;
    assert_int_equal(c->uri_param_names.n, 0);
    assert_string_equal(c->cookie_names.v[0].s, "c");
    assert_string_equal(c->header_names.v[0].s, "X-T");
    assert_string_equal(c->key_claim_name.s, "kid");
    assert_true(c->secret_is_base64 && c->verify_exp && c->verify_nbf);
    assert_false(c->run_on_preflight);
    assert_int_equal(c->maximum_expiration, 3600);
    assert_string_equal(c->realm.s, "r");
    assert_ptr_equal(c->anonymous, &conf->consumers[0]);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"jwt\"; config = { claims_to_verify = [ \"nbf\", \"iat\" ]; "
            "maximum_expiration = 5; anonymous = \"x\"; uri_param_names = [ ];\nheader_names = [ "
            "]; }; } );",
            "t.conf:1: plugins[0].config.claims_to_verify: \"iat\" is not one of: exp, nbf\n"
            "t.conf:1: plugins[0].config.anonymous: there is no consumer \"x\"\n"
            "t.conf:1: plugins[0].config.maximum_expiration: needs \"exp\" among claims_to_verify\n"
            "t.conf:2: plugins[0].config.header_names: a token must be allowed somewhere\n");
}

static void test_claims(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("plugins = ( { name = \"jwt\"; config = { issuers_allowed = [ \"https://a\" ]; "
               "audience_required = [ \"api\", \"b\" ];\n claims_to_headers = [ \"sub:X-User\", "
               "\"https://x.org/role:X-Role\" ]; }; } );");
    const struct conf_jwt *c = conf->plugins[0].config;
    assert_string_equal(c->issuers_allowed.v[0].s, "https://a");
    assert_int_equal(c->audience_required.n, 2);
    assert_int_equal(c->claims_to_headers_n, 2);
    assert_string_equal(c->claims_to_headers[0].claim.s, "sub");
    assert_string_equal(c->claims_to_headers[0].header.s, "X-User");
    assert_string_equal(c->claims_to_headers[1].claim.s, "https://x.org/role");
    assert_string_equal(c->claims_to_headers[1].header.s, "X-Role");
    conf_free(&conf);
    refused(
        "plugins = ( { name = \"jwt\"; config = { claims_to_headers = [ \"sub\", \":X\", \"a:b "
        "c\", "
        "\"a:Host\", \"a:Content-Length\", \"a:X\", \"b:x\" ]; }; } );",
        "t.conf:1: plugins[0].config.claims_to_headers: \"sub\" is not \"claim:Header\"\n"
        "t.conf:1: plugins[0].config.claims_to_headers: \":X\" is not \"claim:Header\"\n"
        "t.conf:1: plugins[0].config.claims_to_headers: \"a:b c\" names a field that is not a "
        "header's name\n"
        "t.conf:1: plugins[0].config.claims_to_headers: \"a:Host\" names a field that is the "
        "gateway's own business\n"
        "t.conf:1: plugins[0].config.claims_to_headers: \"a:Content-Length\" names a field that is "
        "the gateway's own business\n"
        "t.conf:1: plugins[0].config.claims_to_headers: \"x\" is there twice\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused),
                                        cmocka_unit_test(test_claims) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
