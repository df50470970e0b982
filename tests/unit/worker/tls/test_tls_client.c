/* SPDX-License-Identifier: Apache-2.0 */
/* The connecting side against our own server: whom it trusts, what it shows, which names it sends,
 * which sessions it reuses. */
#include "tls_fixture.h"
#include <openssl/err.h>
#include <openssl/pem.h>

enum { GOOD, EXPIRED, STRANGER, CERTIFICATES };

static struct {
    EVP_PKEY *key, *ca_key;
    X509 *ca;
    struct conf_certificate certificates[CERTIFICATES];
    struct tls_server *servers[CERTIFICATES]; /* each with one of the certificates */
    struct zone tickets;
    char ca_path[64];
    struct conf_service service;
    struct tls_client *client;
} f;

static void write_ca(void)
{
    snprintf(f.ca_path, sizeof(f.ca_path), "/tmp/test_tls_client.%d.pem", (int)getpid());
    FILE *file = fopen(f.ca_path, "w");
    assert_non_null(file);
    assert_int_equal(1, PEM_write_X509(file, f.ca));
    fclose(file);
}

static int set_up(void **state)
{
    (void)state;
    static const char names[] = "DNS:up.test,IP:127.0.0.1,IP:::1";
    f.key = EVP_EC_gen("P-256");
    f.ca_key = EVP_EC_gen("P-256");
    f.ca = make_certificate(f.ca_key, NULL, NULL, NULL, 30);
    write_ca();
    assert_true(tickets_make(&f.tickets));
    for (int i = 0; i < CERTIFICATES; i++) {
        struct conf_certificate *c = &f.certificates[i];
        *c = (struct conf_certificate){ .cert = TEXT("up.crt"), .pkey = f.key };
        c->x509 = i == STRANGER
                      ? make_certificate(f.key, names, NULL, NULL, 30)
                      : make_certificate(f.key, names, f.ca, f.ca_key, i == EXPIRED ? -1 : 30);
        struct conf conf = { .certificates = c, .certificates_n = 1 };
        f.servers[i] = tls_server_make(&conf, &f.tickets);
        assert_non_null(f.servers[i]);
    }
    f.service =
        (struct conf_service){ .name = TEXT("s"), .host = TEXT("up.test"), .tls_verify = true };
    f.service.ca_certificates = (struct conf_text){ f.ca_path, strlen(f.ca_path) };
    f.client = tls_client_make(&f.service);
    return !f.client;
}

static int tear_down(void **state)
{
    (void)state;
    tls_client_free(&f.client);
    for (int i = 0; i < CERTIFICATES; i++) {
        tls_server_free(&f.servers[i]);
        X509_free(f.certificates[i].x509);
    }
    X509_free(f.ca);
    EVP_PKEY_free(f.key);
    EVP_PKEY_free(f.ca_key);
    region_drop(&f.tickets);
    return unlink(f.ca_path);
}

static void expect_failure(struct tls_server *server, struct tls_client *client, const char *why)
{
    struct pair p;
    open_pair(&p, server, client, NULL);
    assert_false(shake(&p));
    assert_string_equal(why, tls_error(p.client));
    assert_true(tls_verify_failed(p.client));
    assert_false(tls_plain_http(p.client));
    assert_false(tls_verify_failed(p.server)); /* it just got an alert */
    assert_string_not_equal("", tls_error(p.server));
    assert_int_equal(0, ERR_peek_error());
    close_pair(&p);
}

static void expect_success(struct tls_server *server, struct tls_client *client, const char *sni,
                           const char *sent)
{
    struct pair p;
    open_pair(&p, server, client, sni);
    assert_true(shake(&p));
    assert_false(tls_verify_failed(p.client));
    struct slice got = tls_sni(p.server);
    assert_int_equal(sent ? strlen(sent) : 0, got.n);
    if (sent)
        assert_string_equal(sent, got.p);
    assert_true(slice_equal(tls_alpn(p.client), SLICE("http/1.1")));
    close_pair(&p);
}

static struct tls_client *client_for(struct conf_service *service, struct conf_text host)
{
    *service = f.service;
    service->host = host;
    struct tls_client *client = tls_client_make(service);
    assert_non_null(client);
    return client;
}

static void test_trusted(void **state)
{
    (void)state;
    expect_success(f.servers[GOOD], f.client, NULL, "up.test");
}

static void test_untrusted(void **state)
{
    (void)state;
    expect_failure(f.servers[STRANGER], f.client,
                   "certificate verify failed: self-signed certificate");
    expect_failure(f.servers[EXPIRED], f.client,
                   "certificate verify failed: certificate has expired");
}

static void test_host_is_checked(void **state)
{
    (void)state;
    struct conf_service service;
    struct tls_client *client = client_for(&service, TEXT("other.test"));
    expect_failure(f.servers[GOOD], client, "certificate verify failed: hostname mismatch");
    tls_client_free(&client);
    client = client_for(&service, TEXT("127.0.0.2"));
    expect_failure(f.servers[GOOD], client, "certificate verify failed: IP address mismatch");
    tls_client_free(&client);
}

static void test_asked_name_changes_no_trust(void **state)
{
    (void)state;
    struct conf_service service;
    struct tls_client *client = client_for(&service, TEXT("other.test"));
    struct pair p;
    open_pair(&p, f.servers[GOOD], client, "up.test");
    assert_false(shake(&p));
    assert_true(tls_verify_failed(p.client));
    close_pair(&p);
    tls_client_free(&client);
    expect_success(f.servers[GOOD], f.client, "public.test", "public.test");
}

static void test_addresses_are_checked_and_not_sent(void **state)
{
    (void)state;
    struct conf_service service;
    struct tls_client *client = client_for(&service, TEXT("127.0.0.1"));
    expect_success(f.servers[GOOD], client, NULL, NULL);
    expect_success(f.servers[GOOD], client, "192.0.2.1", NULL);
    tls_client_free(&client);
    client = client_for(&service, TEXT("[::1]"));
    expect_success(f.servers[GOOD], client, NULL, NULL);
    tls_client_free(&client);
}

static void test_system_authorities_do_not_know_ours(void **state)
{
    (void)state;
    struct conf_service service = f.service;
    service.ca_certificates = TEXT("");
    struct tls_client *client = tls_client_make(&service);
    assert_non_null(client);
    expect_failure(f.servers[GOOD], client,
                   "certificate verify failed: unable to get local issuer certificate");
    tls_client_free(&client);
}

static void test_verification_off(void **state)
{
    (void)state;
    struct conf_service service = f.service;
    service.tls_verify = false;
    service.host = TEXT("whoever.test");
    struct tls_client *client = tls_client_make(&service);
    expect_success(f.servers[STRANGER], client, NULL, "whoever.test");
    tls_client_free(&client);
}

static void test_missing_authorities(void **state)
{
    (void)state;
    struct conf_service service = f.service;
    service.ca_certificates = TEXT("/nonexistent/ca.pem");
    assert_null(tls_client_make(&service));
    service = f.service;
    service.host = TEXT("");
    assert_null(tls_client_make(&service));
    assert_int_equal(0, ERR_peek_error());
}

/* A server that wants to see a certificate, made with OpenSSL's own means. */
static void test_client_certificate_is_shown(void **state)
{
    (void)state;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_cert_and_key(ctx, f.certificates[GOOD].x509, f.key, NULL, 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_load_verify_file(ctx, f.ca_path);
    struct conf_service service = f.service;
    service.client_certificate = &f.certificates[GOOD];
    struct tls_client *client = tls_client_make(&service);
    int fds[2];
    assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fds[0]);
    struct tls *tls = tls_connect(client, fds[1], 9, (struct slice){ NULL, 0 });
    int accepted = 0;
    for (int i = 0; i < 5 && accepted != 1; i++) {
        tls_handshake(tls);
        accepted = SSL_accept(ssl);
    }
    assert_int_equal(1, accepted);
    assert_int_equal(0, X509_cmp(f.certificates[GOOD].x509, SSL_get0_peer_certificate(ssl)));
    tls_close(&tls);
    tls_client_free(&client);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fds[0]);
    close(fds[1]);
}

/* One connection to `peer`, used and closed; whether it was resumed. */
static bool resumes(struct tls_client *client, uint64_t peer, const char *sni, bool clean)
{
    struct pair p;
    new_server_side(f.servers[GOOD], &p);
    p.client = tls_connect(client, p.client_fd, peer, slice_of(sni, strlen(sni)));
    assert_true(shake(&p));
    expect_nothing(p.client); /* takes the tickets in */
    assert_int_equal(2, write_text(p.client, "hi"));
    expect_text(p.server, "hi");
    bool resumed = tls_resumed(p.client);
    assert_int_equal(resumed, tls_resumed(p.server));
    if (!clean) {
        char c;
        bool more;
        shutdown(p.server_fd, SHUT_RDWR);
        assert_int_equal(-1, tls_read(p.client, &c, 1, &more));
    }
    close_pair(&p);
    return resumed;
}

static void test_sessions_are_kept_for_peer_and_name(void **state)
{
    (void)state;
    struct conf_service service;
    struct tls_client *client = client_for(&service, TEXT("up.test"));
    assert_false(resumes(client, 1, "", true));
    assert_true(resumes(client, 1, "", true));
    assert_true(resumes(client, 1, "up.test", true));
    assert_false(resumes(client, 2, "", true));
    assert_false(resumes(client, 1, "public.test", true));
    assert_true(resumes(client, 2, "", true));
    assert_true(resumes(client, 1, "public.test", true));
    for (uint64_t peer = 10; peer < 300; peer++) /* more than are kept */
        assert_false(resumes(client, peer, "", true));
    assert_true(resumes(client, 299, "", true));
    tls_client_free(&client);
}

static void test_failed_check_leaves_no_session(void **state)
{
    (void)state;
    struct conf_service service;
    struct tls_client *client = client_for(&service, TEXT("other.test"));
    for (int i = 0; i < 2; i++)
        expect_failure(f.servers[GOOD], client, "certificate verify failed: hostname mismatch");
    tls_client_free(&client);
}

static void test_services_share_and_outlive_each_other(void **state)
{
    (void)state;
    struct conf_service service;
    struct tls_client *second = client_for(&service, TEXT("127.0.0.1"));
    tls_client_free(&f.client);
    expect_success(f.servers[GOOD], second, NULL, NULL);
    f.client = tls_client_make(&f.service);
    tls_client_free(&second);
    assert_null(second);
    tls_client_free(&second);
    expect_success(f.servers[GOOD], f.client, NULL, "up.test");
}

static void test_garbage_from_the_server(void **state)
{
    (void)state;
    srand(815);
    for (int i = 0; i < 500; i++) {
        unsigned char bytes[300];
        int fds[2];
        assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
        struct tls *tls = tls_connect(f.client, fds[0], 1, (struct slice){ NULL, 0 });
        assert_int_equal(TLS_AGAIN, tls_handshake(tls));
        for (size_t k = 0; k < sizeof(bytes); k++)
            bytes[k] = (unsigned char)rand();
        if (i % 2)
            memcpy(bytes, "\x16\x03\x03\x00\x50\x02\x00\x00\x4c\x03\x03", 11);
        assert_int_equal(sizeof(bytes), write(fds[1], bytes, sizeof(bytes)));
        shutdown(fds[1], SHUT_WR);
        assert_int_equal(TLS_FAILED, tls_handshake(tls));
        assert_string_not_equal("", tls_error(tls));
        assert_false(tls_verify_failed(tls));
        tls_close(&tls);
        close(fds[0]);
        close(fds[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trusted),
        cmocka_unit_test(test_untrusted),
        cmocka_unit_test(test_host_is_checked),
        cmocka_unit_test(test_asked_name_changes_no_trust),
        cmocka_unit_test(test_addresses_are_checked_and_not_sent),
        cmocka_unit_test(test_system_authorities_do_not_know_ours),
        cmocka_unit_test(test_verification_off),
        cmocka_unit_test(test_missing_authorities),
        cmocka_unit_test(test_client_certificate_is_shown),
        cmocka_unit_test(test_sessions_are_kept_for_peer_and_name),
        cmocka_unit_test(test_failed_check_leaves_no_session),
        cmocka_unit_test(test_services_share_and_outlive_each_other),
        cmocka_unit_test(test_garbage_from_the_server),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
