/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: chain and key, server names, and what does not fit. */
#include "loading.h"
#include <openssl/evp.h>
#include <openssl/x509.h>

static char *folder;

static int begin(void **state)
{
    (void)state;
    folder = make_folder();
    make_certificate(folder, "a");
    make_certificate(folder, "b");
    openssl(folder, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -aes128 -pass pass:x "
                    "-out locked.key");
    char command[256];
    snprintf(command, sizeof command, "cd '%s' && cat a.crt b.crt > chain.crt && : > empty.crt",
             folder);
    return system(command);
}

static int end(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

/* `format` with the folder for each of its %s. */
static char *with_folder(const char *format)
{
    char *text = NULL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    assert_true(asprintf(&text, format, folder, folder, folder, folder, folder, folder) > 0);
#pragma GCC diagnostic pop
    return text;
}

static void test_loaded(void **state)
{
    (void)state;
    char *text = with_folder(
        "prefix = \"%s\"; certificates = ( { cert = \"chain.crt\"; key = \"a.key\"; snis = [ "
        "\"*.Example.com\", \"x\" ]; }, { cert = \"b.crt\"; key = \"%s/b.key\"; } );");
    const struct conf *conf = loaded(text);
    const struct conf_certificate *c = conf->certificates;
    char *path = with_folder("%s/chain.crt");
    assert_int_equal(conf->certificates_n, 2);
    assert_string_equal(c[0].cert.s, path);
    assert_string_equal(c[0].snis.v[0].s, "*.example.com");
    assert_int_equal(X509_check_private_key(c[0].x509, c[0].pkey), 1);
    assert_int_equal(sk_X509_num(c[0].chain), 1);
    assert_null(c[1].chain);
    assert_int_equal(c[1].snis.n, 0);
    conf_free(&conf);
    free(path);
    free(text);
}

static void test_refused(void **state)
{
    (void)state;
    char *text = with_folder(
        "prefix = \"%s\"; certificates = (\n{ cert = \"a.crt\"; key = \"b.key\"; snis = [ \"x\" ]; "
        "},\n{ cert = \"none.crt\"; key = \"locked.key\"; snis = [ \"X\" ]; },\n"
        "{ cert = \"empty.crt\"; key = \"a.crt\"; snis = [ \"a.*\" ]; },\n{ key = \"a.key\"; } );");
    char *lines = with_folder(
        "t.conf:2: certificates[0].key: \"%s/b.key\" is not the key of the certificate "
        "\"%s/a.crt\"\n"
        "t.conf:3: certificates[1].cert: \"%s/none.crt\" cannot be read: No such file or "
        "directory\n"
        "t.conf:3: certificates[1].key: \"%s/locked.key\" holds no private key: bad password read\n"
        "t.conf:3: certificates[1].snis: \"x\" is a duplicate; another certificate has it at "
        "t.conf:2\n"
        "t.conf:4: certificates[2].snis: \"a.*\" is not a host name\n"
        "t.conf:4: certificates[2].cert: \"%s/empty.crt\" holds no certificate: no start line\n"
        "t.conf:4: certificates[2].key: \"%s/a.crt\" holds no private key: unsupported\n"
        "t.conf:5: certificates[3].cert: is missing\n");
    refused(text, lines);
    free(text);
    free(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_loaded),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, begin, end);
}
