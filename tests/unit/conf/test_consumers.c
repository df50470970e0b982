/* SPDX-License-Identifier: Apache-2.0 */
/* Consumers: credentials, groups, duplicates. */
#include "loading.h"

static void test_members(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("consumers = ( { username = \"alice\"; custom_id = \"42\"; tags = [ \"t\" ]; "
               "keyauth_credentials = ( { key = \"k1\"; }, { key = \"k2\"; id = "
               "\"00000000-0000-4000-8000-0000000000FF\"; } );\n"
               "jwt_secrets = ( { key = \"i\"; secret = \"s\"; }, { key = \"j\"; algorithm = "
               "\"HS512\"; secret = \"YWJj\"; secret_is_base64 = true; } ); acls = ( { group = "
               "\"g\"; }, { group = \"h\"; } ); },\n"
               "{ custom_id = \"bob\"; } );");
    const struct conf_consumer *alice = &conf->consumers[0];
    assert_int_equal(conf->consumers_n, 2);
    assert_int_equal(conf->consumers[1].index, 1);
    assert_string_equal(conf->consumers[1].username.s, "");
    assert_int_equal(alice->keys_n, 2);
    assert_ptr_equal(alice->keys[1].consumer, alice);
    assert_string_equal(alice->keys[1].id.s, "00000000-0000-4000-8000-0000000000ff");
    assert_int_equal(alice->keys[0].id.n, 36);
    assert_string_not_equal(alice->keys[0].id.s, alice->jwt_secrets[0].id.s);
    assert_int_equal(alice->jwt_secrets[0].algorithm, CONF_HS256);
    assert_int_equal(alice->jwt_secrets[1].algorithm, CONF_HS512);
    assert_true(alice->jwt_secrets[1].secret_is_base64);
    assert_null(alice->jwt_secrets[0].public_key);
    assert_ptr_equal(alice->jwt_secrets[1].consumer, alice);
    assert_int_equal(alice->groups.n, 2);
    assert_string_equal(alice->groups.v[1].s, "h");
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused(
        "consumers = ( { tags = [ ]; },\n{ username = \"a\"; custom_id = \"1\"; "
        "keyauth_credentials = ( { key = \"k\"; }, { key = \"\"; } ); },\n"
        "{ username = \"a\"; custom_id = \"1\"; keyauth_credentials = ( { key = \"k\"; } ); },\n"
        "{ username = \"b\\n\"; id = \"x\"; custom_id = \"2\"; acls = ( { group = \"g\"; }, { "
        "group = \"g\"; } ); },\n"
        "{ username = \"c\"; jwt_secrets = ( { key = \"j\"; }, { key = \"j\"; secret = \"s\"; }, { "
        "key = \"l\"; algorithm = \"RS256\"; secret = \"s\"; },\n"
        " { key = \"m\"; secret = \"a b\"; secret_is_base64 = true; }, { key = \"n\"; algorithm = "
        "\"none\"; },\n"
        " { key = \"o\"; algorithm = \"ES256\"; rsa_public_key = \"@/nonexistent\"; }, { key = "
        "\"p\"; algorithm = \"ES256\"; rsa_public_key = \"x\"; } ); } );",
        "t.conf:1: consumers[0].username: is missing, and so is a custom_id\n"
        "t.conf:2: consumers[1].keyauth_credentials[1].key: must not be empty\n"
        "t.conf:3: consumers[2].username: \"a\" is a duplicate; another consumer has it at "
        "t.conf:2\n"
        "t.conf:3: consumers[2].custom_id: \"1\" is a duplicate; another consumer has it at "
        "t.conf:2\n"
        "t.conf:3: consumers[2].keyauth_credentials[0].key: belongs to another credential already\n"
        "t.conf:4: consumers[3].username: \"b\\x0a\" contains a control character\n"
        "t.conf:4: consumers[3].id: \"x\" is not a UUID\n"
        "t.conf:4: consumers[3].acls[1].group: \"g\" is a duplicate; another group has it at "
        "t.conf:4\n"
        "t.conf:5: consumers[4].jwt_secrets[0].secret: is missing: an HS algorithm needs it\n"
        "t.conf:5: consumers[4].jwt_secrets[1].key: \"j\" belongs to another credential already\n"
        "t.conf:5: consumers[4].jwt_secrets[2].rsa_public_key: is missing: RS256 needs it\n"
        "t.conf:6: consumers[4].jwt_secrets[4].algorithm: \"none\" is not one of: HS256, HS384, "
        "HS512, RS256, RS384, RS512, ES256, ES384, ES512, PS256, PS384, PS512, "
        "EdDSA\n"
        "t.conf:6: consumers[4].jwt_secrets[3].secret: is not base64\n"
        "t.conf:6: consumers[4].jwt_secrets[4].secret: is missing: an HS algorithm needs it\n"
        "t.conf:7: consumers[4].jwt_secrets[5].rsa_public_key: \"/nonexistent\" cannot be read: No "
        "such file or directory\n"
        "t.conf:7: consumers[4].jwt_secrets[6].rsa_public_key: is not a public key in PEM\n");
}

static void test_duplicate_ids(void **state)
{
    (void)state;
    refused("consumers = ( { username = \"a\"; id = \"00000000-0000-4000-8000-00000000000a\"; "
            "},\n{ username = \"b\"; id = \"00000000-0000-4000-8000-00000000000A\"; } );",
            "t.conf:2: consumers[1].id: 00000000-0000-4000-8000-00000000000a is a duplicate; "
            "another consumer has it at t.conf:1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_members),
                                        cmocka_unit_test(test_refused),
                                        cmocka_unit_test(test_duplicate_ids) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
