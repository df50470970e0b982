/* SPDX-License-Identifier: Apache-2.0 */
/* The accepting side against OpenSSL's own client: which certificate a name gets, versions,
 * ciphers, ALPN. */
#include "tls_fixture.h"
#include <openssl/err.h>
#include <openssl/rsa.h>

enum { EXACT, WILD, PLAIN, TWIN_EC, TWIN_RSA, CERTIFICATES };

static struct {
    EVP_PKEY *key, *rsa;
    struct conf_certificate certificates[CERTIFICATES];
    struct conf conf;
    struct tls_server *server;
    SSL_CTX *ctx; /* of the client */
} f;

static const struct conf_text exact_names[] = { TEXT("a.test"), TEXT("www.a.test") };
static const struct conf_text wild_names[] = { TEXT("*.wild.test"), TEXT("*.test") };
static const struct conf_text twin_names[] = { TEXT("twin.test") };

static void add(int i, EVP_PKEY *key, const char *dns, const struct conf_text *names,
                size_t names_n)
{
    f.certificates[i] = (struct conf_certificate){ .cert = TEXT("some.crt"),
                                                   .pkey = key,
                                                   .snis = { names, names_n } };
    f.certificates[i].x509 = make_certificate(key, dns, NULL, NULL, 30);
}

static int set_up(void **state)
{
    (void)state;
    f.key = EVP_EC_gen("P-256");
    f.rsa = EVP_RSA_gen(2048);
    add(EXACT, f.key, "DNS:a.test", exact_names, 2);
    add(WILD, f.key, "DNS:*.wild.test", wild_names, 2);
    add(PLAIN, f.key, "DNS:plain.test", NULL, 0);
    add(TWIN_EC, f.key, "DNS:twin.test", twin_names, 1);
    add(TWIN_RSA, f.rsa, "DNS:twin.test", twin_names, 1);
    f.conf = (struct conf){ .certificates = f.certificates, .certificates_n = CERTIFICATES };
    f.server = tls_server_make(&f.conf, NULL);
    f.ctx = SSL_CTX_new(TLS_client_method());
    return !f.server || !f.ctx;
}

static int tear_down(void **state)
{
    (void)state;
    tls_server_free(&f.server);
    SSL_CTX_free(f.ctx);
    for (int i = 0; i < CERTIFICATES; i++)
        X509_free(f.certificates[i].x509);
    EVP_PKEY_free(f.key);
    EVP_PKEY_free(f.rsa);
    return 0;
}

struct visit {
    struct pair pair;
    SSL *ssl;
    enum tls_state server;
    int client; /* of SSL_do_handshake: 1 done */
};

static void begin(struct visit *v, const char *sni)
{
    new_server_side(f.server, &v->pair);
    v->ssl = SSL_new(f.ctx);
    SSL_set_fd(v->ssl, v->pair.client_fd);
    SSL_set_connect_state(v->ssl);
    if (sni)
        SSL_set_tlsext_host_name(v->ssl, sni);
}

static void go(struct visit *v)
{
    v->client = 0;
    v->server = TLS_AGAIN;
    for (int i = 0; i < 5; i++) {
        if (v->client != 1)
            v->client = SSL_do_handshake(v->ssl);
        if (v->server == TLS_AGAIN)
            v->server = tls_handshake(v->pair.server);
    }
    ERR_clear_error();
}

static void finish(struct visit *v)
{
    SSL_free(v->ssl);
    close_pair(&v->pair);
}

static void expect_certificate(const char *sni, int which)
{
    struct visit v;
    begin(&v, sni);
    go(&v);
    assert_int_equal(TLS_DONE, v.server);
    assert_int_equal(1, v.client);
    assert_int_equal(0, X509_cmp(f.certificates[which].x509, SSL_get0_peer_certificate(v.ssl)));
    finish(&v);
}

static void test_names(void **state)
{
    (void)state;
    expect_certificate("a.test", EXACT);
    expect_certificate("WWW.a.TEST", EXACT);
    expect_certificate("a.test.", EXACT);
    expect_certificate("x.wild.test", WILD);
    expect_certificate("b.test", WILD);
    expect_certificate("wild.test", WILD);
    expect_certificate("x.y.wild.test", PLAIN);
    expect_certificate("x.www.a.test", PLAIN);
    expect_certificate("test", PLAIN);
    expect_certificate(".test", PLAIN);
    expect_certificate("*.wild.test", PLAIN);
    expect_certificate("other.example", PLAIN);
    expect_certificate(NULL, PLAIN);
}

static void test_longest_name(void **state)
{
    (void)state;
    char name[256];
    memset(name, 'a', 255);
    name[255] = '\0';
    expect_certificate(name, PLAIN);
    memcpy(name + 250, ".test", 5);
    expect_certificate(name, WILD);
    memcpy(name, "a.", 2);
    expect_certificate(name, PLAIN);
}

static void test_two_kinds_of_keys_for_one_name(void **state)
{
    (void)state;
    static const char *const algorithms[] = { "RSA-PSS+SHA256:RSA+SHA256", "ECDSA+SHA256" };
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (int i = 0; i < 2; i++) {
            struct visit v;
            begin(&v, "twin.test");
            SSL_set_max_proto_version(v.ssl, version);
            SSL_set1_sigalgs_list(v.ssl, algorithms[i]);
            go(&v);
            assert_int_equal(1, v.client);
            assert_int_equal(0, X509_cmp(f.certificates[i == 0 ? TWIN_RSA : TWIN_EC].x509,
                                         SSL_get0_peer_certificate(v.ssl)));
            finish(&v);
        }
    }
}

/* The default certificate must not answer for a name that has one, even if only it suits the
 * client. */
static void test_default_does_not_stand_in(void **state)
{
    (void)state;
    struct visit v;
    begin(&v, "a.test");
    SSL_set1_sigalgs_list(v.ssl, "RSA-PSS+SHA256:RSA+SHA256");
    go(&v);
    assert_int_equal(TLS_FAILED, v.server);
    assert_string_equal("no suitable signature algorithm", tls_error(v.pair.server));
    finish(&v);
}

static void test_versions_and_ciphers(void **state)
{
    (void)state;
    struct visit v;
    begin(&v, "a.test");
    go(&v);
    assert_string_equal("TLSv1.3", tls_version(v.pair.server));
    assert_string_equal("TLS_AES_128_GCM_SHA256", tls_cipher(v.pair.server));
    assert_false(tls_resumed(v.pair.server));
    assert_int_equal(0, tls_alpn(v.pair.server).n);
    finish(&v);

    begin(&v, "a.test");
    SSL_set_max_proto_version(v.ssl, TLS1_2_VERSION);
    go(&v);
    assert_string_equal("TLSv1.2", tls_version(v.pair.server));
    assert_string_equal("ECDHE-ECDSA-AES128-GCM-SHA256", tls_cipher(v.pair.server));
    finish(&v);

    begin(&v, "a.test");
    SSL_set_security_level(v.ssl, 0);
    SSL_set_min_proto_version(v.ssl, TLS1_VERSION);
    SSL_set_max_proto_version(v.ssl, TLS1_1_VERSION);
    SSL_set_cipher_list(v.ssl, "ALL:@SECLEVEL=0");
    go(&v);
    assert_int_equal(TLS_FAILED, v.server);
    assert_string_equal("unsupported protocol", tls_error(v.pair.server));
    finish(&v);

    begin(&v, "a.test");
    SSL_set_max_proto_version(v.ssl, TLS1_2_VERSION);
    SSL_set_cipher_list(v.ssl, "AES128-SHA256:ECDHE-RSA-AES128-SHA");
    go(&v);
    assert_int_equal(TLS_FAILED, v.server);
    assert_string_equal("no shared cipher", tls_error(v.pair.server));
    finish(&v);
}

static void test_renegotiation_is_refused(void **state)
{
    (void)state;
    struct visit v;
    char buf[16];
    bool more;
    begin(&v, "a.test");
    SSL_set_max_proto_version(v.ssl, TLS1_2_VERSION);
    go(&v);
    assert_int_equal(1, SSL_renegotiate(v.ssl));
    assert_int_not_equal(1, SSL_do_handshake(v.ssl));
    assert_int_equal(-1, tls_read(v.pair.server, buf, sizeof(buf), &more));
    assert_int_equal(EAGAIN, errno);
    assert_int_not_equal(1, SSL_do_handshake(v.ssl)); /* reads the no_renegotiation alert */
    assert_int_equal(SSL_ERROR_SSL, SSL_get_error(v.ssl, -1));
    ERR_clear_error();
    finish(&v);
}

/* Key updates that are answered while nobody reads must not pile up without end. */
static void test_key_updates_are_answered_and_bounded(void **state)
{
    (void)state;
    struct visit v;
    char buf[16];
    bool more;
    begin(&v, "a.test");
    go(&v);
    int small = 4096;
    setsockopt(v.pair.server_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    for (int i = 0; i < 6000; i++) {
        SSL_key_update(v.ssl, SSL_KEY_UPDATE_REQUESTED);
        assert_int_equal(1, SSL_write(v.ssl, "x", 1));
        assert_int_equal(1, tls_read(v.pair.server, buf, sizeof(buf), &more));
    }
    assert_int_equal(-1, write_text(v.pair.server, "x"));
    assert_int_equal(ENOBUFS, errno);
    finish(&v);
}

static void test_alpn(void **state)
{
    (void)state;
    struct visit v;
    begin(&v, "a.test");
    SSL_set_alpn_protos(v.ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12);
    go(&v);
    assert_int_equal(TLS_DONE, v.server);
    struct slice alpn = tls_alpn(v.pair.server), sni = tls_sni(v.pair.server);
    assert_true(slice_equal(alpn, SLICE("http/1.1")));
    assert_true(slice_equal(sni, SLICE("a.test")));
    finish(&v);

    begin(&v, "a.test");
    SSL_set_alpn_protos(v.ssl, (const unsigned char *)"\x02h2", 3);
    go(&v);
    assert_int_equal(TLS_FAILED, v.server);
    assert_string_equal("no application protocol", tls_error(v.pair.server));
    finish(&v);
}

static void test_names_that_are_none_are_absent(void **state)
{
    (void)state;
    static const char *const names[] = { "a b", "a\"b.test", "a/b", "\xc3\xa9.test", NULL };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct visit v;
        begin(&v, names[i]);
        go(&v);
        assert_int_equal(TLS_DONE, v.server);
        assert_null(tls_sni(v.pair.server).p);
        finish(&v);
    }
}

static void test_first_is_default_when_all_have_names(void **state)
{
    (void)state;
    struct tls_server *mixed = f.server;
    struct conf conf = { .certificates = f.certificates, .certificates_n = 2 };
    f.server = tls_server_make(&conf, NULL);
    assert_non_null(f.server);
    expect_certificate("other.example", EXACT);
    expect_certificate("a.test", EXACT);
    expect_certificate("b.test", WILD);
    tls_server_free(&f.server);
    f.server = mixed;
}

static void test_no_or_unusable_certificates(void **state)
{
    (void)state;
    struct conf none = { 0 };
    assert_null(tls_server_make(&none, NULL));
    struct conf_certificate wrong = f.certificates[EXACT];
    wrong.pkey = f.rsa;
    struct conf conf = { .certificates = &wrong, .certificates_n = 1 };
    assert_null(tls_server_make(&conf, NULL));
    assert_int_equal(0, ERR_peek_error());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_longest_name),
        cmocka_unit_test(test_two_kinds_of_keys_for_one_name),
        cmocka_unit_test(test_default_does_not_stand_in),
        cmocka_unit_test(test_versions_and_ciphers),
        cmocka_unit_test(test_renegotiation_is_refused),
        cmocka_unit_test(test_key_updates_are_answered_and_bounded),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_names_that_are_none_are_absent),
        cmocka_unit_test(test_first_is_default_when_all_have_names),
        cmocka_unit_test(test_no_or_unusable_certificates),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
