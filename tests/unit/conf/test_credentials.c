/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups by credential, by each name of a consumer, and among many. */
#include "loading.h"

enum { MANY = 3000 };

static void test_lookups(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("consumers = ( { username = \"alice\"; custom_id = \"42\"; keyauth_credentials = ( "
               "{ key = \"k\"; } ); jwt_secrets = ( { key = \"i\"; secret = \"s\"; } ); },\n"
               "{ username = \"42\"; id = \"00000000-0000-4000-8000-00000000000a\"; }, { custom_id "
               "= \"alice\"; } );");
    const struct conf_credentials *c = conf->credentials;
    const struct conf_consumer *consumers = conf->consumers;
    assert_ptr_equal(credentials_key(c, "k", 1), &consumers[0].keys[0]);
    assert_null(credentials_key(c, "i", 1));
    assert_null(credentials_key(c, "kk", 2));
    assert_null(credentials_key(c, "", 0));
    assert_ptr_equal(credentials_jwt(c, "i", 1), &consumers[0].jwt_secrets[0]);
    assert_null(credentials_jwt(c, "k", 1));
    assert_ptr_equal(credentials_consumer(c, "alice", 5),
                     &consumers[0]); /* a username goes before a custom_id */
    assert_ptr_equal(credentials_consumer(c, "42", 2), &consumers[1]);
    assert_ptr_equal(credentials_consumer(c, "00000000-0000-4000-8000-00000000000a", 36),
                     &consumers[1]);
    assert_ptr_equal(credentials_consumer(c, consumers[2].id.s, 36), &consumers[2]);
    assert_null(credentials_consumer(c, "", 0));
    conf_free(&conf);
}

static void test_none(void **state)
{
    (void)state;
    const struct conf *conf = loaded("");
    assert_null(credentials_key(conf->credentials, "k", 1));
    assert_null(credentials_jwt(conf->credentials, "k", 1));
    assert_null(credentials_consumer(conf->credentials, "k", 1));
    conf_free(&conf);
}

static void test_many(void **state)
{
    (void)state;
    char *text = NULL, key[32];
    size_t n;
    FILE *out = open_memstream(&text, &n);
    fputs("consumers = ( ", out);
    for (int i = 0; i < MANY; i++)
        fprintf(out, "%s{ username = \"u%d\"; keyauth_credentials = ( { key = \"key-%d\"; } ); }",
                i ? ",\n" : "", i, i);
    fputs(" );", out);
    fclose(out);
    const struct conf *conf = loaded(text);
    for (int i = 0; i < MANY; i++) {
        int length = snprintf(key, sizeof key, "key-%d", i);
        const struct conf_key *found = credentials_key(conf->credentials, key, (size_t)length);
        assert_non_null(found);
        assert_int_equal(found->consumer->index, i);
    }
    conf_free(&conf);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_lookups), cmocka_unit_test(test_none),
                                        cmocka_unit_test(test_many) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
