/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a slow reader takes and when, it gets every byte once and in order; nothing is kept when
 * all has gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/outbuf.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned char at(uint64_t i)
{
    return (unsigned char)(i * 2654435761u >> 11);
}

static void open_pair(int fd[2], struct transport *t)
{
    int small = 4096;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    *t = (struct transport){ .io = { .fd = fd[0] }, .writable = true, .readable = true };
}

/* Reads what is there and compares; returns the new position. */
static uint64_t drink(int fd, uint64_t position, size_t most)
{
    unsigned char buf[3000];
    ssize_t n = read(fd, buf, most < sizeof buf ? most : sizeof buf);

    for (ssize_t i = 0; i < n; i++)
        assert_int_equal(buf[i], at(position + (uint64_t)i));
    return n > 0 ? position + (uint64_t)n : position;
}

static void a_slow_reader_gets_every_byte(void **state)
{
    static unsigned char chunk[3][5000];
    struct outbuf o = { 0 };
    struct transport t;
    int fd[2];
    uint64_t sent = 0, seen = 0;

    (void)state;
    open_pair(fd, &t);
    srand(5);
    for (int round = 0; round < 400; round++) {
        struct iovec iov[3];
        for (int k = 0; k < 3; k++) {
            size_t n = (size_t)rand() % sizeof chunk[0];
            for (size_t i = 0; i < n; i++)
                chunk[k][i] = at(sent++);
            iov[k] = (struct iovec){ chunk[k], n };
        }
        assert_true(outbuf_send(&o, &t, iov, 3));
        while (!outbuf_empty(&o)) {
            seen = drink(fd[1], seen, 1 + (size_t)rand() % 3000);
            t.writable = true; /* as an event would say */
            assert_true(outbuf_flush(&o, &t));
        }
        assert_null(o.p);
    }
    while (seen < sent)
        seen = drink(fd[1], seen, 3000);
    outbuf_free(&o);
    close(fd[0]);
    close(fd[1]);
}

static void a_closed_peer_is_a_break(void **state)
{
    struct outbuf o = { 0 };
    struct transport t;
    int fd[2];
    struct iovec iov = { "x", 1 };

    (void)state;
    open_pair(fd, &t);
    close(fd[1]);
    assert_false(outbuf_send(&o, &t, &iov, 1));
    assert_int_equal(errno, EPIPE);
    outbuf_free(&o);
    close(fd[0]);
}

static void a_read_that_is_short_says_drained(void **state)
{
    struct transport t;
    char buf[100];
    int fd[2];

    (void)state;
    open_pair(fd, &t);
    assert_int_equal(write(fd[1], "hello", 5), 5);
    assert_int_equal(transport_read(&t, buf, sizeof buf), 5);
    assert_false(t.readable);
    assert_int_equal(transport_read(&t, buf, sizeof buf), -1);
    assert_int_equal(errno, EAGAIN);
    /* a hang-up was announced: the end has to be read as well */
    assert_int_equal(write(fd[1], "bye", 3), 3);
    close(fd[1]);
    transport_event(&t, EPOLLIN | EPOLLRDHUP);
    assert_int_equal(transport_read(&t, buf, sizeof buf), 3);
    assert_true(t.readable);
    assert_int_equal(transport_read(&t, buf, sizeof buf), 0);
    transport_close(&t, false);
    assert_int_equal(t.io.fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_reader_gets_every_byte),
        cmocka_unit_test(a_closed_peer_is_a_break),
        cmocka_unit_test(a_read_that_is_short_says_drained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
