/* SPDX-License-Identifier: Apache-2.0 */
/* Names with passwords: formats, what tells them apart, duplicates. */
#include "loading.h"

#define HASH "$5$rounds=1000$saltsalt$nKsyTQBmKz4GdCft0Sv/FbzLiu0y3wFdEXOzudLQLJ5"

static void test_formats(void **state)
{
    (void)state;
    const struct conf *conf = loaded(
        "consumers = ( { username = \"a\"; basicauth_credentials = ( { username = \"u\"; password "
        "= "
        "\"p\"; }, { username = \"v\"; password = \"" HASH "\"; }, { username = \"w\"; password = "
        "\"$1 bill\"; }, { username = \"x\"; password = \"" HASH "\"; password_format = "
        "\"plain\"; },\n"
        "{ username = \"y\"; password_format = \"kong\"; password = "
        "\"057bf4db45d5f191e3fb13cf5ec6ebf4b96400f0\"; id = "
        "\"00000000-0000-4000-8000-0000000000ff\"; } ); } );");
    static const enum conf_password_format formats[] = { CONF_PASSWORD_PLAIN, CONF_PASSWORD_CRYPT,
                                                         CONF_PASSWORD_PLAIN, CONF_PASSWORD_PLAIN,
                                                         CONF_PASSWORD_KONG };
    const struct conf_consumer *a = &conf->consumers[0];
    assert_int_equal(a->basics_n, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(a->basics[i].format, formats[i]);
        assert_ptr_equal(a->basics[i].consumer, a);
        assert_int_equal(a->basics[i].id.n, 36);
    }
    assert_ptr_equal(credentials_basic(conf->credentials, "v", 1), &a->basics[1]);
    assert_null(credentials_basic(conf->credentials, "V", 1));
    char *text = printed(conf);
    assert_non_null(strstr(text, "password_format = \"auto\""));
    free(text);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("consumers = ( { username = \"a\"; basicauth_credentials = ( { username = \"u\"; "
            "password = "
            "\"p\"; }, { username = \"u\"; password = \"q\"; },\n"
            "{ username = \"a:b\"; password = \"p\"; }, { username = \"v\"; password = \"\"; },\n"
            "{ username = \"w\"; password = \"p\"; password_format = \"crypt\"; },\n"
            "{ username = \"x\"; password = \"p\"; password_format = \"kong\"; } ); } );",
            "t.conf:1: consumers[0].basicauth_credentials[1].username: \"u\" belongs to another "
            "credential already\n"
            "t.conf:2: consumers[0].basicauth_credentials[2].username: \"a:b\" contains a colon\n"
            "t.conf:2: consumers[0].basicauth_credentials[3].password: must not be empty\n"
            "t.conf:3: consumers[0].basicauth_credentials[4].password: is no hash that libcrypt "
            "knows\n"
            "t.conf:4: consumers[0].basicauth_credentials[5].password: is not 40 lower-case hex "
            "digits\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_formats),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
