/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer, whole or not, from a server that says what it is told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "master/ctl/ctl_fetch.h"

struct server {
    int listener;
    const char *answer;
    char address[64], dir[32], asked[4096];
};

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd = accept(s->listener, NULL, NULL);
    ssize_t n = recv(fd, s->asked, sizeof s->asked - 1, 0);

    s->asked[n > 0 ? n : 0] = '\0';
    (void)send(fd, s->answer, strlen(s->answer), MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static const char *fetch(struct server *s, const char *answer, struct ctl_fetch_answer *out)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    struct ctl_fetch_url url;
    pthread_t thread;

    memcpy(s->dir, "/tmp/fetch-test-XXXXXX", sizeof "/tmp/fetch-test-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->address, sizeof s->address, "unix:%s/s", s->dir);
    memcpy(at.sun_path, s->address + 5, strlen(s->address + 5));
    s->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    s->answer = answer;
    assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(s->listener, 4), 0);
    assert_int_equal(pthread_create(&thread, NULL, serve, s), 0);
    assert_true(ctl_fetch_url(SLICE("http://h.example:81?q#f"), &url));
    const char *wrong = ctl_fetch(s->address, &url, SLICE("X: y\r\n"), out);
    pthread_join(thread, NULL);
    close(s->listener);
    unlink(at.sun_path);
    rmdir(s->dir);
    return wrong;
}

static void test_whole_answers(void **state)
{
    static struct server s;
    struct ctl_fetch_answer a;

    (void)state;
    assert_null(
        fetch(&s,
              "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nX-Cache-Status: Miss\r\n"
              "Cache-Status: gateway; fwd=uri-miss; stored\r\nContent-Length: 5\r\n\r\nhello",
              &a));
    assert_string_equal(
        s.asked, "GET /?q HTTP/1.1\r\nHost: h.example:81\r\nUser-Agent: gatewayctl/" GATEWAY_VERSION
                 "\r\nConnection: close\r\nX: y\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.bytes, 5);
    assert_string_equal(a.cache, "Miss");
    assert_true(a.stored);
    assert_null(
        fetch(&s, "HTTP/1.1 404 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", &a));
    assert_true(a.status == 404 && a.bytes == 3 && a.cache[0] == '\0' && !a.stored);
    assert_null(fetch(&s, "HTTP/1.0 200 OK\r\n\r\nto the end", &a));
    assert_int_equal(a.bytes, 10);
    assert_null(fetch(&s, "HTTP/1.1 304 X\r\nContent-Length: 9\r\n\r\n", &a));
}

static void *hang_up(void *arg)
{
    const struct server *s = arg;
    int fd;

    while ((fd = accept(s->listener, NULL, NULL)) >= 0)
        close(fd);
    return NULL;
}

/* Who goes away in the middle of a handshake fails that request, not the whole run. */
static void test_a_server_that_hangs_up(void **state)
{
    struct server s = { .listener = socket(AF_UNIX, SOCK_STREAM, 0) };
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    struct ctl_fetch_answer a;
    struct ctl_fetch_url url;
    pthread_t thread;

    (void)state;
    memcpy(s.dir, "/tmp/fetch-test-XXXXXX", sizeof "/tmp/fetch-test-XXXXXX");
    assert_non_null(mkdtemp(s.dir));
    snprintf(s.address, sizeof s.address, "unix:%s/s", s.dir);
    memcpy(at.sun_path, s.address + 5, strlen(s.address + 5));
    assert_int_equal(bind(s.listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(s.listener, 4), 0);
    assert_int_equal(pthread_create(&thread, NULL, hang_up, &s), 0);
    assert_true(ctl_fetch_url(SLICE("https://h.example/"), &url));
    for (int i = 0; i < 100; i++)
        assert_non_null(ctl_fetch(s.address, &url, SLICE(""), &a));
    shutdown(s.listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(s.listener);
    unlink(at.sun_path);
    rmdir(s.dir);
}

static void test_answers_that_are_not_whole(void **state)
{
    static struct server s;
    struct ctl_fetch_answer a;

    (void)state;
    assert_string_equal(fetch(&s, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", &a),
                        "the answer was cut");
    assert_string_equal(
        fetch(&s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", &a),
        "the answer was cut");
    assert_string_equal(fetch(&s, "HTTP/1.1 200 O", &a), "no answer");
    assert_string_equal(fetch(&s, "nonsense\r\n\r\n", &a), "the answer is malformed");
}

static void test_addresses(void **state)
{
    static const char *const wrong[] = { "", "h:80", "1.2.3.4", "[::1]", ":80", "[]:80" };
    struct ctl_fetch_answer a;
    struct ctl_fetch_url url;

    (void)state;
    assert_true(ctl_fetch_url(SLICE("http://h/"), &url));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_string_equal(ctl_fetch(wrong[i], &url, SLICE(""), &a), "the address is not one");
    assert_string_equal(ctl_fetch("0.0.0.0:1", &url, SLICE(""), &a), "cannot connect");
    assert_string_equal(ctl_fetch("[::]:1", &url, SLICE(""), &a), "cannot connect");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_that_hangs_up),
        cmocka_unit_test(test_whole_answers),
        cmocka_unit_test(test_answers_that_are_not_whole),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
