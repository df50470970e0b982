/* SPDX-License-Identifier: Apache-2.0 */
/* Services: the URL or its parts, ports by protocol, TLS towards the upstream. */
#include "loading.h"

static void test_url_and_parts(void **state)
{
    (void)state;
    const struct conf *conf = loaded(
        "services = ( { name = \"a\"; url = \"https://127.0.0.1/base\"; },\n"
        "  { name = \"b\"; protocol = \"https\"; host = \"127.0.0.1\"; path = \"/base\"; },\n"
        "  { name = \"c\"; host = \"[::1]\"; }, { name = \"d\"; host = \"127.0.0.1\"; port = 81; "
        "protocol = \"https\"; } );");
    const struct conf_service *s = conf->services;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(s[i].protocol, CONF_HTTPS);
        assert_string_equal(s[i].host.s, "127.0.0.1");
        assert_int_equal(s[i].port, 443);
        assert_string_equal(s[i].path.s, "/base");
    }
    assert_string_equal(s[2].host.s, "::1");
    assert_int_equal(s[2].port, 80);
    assert_string_equal(s[2].path.s, "");
    assert_int_equal(s[3].port, 81);
    assert_int_equal(s[3].index, 3);
    assert_true(s[0].enabled && s[0].tls_verify);
    assert_int_equal(s[0].retries, 5);
    assert_int_equal(s[0].read_timeout, 60000);
    assert_string_equal(s[0].ca_certificates.s, "");
    assert_null(s[0].client_certificate);
    conf_free(&conf);
}

/* RFC 9110 section 7.2, RFC 3986 section 3.2.2. */
static void test_authority(void **state)
{
    (void)state;
    static const char *const expected[] = { "[::1]",   "[::1]:8080", "[::1]:80", "Example.com",
                                            "a.b:443", "pool",       "pool",     "[::1]:8080" };
    const struct conf *conf = loaded(
        "upstreams = ( { name = \"pool\"; targets = ( { target = \"127.0.0.1:81\"; } ); } );\n"
        "services = ( { name = \"a\"; url = \"http://[::1]/\"; },\n"
        "  { name = \"b\"; host = \"::1\"; port = 8080; },\n"
        "  { name = \"c\"; url = \"https://[::1]:80\"; },\n"
        "  { name = \"d\"; url = \"http://Example.com:80/x\"; },\n"
        "  { name = \"e\"; host = \"a.b\"; port = 443; },\n"
        "  { name = \"f\"; url = \"http://pool/\"; }, { name = \"g\"; host = \"pool\"; port = 81; "
        "},\n  { name = \"h\"; url = \"http://[0:0::1]:8080/\"; } );");
    assert_ptr_equal(conf->services[1].upstream, conf->services[7].upstream);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_string_equal(conf->services[i].authority.s, expected[i]);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("services = ( { name = \"a\"; },\n { name = \"b\"; host = \"\"; },\n { name = \"a\"; "
            "host = \"a b\"; },\n { name = \"c\"; url = \"ftp://x\"; },\n"
            " { name = \"d\"; url = \"http://127.0.0.1\"; host = \"x\"; path = \"/\"; },\n { name "
            "= \"e\"; url = \"http://resolved.later.invalid:81/\"; },\n"
            " { name = \"f\"; host = \"127.0.0.1\"; path = \"x\"; port = 0; connect_timeout = 0; "
            "retries = -1; } );",
            "t.conf:1: services[0].url: is missing, and so is a host\n"
            "t.conf:2: services[1].host: must not be empty\n"
            "t.conf:3: services[2].name: \"a\" is a duplicate; another service has it at t.conf:1\n"
            "t.conf:3: services[2].host: \"a b\" is not a host name\n"
            "t.conf:4: services[3].url: \"ftp://x\" is not a URL: http://HOST[:PORT][/PATH] or "
            "https://HOST[:PORT][/PATH]\n"
            "t.conf:5: services[4].host: is said by the url already\n"
            "t.conf:5: services[4].path: is said by the url already\n"
            "t.conf:7: services[6].port: 0 is out of range, 1 to 65535\n"
            "t.conf:7: services[6].path: \"x\" does not begin with \"/\"\n"
            "t.conf:7: services[6].connect_timeout: 0 is out of range, 1 to 2147483646\n"
            "t.conf:7: services[6].retries: -1 is out of range, 0 to 32767\n");
}

static void test_address_of_a_link(void **state)
{
    (void)state;
#define OF_A_LINK                                                                                  \
    " is an address of one link, which cannot be used: take a global or a unique local one\n"
    refused("services = ( { name = \"a\"; host = \"fe80::1\"; },\n { name = \"b\"; url = "
            "\"http://[fe80::1%lo]/\"; } );",
            "t.conf:1: services[0].host: \"fe80::1\"" OF_A_LINK
            "t.conf:2: services[1].url: \"http://[fe80::1%lo]/\"" OF_A_LINK);
}

static void test_tls(void **state)
{
    (void)state;
    char *folder = make_folder(), text[1024], lines[1024];
    make_certificate(folder, "a");
    make_certificate(folder, "b");
    snprintf(text, sizeof text,
             "prefix = \"%s\"; services = ( { name = \"s\"; url = \"https://127.0.0.1\"; "
             "tls_verify = false; ca_certificates = \"a.crt\";\n"
             "client_certificate = { cert = \"a.crt\"; key = \"%s/a.key\"; }; } );",
             folder, folder);
    const struct conf *conf = loaded(text);
    assert_false(conf->services[0].tls_verify);
    assert_non_null(conf->services[0].client_certificate->x509);
    assert_non_null(conf->services[0].client_certificate->pkey);
    snprintf(lines, sizeof lines, "%s/a.crt", folder);
    assert_string_equal(conf->services[0].ca_certificates.s, lines);
    conf_free(&conf);
    snprintf(text, sizeof text,
             "prefix = \"%s\";\nservices = ( { name = \"s\"; url = \"https://127.0.0.1\"; "
             "ca_certificates = \"a.key\";\n"
             "client_certificate = { cert = \"a.crt\"; key = \"b.key\"; }; },\n { name = \"t\"; "
             "url = \"https://127.0.0.1\"; client_certificate = { cert = \"a.crt\"; }; } );",
             folder);
    snprintf(
        lines, sizeof lines,
        "t.conf:2: services[0].ca_certificates: \"%s/a.key\" holds no certificate: no start line\n"
        "t.conf:3: services[0].client_certificate.key: \"%s/b.key\" is not the key of the "
        "certificate \"%s/a.crt\"\n"
        "t.conf:4: services[1].client_certificate: needs both cert and key\n",
        folder, folder, folder);
    refused(text, lines);
    remove_folder(folder);
}

static void test_password_in_url_is_not_repeated(void **state)
{
    (void)state;
    refused("services = ( { name = \"a\"; url = \"http://user:secret@x/\"; } );",
            "t.conf:1: services[0].url: must not have a user or password\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url_and_parts), cmocka_unit_test(test_authority),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_address_of_a_link),
        cmocka_unit_test(test_tls),           cmocka_unit_test(test_password_in_url_is_not_repeated)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
