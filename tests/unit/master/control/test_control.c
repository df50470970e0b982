/* SPDX-License-Identifier: Apache-2.0 */
/* The whole process: forked with real listeners, the test plays the master at the other end of the
 * channel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/control/control.h"
#include "master/control/control_conn.h"
#include "tests/unit/master/control/api_fixture.h"
#include "worker/base/log.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

enum { PATIENCE = 120 }; /* s; nothing below takes that long unless it is broken */

struct run {
    struct fixture *f;
    struct sockaddr_un control;
    struct sockaddr_in status;
    int channel;
    pid_t child;
    struct channel_message message;
};

static int listen_unix(struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socklen_t n = sizeof(sa_family_t); /* the kernel picks an abstract name */

    *at = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (bind(fd, (struct sockaddr *)at, n) < 0 || listen(fd, 128) < 0)
        return -1;
    n = sizeof *at;
    return getsockname(fd, (struct sockaddr *)at, &n) < 0 ? -1 : fd;
}

static int listen_inet(struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socklen_t n = sizeof *at;

    *at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (bind(fd, (struct sockaddr *)at, n) < 0 || listen(fd, 128) < 0)
        return -1;
    return getsockname(fd, (struct sockaddr *)at, &n) < 0 ? -1 : fd;
}

/* Waits for a message from the child. */
static bool hear(struct run *r, enum channel_op op)
{
    struct pollfd p = { .fd = r->channel, .events = POLLIN };

    return poll(&p, 1, PATIENCE * 1000) == 1 && channel_receive(r->channel, &r->message) == 1 &&
           r->message.op == op;
}

static int setup(void **state)
{
    struct run *r = calloc(1, sizeof *r);
    int pair[2];

    r->f = fixture_make();
    if (r->f == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) < 0)
        return 1;
    r->f->heritage.control = listen_unix(&r->control);
    r->f->heritage.status = listen_inet(&r->status);
    r->f->heritage.channel = pair[1];
    r->channel = pair[0];
    r->child = fork();
    if (r->child == 0) {
        close(pair[0]);
        log_open("/dev/null", LOG_LEVEL_ERROR, "test");
        _exit(control_main(&r->f->heritage));
    }
    close(pair[1]);
    close(r->f->heritage.control);
    close(r->f->heritage.status);
    *state = r;
    return r->child < 0 || !hear(r, CHANNEL_READY);
}

static int teardown(void **state)
{
    struct run *r = *state;

    if (r->child > 0) {
        kill(r->child, SIGKILL);
        waitpid(r->child, NULL, 0);
    }
    close(r->channel);
    fixture_free(r->f);
    free(r);
    return 0;
}

static int dial(const struct run *r)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct timeval patience = { .tv_sec = PATIENCE };
    socklen_t n = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 6; /* NUL and five digits */

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (const struct sockaddr *)&r->control, n), 0);
    return fd;
}

static int dial_status(const struct run *r)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = { .tv_sec = PATIENCE };

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (const struct sockaddr *)&r->status, sizeof r->status), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads to the end of the stream. */
static void read_end(int fd, char *out, size_t cap)
{
    size_t n = 0;
    ssize_t got = 1;

    while (n + 1 < cap && (got = recv(fd, out + n, cap - n - 1, 0)) > 0)
        n += (size_t)got;
    assert_int_equal(got, 0);
    out[n] = '\0';
    close(fd);
}

static void ask(int fd, const char *line, char *out, size_t cap)
{
    char request[256];

    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", line);
    say(fd, request);
    read_end(fd, out, cap);
}

static int ended(struct run *r)
{
    int status = -1;

    alarm(PATIENCE); /* a child that stays is a failure, not a hang */
    waitpid(r->child, &status, 0);
    alarm(0);
    r->child = -1;
    return status;
}

static void test_serves(void **state)
{
    struct run *r = *state;
    char out[65536];

    ask(dial(r), "GET /workers", out, sizeof out);
    assert_int_equal(fixture_status(out), 200);
    assert_non_null(strstr(out, "\"role\":\"control\""));
    assert_non_null(strstr(out, "\"doing\":\"serving\""));
    ask(dial_status(r), "GET /metrics", out, sizeof out);
    assert_int_equal(fixture_status(out), 200);
    ask(dial_status(r), "GET /workers", out, sizeof out);
    assert_int_equal(fixture_status(out), 404);
}

/* A half-closed socket takes bytes still, a closed one does not. */
static void test_the_end_is_said_before_the_close(void **state)
{
    int fd = dial(*state);
    char out[4096];

    say(fd, "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    while (recv(fd, out, sizeof out, 0) > 0)
        ;
    say(fd, "more");
    close(fd);
}

static void test_answers_of_the_master_find_their_callers(void **state)
{
    struct run *r = *state;
    int first = dial(r), second = dial(r);
    uint64_t reload, reopen;
    char out[4096];

    say(first, "POST /reload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_true(hear(r, CHANNEL_RELOAD));
    reload = r->message.id;
    say(second, "POST /reopen HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_true(hear(r, CHANNEL_REOPEN));
    reopen = r->message.id;
    assert_int_not_equal(reload, reopen);
    assert_true(
        channel_send(r->channel, CHANNEL_RESULT, 0, reload + reopen + 1, "nobody asked", 12));
    assert_true(channel_send(r->channel, CHANNEL_RESULT, 0, reopen, "reopened", 8));
    assert_true(channel_send(r->channel, CHANNEL_RESULT, 1, reload, "gateway.conf:1: bad\n", 20));
    read_end(second, out, sizeof out);
    assert_int_equal(fixture_status(out), 200);
    assert_non_null(strstr(out, "{\"message\":\"reopened\"}"));
    read_end(first, out, sizeof out);
    assert_int_equal(fixture_status(out), 422);
    assert_non_null(strstr(out, "\"errors\":[\"gateway.conf:1: bad\"]"));
}

static void test_retires_after_the_pending_answer(void **state)
{
    struct run *r = *state;
    int fd = dial(r), idle = dial(r);
    char out[4096];

    say(idle, "GET /version HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(recv(idle, out, sizeof out, 0) > 0);
    say(fd, "POST /reload HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(hear(r, CHANNEL_RELOAD));
    assert_true(channel_send(r->channel, CHANNEL_RETIRE, 0, 0, NULL, 0));
    assert_true(channel_send(r->channel, CHANNEL_RESULT, 0, r->message.id, "generation 4", 12));
    read_end(fd, out, sizeof out);
    assert_int_equal(fixture_status(out), 200);
    assert_non_null(strstr(out, "\r\nConnection: close\r\n"));
    say(idle, "GET /version HTTP/1.1\r\nHost: x\r\n\r\n"); /* a kept connection may ask once more */
    read_end(idle, out, sizeof out);
    assert_int_equal(fixture_status(out), 200);
    assert_non_null(strstr(out, "\r\nConnection: close\r\n"));
    assert_int_equal(ended(r), 0);
}

static void test_stop_is_answered_before_the_end(void **state)
{
    struct run *r = *state;
    int fd = dial(r);
    char out[4096];

    say(fd, "POST /stop HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(hear(r, CHANNEL_STOP));
    kill(r->child, SIGTERM);
    read_end(fd, out, sizeof out);
    assert_int_equal(fixture_status(out), 200);
    assert_int_equal(ended(r), 0);
}

static void test_ends_with_the_master(void **state)
{
    struct run *r = *state;

    close(r->channel);
    r->channel = -1;
    assert_int_equal(ended(r), 0);
}

static void test_ignores_what_a_terminal_sends(void **state)
{
    struct run *r = *state;
    char out[4096];

    kill(r->child, SIGINT);
    kill(r->child, SIGHUP);
    ask(dial(r), "GET /version", out, sizeof out);
    assert_int_equal(fixture_status(out), 200);
}

static void test_one_door_too_full(void **state)
{
    struct run *r = *state;
    int fds[CONTROL_CONN_MAX + 1];
    char out[4096];

    for (int i = 0; i < CONTROL_CONN_MAX; i++) {
        fds[i] = dial_status(r);
        say(fds[i], "GET /status HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_true(recv(fds[i], out, sizeof out, 0) > 0);
    }
    fds[CONTROL_CONN_MAX] = dial_status(r);
    read_end(fds[CONTROL_CONN_MAX], out, sizeof out);
    assert_int_equal(fixture_status(out), 503);
    ask(dial(r), "GET /version", out, sizeof out); /* the other door is open */
    assert_int_equal(fixture_status(out), 200);
    for (int i = 0; i < CONTROL_CONN_MAX; i++)
        close(fds[i]);
}

static void test_a_flood_of_requests_shuts_nobody_out(void **state)
{
    struct run *r = *state;
    int flood = dial(r);
    char out[65536];

    for (int i = 0; i < 100; i++)
        say(flood, "GET /version HTTP/1.1\r\nHost: x\r\n\r\n");
    ask(dial(r), "GET /version", out, sizeof out);
    assert_int_equal(fixture_status(out), 200);
    say(flood, "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    read_end(flood, out, sizeof out);
    unsigned answers = 0;
    for (const char *at = out; (at = strstr(at, "HTTP/1.1 200")) != NULL; at++)
        answers++;
    assert_int_equal(answers, 101);
}

static void test_a_refusal_arrives_whatever_is_sent_on(void **state)
{
    struct run *r = *state;
    int fd = dial_status(r);
    char *junk = malloc(200000), out[4096];

    memset(junk, 'a', 200000);
    say(fd, "POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n");
    (void)send(fd, junk, 200000, MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    read_end(fd, out, sizeof out);
    assert_int_equal(fixture_status(out), 413);
    free(junk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_serves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_end_is_said_before_the_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_of_the_master_find_their_callers, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_retires_after_the_pending_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_is_answered_before_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends_with_the_master, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ignores_what_a_terminal_sends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_door_too_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_flood_of_requests_shuts_nobody_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_refusal_arrives_whatever_is_sent_on, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
