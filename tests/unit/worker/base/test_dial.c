/* SPDX-License-Identifier: Apache-2.0 */
/* Against listeners of its own, of both kinds: who answers, who does not, who has no room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "worker/base/dial.h"

static struct conf_address loopback(void)
{
    struct conf_address a = { .len = sizeof a.u.in };
    a.u.in.sin_family = AF_INET;
    a.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

/* In the abstract namespace: nothing to remove. */
static struct conf_address abstract(void)
{
    struct conf_address a = { .len = sizeof a.u.un };
    a.u.un.sun_family = AF_UNIX;
    snprintf(a.u.un.sun_path + 1, sizeof a.u.un.sun_path - 1, "test_dial.%d", (int)getpid());
    return a;
}

/* *a becomes the address that it listens at. */
static int listener(struct conf_address *a, int queue)
{
    int fd = socket(a->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &a->u.any, a->len), 0);
    assert_int_equal(getsockname(fd, &a->u.any, &a->len), 0);
    assert_int_equal(listen(fd, queue), 0);
    return fd;
}

static bool connects(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    int error = -1;
    socklen_t n = sizeof error;
    return poll(&p, 1, -1) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && !error;
}

static int hurries(int fd)
{
    int on = -1;
    socklen_t n = sizeof on;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &n), 0);
    return on != 0;
}

static void connects_and_does_not_block(void **state)
{
    (void)state;
    for (int hurry = 0; hurry < 2; hurry++) {
        struct conf_address a = loopback();
        int there = listener(&a, 4), fd = dial(&a, hurry);
        assert_true(fd >= 0 && connects(fd));
        assert_int_equal(hurries(fd), hurry);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        close(fd);
        close(there);
    }
}

static void a_unix_socket_connects_too(void **state)
{
    (void)state;
    struct conf_address a = abstract();
    int there = listener(&a, 4), fd = dial(&a, true);
    assert_true(fd >= 0 && connects(fd));
    close(fd);
    close(there);
}

static void nobody_there_is_refused(void **state)
{
    (void)state;
    struct conf_address unused = abstract();
    errno = 0;
    assert_int_equal(dial(&unused, false), -1);
    assert_int_equal(errno, ECONNREFUSED);
}

static void a_full_queue_is_refused(void **state)
{
    (void)state;
    struct conf_address a = abstract();
    int there = listener(&a, 0), fds[8], n = 0, last = 0;
    while (n < 8 && (last = dial(&a, false)) >= 0)
        fds[n++] = last;
    assert_int_equal(last, -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_true(n > 0);
    while (n > 0)
        close(fds[--n]);
    close(there);
}

static void what_cannot_be_is_said(void **state)
{
    (void)state;
    struct conf_address a = { .len = sizeof a.u.any };
    a.u.any.sa_family = AF_MAX;
    assert_int_equal(dial(&a, false), -1);
    assert_int_equal(errno, EAFNOSUPPORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(connects_and_does_not_block),
                                        cmocka_unit_test(a_unix_socket_connects_too),
                                        cmocka_unit_test(nobody_there_is_refused),
                                        cmocka_unit_test(a_full_queue_is_refused),
                                        cmocka_unit_test(what_cannot_be_is_said) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
