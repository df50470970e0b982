/* SPDX-License-Identifier: Apache-2.0 */
/* Session tickets: any worker opens what another sealed, older keys still open, forgotten and
 * foreign ones do no harm. */
#include "tls_fixture.h"

static struct {
    EVP_PKEY *key;
    struct conf_certificate certificate;
    struct conf conf;
    struct zone tickets, foreign;
    struct tls_server *server, *other, *stranger,
        *without; /* other: same keys; stranger: own keys; without: none */
    SSL_CTX *ctx;
} f;

static int set_up(void **state)
{
    (void)state;
    f.key = EVP_EC_gen("P-256");
    f.certificate = (struct conf_certificate){ .cert = TEXT("a.crt"), .pkey = f.key };
    f.certificate.x509 = make_certificate(f.key, "DNS:a.test", NULL, NULL, 30);
    f.conf = (struct conf){ .certificates = &f.certificate, .certificates_n = 1 };
    assert_true(tickets_make(&f.tickets) && tickets_make(&f.foreign));
    f.server = tls_server_make(&f.conf, &f.tickets);
    f.other = tls_server_make(&f.conf, &f.tickets);
    f.stranger = tls_server_make(&f.conf, &f.foreign);
    f.without = tls_server_make(&f.conf, NULL);
    f.ctx = SSL_CTX_new(TLS_client_method());
    return !f.server || !f.other || !f.stranger || !f.without;
}

static int tear_down(void **state)
{
    (void)state;
    tls_server_free(&f.server);
    tls_server_free(&f.other);
    tls_server_free(&f.stranger);
    tls_server_free(&f.without);
    SSL_CTX_free(f.ctx);
    region_drop(&f.tickets);
    region_drop(&f.foreign);
    X509_free(f.certificate.x509);
    EVP_PKEY_free(f.key);
    return 0;
}

/* Connects with *session (NULL: none) and puts the session that the server leaves in its place. Was
 * it resumed? */
static bool visit(struct tls_server *server, int version, SSL_SESSION **session)
{
    struct pair p;
    char c;
    new_server_side(server, &p);
    SSL *ssl = SSL_new(f.ctx);
    SSL_set_max_proto_version(ssl, version);
    SSL_set_fd(ssl, p.client_fd);
    SSL_set_connect_state(ssl);
    if (*session)
        SSL_set_session(ssl, *session);
    enum tls_state s = TLS_AGAIN;
    int done = 0;
    for (int i = 0; i < 5; i++) {
        done = done == 1 ? 1 : SSL_do_handshake(ssl);
        s = s == TLS_AGAIN ? tls_handshake(p.server) : s;
    }
    assert_int_equal(1, done);
    assert_int_equal(TLS_DONE, s);
    assert_int_equal(-1, SSL_read(ssl, &c, 1)); /* takes the tickets in */
    bool resumed = SSL_session_reused(ssl);
    assert_int_equal(resumed, tls_resumed(p.server));
    SSL_SESSION_free(*session);
    *session = SSL_get1_session(ssl);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close_pair(&p);
    return resumed;
}

static bool same_ticket(const SSL_SESSION *a, const unsigned char *name)
{
    const unsigned char *ticket;
    size_t n;
    SSL_SESSION_get0_ticket(a, &ticket, &n);
    assert_true(n > 32);
    return memcmp(ticket, name, 16) == 0;
}

static void check(int version)
{
    SSL_SESSION *session = NULL;
    struct ticket_key keys[TICKETS_KEYS];
    assert_false(visit(f.server, version, &session));
    assert_true(visit(f.other, version, &session));
    tickets_read(&f.tickets, keys);
    assert_true(same_ticket(session, keys[0].name));

    /* An older key opens, and the client gets a ticket of the newest. */
    int64_t now = keys[0].made;
    assert_true(tickets_rotate(&f.tickets, now + 100, 50));
    tickets_read(&f.tickets, keys);
    assert_false(same_ticket(session, keys[0].name));
    assert_true(visit(f.server, version, &session));
    assert_true(same_ticket(session, keys[0].name));

    /* So often rotated that the key is forgotten: a full handshake. */
    for (int i = 2; i < 2 + TICKETS_KEYS; i++)
        assert_true(tickets_rotate(&f.tickets, now + 100 * i, 50));
    assert_false(visit(f.server, version, &session));
    assert_true(visit(f.server, version, &session));

    assert_false(visit(f.stranger, version, &session));
    assert_false(visit(f.server, version, &session));
    assert_false(visit(f.without, version, &session));
    assert_false(visit(f.without, version, &session));
    SSL_SESSION_free(session);
}

static void test_tls12(void **state)
{
    (void)state;
    check(TLS1_2_VERSION);
}

static void test_tls13(void **state)
{
    (void)state;
    check(TLS1_3_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls12),
        cmocka_unit_test(test_tls13),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
