/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TLS connection with both of our own sides over a socketpair: reading, writing, every kind of
 * end, a full socket, and garbage. recv, send and sendmsg are counted, since their number a request
 * is part of the contract.
 */
#include "tls_fixture.h"
#include <openssl/err.h>
#include <sys/syscall.h>

static struct {
    int recvs, sends;
    bool full; /* the socket takes nothing */
} calls;

ssize_t recv(int fd, void *buf, size_t n, int flags)
{
    calls.recvs++;
    return syscall(SYS_recvfrom, fd, buf, n, flags, NULL, NULL);
}

ssize_t send(int fd, const void *buf, size_t n, int flags)
{
    calls.sends++;
    if (calls.full) {
        errno = EAGAIN;
        return -1;
    }
    return syscall(SYS_sendto, fd, buf, n, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    calls.sends++;
    if (calls.full) {
        errno = EAGAIN;
        return -1;
    }
    return syscall(SYS_sendmsg, fd, message, flags);
}

static struct {
    EVP_PKEY *key;
    struct conf_certificate certificate;
    struct conf conf;
    struct conf_service service;
    struct zone tickets;
    struct tls_server *server;
    struct tls_client *client;
} f;

static int set_up(void **state)
{
    (void)state;
    f.key = EVP_EC_gen("P-256");
    f.certificate =
        (struct conf_certificate){ .cert = TEXT("a.crt"), .key = TEXT("a.key"), .pkey = f.key };
    f.certificate.x509 = make_certificate(f.key, "DNS:a.test", NULL, NULL, 30);
    f.conf = (struct conf){ .certificates = &f.certificate, .certificates_n = 1 };
    f.service = (struct conf_service){ .name = TEXT("s"),
                                       .host = TEXT("a.test"),
                                       .ca_certificates = TEXT("") };
    assert_true(tickets_make(&f.tickets));
    f.server = tls_server_make(&f.conf, &f.tickets);
    f.client = tls_client_make(&f.service);
    return !f.server || !f.client;
}

static int tear_down(void **state)
{
    (void)state;
    tls_server_free(&f.server);
    tls_client_free(&f.client);
    region_drop(&f.tickets);
    X509_free(f.certificate.x509);
    EVP_PKEY_free(f.key);
    return 0;
}

static void connect_both(struct pair *p)
{
    open_pair(p, f.server, f.client, NULL);
    assert_true(shake(p));
    expect_nothing(p->client);
}

static void test_request_costs_one_recv_and_one_send(void **state)
{
    (void)state;
    struct pair p;
    connect_both(&p);
    for (int i = 0; i < 3; i++) {
        char buf[4096], body[1024];
        memset(body, 'b', sizeof(body));
        struct iovec iov[] = {
            { "HTTP/1.1 200 OK\r\n", 17 }, { "", 0 }, { "A: b\r\n\r\n", 8 }, { body, sizeof(body) }
        };
        bool more = true;
        assert_int_equal(18, write_text(p.client, "GET / HTTP/1.1\r\n\r\n"));
        calls.recvs = calls.sends = 0;
        assert_int_equal(18, tls_read(p.server, buf, sizeof(buf), &more));
        assert_false(more);
        assert_int_equal(1, calls.recvs);
        assert_int_equal(17 + 8 + 1024, tls_writev(p.server, iov, 4));
        assert_int_equal(1, calls.sends);
        assert_int_equal(17 + 8 + 1024, tls_read(p.client, buf, sizeof(buf), &more));
        assert_memory_equal("HTTP/1.1 200 OK\r\nA: b\r\n\r\nbbb", buf, 28);
    }
    close_pair(&p);
}

static void test_large_writes_share_a_send_and_arrive_whole(void **state)
{
    (void)state;
    enum { SIZE = 60000 };
    static char sent[SIZE], got[SIZE];
    struct pair p;
    connect_both(&p);
    for (int i = 0; i < SIZE; i++)
        sent[i] = (char)(i * 7 + i / 256);
    struct iovec iov[] = { { sent, 100 }, { sent + 100, 20000 }, { sent + 20100, SIZE - 20100 } };
    calls.sends = 0;
    assert_int_equal(SIZE, tls_writev(p.server, iov, 3));
    assert_int_equal(1, calls.sends);
    size_t have = 0;
    bool more = true;
    while (have < SIZE && more) {
        ssize_t n =
            tls_read(p.client, got + have, SIZE - have < 10000 ? SIZE - have : 10000, &more);
        assert_true(n > 0);
        have += (size_t)n;
    }
    assert_int_equal(SIZE, have);
    assert_memory_equal(sent, got, SIZE);
    expect_nothing(p.client);
    close_pair(&p);
}

/* What comes while a part of a record is held makes its event then. The call that takes the rest of
 * that record has looked at no socket: it must not say that there is nothing. */
static void test_what_comes_while_a_record_is_held_is_not_forgotten(void **state)
{
    (void)state;
    enum { RECORD = 16384, PART = 10000 };
    static char sent[RECORD], got[RECORD];
    struct iovec iov = { sent, RECORD };
    struct pair p;
    bool more;
    connect_both(&p);
    assert_int_equal(RECORD, tls_writev(p.server, &iov, 1));
    assert_int_equal(PART, tls_read(p.client, got, PART, &more));
    assert_true(more);
    assert_int_equal(4, write_text(p.server, "next"));
    assert_int_equal(RECORD - PART, tls_read(p.client, got, RECORD - PART, &more));
    assert_true(more);
    assert_int_equal(4, tls_read(p.client, got, RECORD, &more));
    assert_memory_equal("next", got, 4);
    assert_false(more);
    close_pair(&p);
}

/* Reads whatever is there into got, from `have` on. */
static size_t read_on(struct tls *tls, char *got, size_t have, size_t size)
{
    bool more = true;
    while (more) {
        ssize_t n = tls_read(tls, got + have, size - have, &more);
        if (n < 0)
            assert_int_equal(EAGAIN, errno);
        else
            have += (size_t)n;
    }
    return have;
}

static void test_full_socket_takes_part_and_loses_nothing(void **state)
{
    (void)state;
    enum { SIZE = 3000000 };
    char *sent = malloc(SIZE), *got = malloc(SIZE + 1);
    struct pair p;
    connect_both(&p);
    int small = 20000;
    setsockopt(p.server_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    for (int i = 0; i < SIZE; i++)
        sent[i] = (char)(i * 13 + i / 1000);
    size_t written = 0, have = 0;
    int fulls = 0;
    for (int turn = 0; written < SIZE && turn < 100000; turn++) {
        char *moved = malloc(SIZE - written); /* the bytes need not stay where they were */
        memcpy(moved, sent + written, SIZE - written);
        struct iovec iov = { moved, SIZE - written };
        ssize_t n = tls_writev(p.server, &iov, 1);
        free(moved);
        if (n < 0) {
            assert_int_equal(EAGAIN, errno);
            fulls++;
            have = read_on(p.client, got, have, SIZE + 1);
        } else {
            written += (size_t)n;
        }
    }
    assert_int_equal(SIZE, written);
    assert_true(fulls > 0);
    have = read_on(p.client, got, have, SIZE + 1);
    assert_int_equal(SIZE, have);
    assert_memory_equal(sent, got, SIZE);
    close_pair(&p);
    free(sent);
    free(got);
}

static void test_close_notify_is_a_clean_end(void **state)
{
    (void)state;
    struct pair p;
    char buf[16];
    bool more = true;
    connect_both(&p);
    assert_int_equal(4, write_text(p.client, "last"));
    tls_close(&p.client);
    assert_null(p.client);
    assert_int_equal(4, tls_read(p.server, buf, sizeof(buf), &more));
    assert_true(more); /* the end came along: no event will tell */
    assert_int_equal(0, tls_read(p.server, buf, sizeof(buf), &more));
    assert_int_equal(0, tls_read(p.server, buf, sizeof(buf), &more));
    assert_false(more);
    assert_string_equal("", tls_error(p.server));
    close_pair(&p);
}

static void test_half_close_lets_the_other_side_answer(void **state)
{
    (void)state;
    struct pair p;
    char buf[16];
    bool more;
    connect_both(&p);
    tls_end(p.client);
    tls_end(p.client);
    assert_int_equal(0, tls_read(p.server, buf, sizeof(buf), &more));
    assert_int_equal(2, write_text(p.server, "ok"));
    expect_text(p.client, "ok");
    close_pair(&p);
}

static void test_truncation_is_seen(void **state)
{
    (void)state;
    struct pair p;
    char buf[16];
    bool more;
    connect_both(&p);
    assert_int_equal(4, write_text(p.server, "half"));
    shutdown(p.server_fd, SHUT_RDWR);
    assert_int_equal(4, tls_read(p.client, buf, sizeof(buf), &more));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(-1, tls_read(p.client, buf, sizeof(buf), &more));
        assert_int_equal(ECONNABORTED, errno);
    }
    assert_string_equal("closed by peer without close_notify", tls_error(p.client));
    close_pair(&p);
}

static void test_abort_is_no_clean_end(void **state)
{
    (void)state;
    struct pair p;
    char buf[16];
    bool more;
    connect_both(&p);
    tls_abort(&p.server);
    assert_null(p.server);
    tls_abort(&p.server);
    shutdown(p.server_fd, SHUT_RDWR);
    assert_int_equal(-1, tls_read(p.client, buf, sizeof(buf), &more));
    assert_int_equal(ECONNABORTED, errno);
    close_pair(&p);
}

static void test_write_to_a_closed_socket_fails_and_reading_goes_on(void **state)
{
    (void)state;
    struct pair p;
    char buf[16];
    bool more;
    connect_both(&p);
    assert_int_equal(4, write_text(p.server, "left"));
    shutdown(p.client_fd, SHUT_WR);
    assert_int_equal(-1, write_text(p.client, "lost"));
    assert_int_equal(EPIPE, errno);
    assert_int_equal(-1, write_text(p.client, "lost"));
    assert_int_equal(EPIPE, errno);
    assert_int_equal(4, tls_read(p.client, buf, sizeof(buf), &more));
    assert_memory_equal("left", buf, 4);
    close_pair(&p);
}

static void test_changed_bytes_are_refused(void **state)
{
    (void)state;
    struct pair p;
    char buf[64];
    bool more;
    connect_both(&p);
    assert_int_equal(5, write_text(p.client, "hello"));
    ssize_t n = read(p.server_fd, buf, sizeof(buf));
    assert_true(n > 10);
    buf[n - 1] ^= 1;
    assert_int_equal(n, write(p.client_fd, buf, (size_t)n));
    assert_int_equal(-1, tls_read(p.server, buf, sizeof(buf), &more));
    assert_int_equal(EPROTO, errno);
    assert_string_not_equal("", tls_error(p.server));
    assert_false(tls_verify_failed(p.server));
    assert_int_equal(-1, write_text(p.server, "x"));
    assert_int_equal(EPROTO, errno);
    assert_int_equal(-1, tls_read(p.client, buf, sizeof(buf), &more)); /* the alert arrives */
    assert_int_equal(EPROTO, errno);
    assert_int_equal(0, ERR_peek_error());
    close_pair(&p);
}

static void test_foreign_errors_in_the_queue_do_not_matter(void **state)
{
    (void)state;
    struct pair p;
    open_pair(&p, f.server, f.client, NULL);
    ERR_raise(ERR_LIB_USER, 1);
    assert_int_equal(TLS_AGAIN, tls_handshake(p.client));
    assert_true(shake(&p));
    ERR_raise(ERR_LIB_USER, 2);
    expect_nothing(p.client);
    expect_nothing(p.server);
    close_pair(&p);
}

static void test_handshake_byte_by_byte(void **state)
{
    (void)state;
    struct pair p;
    unsigned char flight[4096];
    open_pair(&p, f.server, f.client, "a.test");
    assert_int_equal(TLS_AGAIN, tls_handshake(p.client));
    ssize_t n = read(p.server_fd, flight, sizeof(flight));
    assert_true(n > 100);
    for (ssize_t i = 0; i < n; i++) {
        assert_int_equal(TLS_AGAIN, tls_handshake(p.server));
        assert_int_equal(1, write(p.client_fd, flight + i, 1));
    }
    assert_true(shake(&p));
    assert_int_equal(6, tls_sni(p.server).n);
    close_pair(&p);
}

static void test_request_behind_the_handshake_is_pending(void **state)
{
    (void)state;
    struct pair p;
    open_pair(&p, f.server, f.client, NULL);
    enum tls_state s = TLS_AGAIN;
    while (tls_handshake(p.client) != TLS_DONE)
        s = tls_handshake(p.server);
    assert_int_equal(TLS_AGAIN, s);
    assert_int_equal(5, write_text(p.client, "early"));
    assert_int_equal(TLS_DONE, tls_handshake(p.server));
    assert_true(tls_pending(p.server));
    expect_text(p.server, "early");
    assert_false(tls_pending(p.server));
    close_pair(&p);
}

/* The request came between the end of the handshake and the departure of its last flight. */
static void test_request_before_the_last_flight_left_is_pending(void **state)
{
    (void)state;
    struct pair p;
    open_pair(&p, f.server, f.client, NULL);
    while (tls_handshake(p.client) != TLS_DONE)
        tls_handshake(p.server);
    calls.full = true;
    assert_int_equal(TLS_AGAIN, tls_handshake(p.server));
    calls.full = false;
    assert_int_equal(5, write_text(p.client, "early"));
    assert_int_equal(TLS_DONE, tls_handshake(p.server));
    assert_true(tls_pending(p.server));
    expect_text(p.server, "early");
    assert_false(tls_pending(p.server));
    close_pair(&p);
}

static enum tls_state feed(const void *bytes, size_t n, bool end)
{
    struct pair p;
    struct tls *server = new_server_side(f.server, &p);
    assert_int_equal(n, write(p.client_fd, bytes, n));
    if (end)
        shutdown(p.client_fd, SHUT_WR);
    enum tls_state state = tls_handshake(server);
    if (state == TLS_FAILED) {
        assert_string_not_equal("", tls_error(server));
        assert_int_equal(TLS_FAILED, tls_handshake(server));
        assert_false(tls_pending(server));
    }
    assert_int_equal(0, ERR_peek_error());
    close_pair(&p);
    return state;
}

static void test_garbage_fails_and_does_no_harm(void **state)
{
    (void)state;
    unsigned char bytes[600];
    srand(4711);
    for (int i = 0; i < 2000; i++) {
        size_t n = (size_t)rand() % sizeof(bytes) + 1;
        for (size_t k = 0; k < n; k++)
            bytes[k] = (unsigned char)rand();
        if (i % 2) { /* a plausible record header, and a plausible message in it */
            memcpy(bytes, "\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03", n < 11 ? n : 11);
        }
        assert_int_equal(TLS_FAILED, feed(bytes, n, true));
    }
}

static void test_cut_and_damaged_hellos(void **state)
{
    (void)state;
    struct pair p;
    unsigned char hello[4096];
    open_pair(&p, f.server, f.client, "a.test");
    assert_int_equal(TLS_AGAIN, tls_handshake(p.client));
    ssize_t n = read(p.server_fd, hello, sizeof(hello));
    assert_true(n > 100);
    close_pair(&p);
    for (ssize_t i = 1; i < n; i++) {
        assert_int_equal(TLS_AGAIN, feed(hello, (size_t)i, false));
        assert_int_equal(TLS_FAILED, feed(hello, (size_t)i, true));
        hello[i] ^= 0xff; /* may be ignored, e.g. in the random: only harm counts */
        feed(hello, (size_t)n, true);
        hello[i] ^= 0xff;
    }
}

static void test_plain_http_is_told_apart(void **state)
{
    (void)state;
    struct pair p;
    char buf[16];
    new_server_side(f.server, &p);
    assert_int_equal(18, write(p.client_fd, "GET / HTTP/1.1\r\n\r\n", 18));
    assert_int_equal(TLS_FAILED, tls_handshake(p.server));
    assert_string_equal("http request", tls_error(p.server));
    assert_true(tls_plain_http(p.server));
    assert_int_equal(-1, read(p.client_fd, buf, sizeof(buf))); /* not even an alert was sent */
    close_pair(&p);
}

static void test_reset_during_the_handshake(void **state)
{
    (void)state;
    struct pair p;
    open_pair(&p, f.server, f.client, NULL);
    assert_int_equal(TLS_AGAIN, tls_handshake(p.client));
    shutdown(p.server_fd, SHUT_WR);
    assert_int_equal(TLS_FAILED, tls_handshake(p.client));
    assert_string_equal("closed by peer during the handshake", tls_error(p.client));
    close_pair(&p);
    struct tls *none = NULL;
    tls_close(&none);
    tls_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_costs_one_recv_and_one_send),
        cmocka_unit_test(test_large_writes_share_a_send_and_arrive_whole),
        cmocka_unit_test(test_what_comes_while_a_record_is_held_is_not_forgotten),
        cmocka_unit_test(test_full_socket_takes_part_and_loses_nothing),
        cmocka_unit_test(test_close_notify_is_a_clean_end),
        cmocka_unit_test(test_half_close_lets_the_other_side_answer),
        cmocka_unit_test(test_truncation_is_seen),
        cmocka_unit_test(test_abort_is_no_clean_end),
        cmocka_unit_test(test_write_to_a_closed_socket_fails_and_reading_goes_on),
        cmocka_unit_test(test_changed_bytes_are_refused),
        cmocka_unit_test(test_foreign_errors_in_the_queue_do_not_matter),
        cmocka_unit_test(test_handshake_byte_by_byte),
        cmocka_unit_test(test_request_behind_the_handshake_is_pending),
        cmocka_unit_test(test_request_before_the_last_flight_left_is_pending),
        cmocka_unit_test(test_garbage_fails_and_does_no_harm),
        cmocka_unit_test(test_cut_and_damaged_hellos),
        cmocka_unit_test(test_plain_http_is_told_apart),
        cmocka_unit_test(test_reset_during_the_handshake),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
