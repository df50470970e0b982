/* SPDX-License-Identifier: Apache-2.0 */
/* Public keys of jwt credentials, made by the openssl command, with algorithms that they fit or do
 * not fit. */
#include "loading.h"

/* One key of each kind that does and one that does not fit its algorithm, from files below the
 * prefix. */
static void test_public_keys(void **state)
{
    (void)state;
    static const struct {
        const char *file, *algorithm, *error;
    } cases[] = {
        { "rsa", "RS256", NULL },
        { "rsa", "RS512", NULL },
        { "p256", "ES256", NULL },
        { "p384", "ES384", NULL },
        { "p521", "ES512", NULL },
        { "rsa", "ES256", "is not a key on the curve of the algorithm" },
        { "p256", "ES384", "is not a key on the curve of the algorithm" },
        { "p256", "RS256", "is not an RSA key" },
        { "small", "RS256", "is an RSA key of less than 2048 bits" },
        { "rsa", "PS256", NULL },
        { "ed25519", "EdDSA", NULL },
        { "p256", "PS384", "is not an RSA key" },
        { "small", "PS512", "is an RSA key of less than 2048 bits" },
        { "rsa", "EdDSA", "is not an Ed25519 key" },
        { "ed448", "EdDSA", "is not an Ed25519 key" },
        { "ed25519", "ES256", "is not a key on the curve of the algorithm" },
        { "p256k1", "ES256", "is not a key on the curve of the algorithm" },
        { "private", "RS256", "is not a public key in PEM" },
    };
    static const struct {
        const char *file, *options;
    } kinds[] = {
        { "small", "RSA -pkeyopt rsa_keygen_bits:1024" },
        { "p256", "EC -pkeyopt ec_paramgen_curve:P-256" },
        { "p256k1", "EC -pkeyopt ec_paramgen_curve:secp256k1" },
        { "p384", "EC -pkeyopt ec_paramgen_curve:P-384" },
        { "p521", "EC -pkeyopt ec_paramgen_curve:P-521" },
        { "ed25519", "ED25519" },
        { "ed448", "ED448" },
        { "rsa", "RSA -pkeyopt rsa_keygen_bits:2048" },
    };
    char *folder = make_folder(), text[512], line[256];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        snprintf(text, sizeof text,
                 "genpkey -algorithm %s -out private && openssl pkey -in private -pubout -out %s",
                 kinds[i].options, kinds[i].file);
        openssl(folder, text);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text,
                 "prefix = \"%s\"; consumers = ( { username = \"a\"; jwt_secrets = ( { key = "
                 "\"i\"; algorithm = \"%s\"; rsa_public_key = \"@%s\"; } ); } );",
                 folder, cases[i].algorithm, cases[i].file);
        snprintf(line, sizeof line, "t.conf:1: consumers[0].jwt_secrets[0].rsa_public_key: %s\n",
                 cases[i].error);
        if (cases[i].error) {
            refused(text, line);
            continue;
        }
        const struct conf *conf = loaded(text);
        assert_non_null(conf->consumers[0].jwt_secrets[0].public_key);
        conf_free(&conf);
    }
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_public_keys) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
