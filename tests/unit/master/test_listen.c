/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets over generations: kept while the address stays, opened before, closed after;
 * nothing half done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/listen.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct world {
    struct conf conf;
    struct conf_listen proxy[4];
    char text[4][64], control[128];
    struct generation g;
};

static char folder[64];
static struct world one, two;
static struct refusal refusal;

static void set_address(struct conf_address *a, char text[64], const char *ip, int port)
{
    memset(a, 0, sizeof *a);
    if (strchr(ip, ':')) {
        a->u.in6.sin6_family = AF_INET6;
        a->u.in6.sin6_port = htons((uint16_t)port);
        inet_pton(AF_INET6, ip, &a->u.in6.sin6_addr);
        a->len = sizeof a->u.in6;
    } else {
        a->u.in.sin_family = AF_INET;
        a->u.in.sin_port = htons((uint16_t)port);
        inet_pton(AF_INET, ip, &a->u.in.sin_addr);
        a->len = sizeof a->u.in;
    }
    snprintf(text, 64, "%s:%d", ip, port);
    a->text = (struct conf_text){ text, strlen(text) };
}

static void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    snprintf(w->control, sizeof w->control, "%s/control.sock", folder);
    w->conf.control_socket = (struct conf_text){ w->control, strlen(w->control) };
    w->conf.control_socket_mode = 0600;
    w->conf.proxy_listen = w->proxy;
    w->g.conf = &w->conf;
}

static void add(struct world *w, const char *ip, int port)
{
    size_t i = w->conf.proxy_listen_n++;
    set_address(&w->proxy[i].address, w->text[i], ip, port);
    w->proxy[i].backlog = 16;
}

/* A port that was free a moment ago, never the same twice, and none that the kernel gives to
 * others who ask for any. */
static int free_port(void)
{
    struct sockaddr_in any = { .sin_family = AF_INET };
    static int last;

    if (last == 0)
        last = 10000 + getpid() % 4000;
    for (int tries = 0; tries < 2000; tries++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        any.sin_port = htons((uint16_t)++last);
        int done = bind(fd, (struct sockaddr *)&any, sizeof any);
        close(fd);
        if (done == 0)
            return last;
    }
    fail_msg("no port is free");
    return 0;
}

static int connects(const char *ip, int port)
{
    struct conf_address a;
    char text[64];
    int fd, done;

    set_address(&a, text, ip, port);
    fd = socket(a.u.any.sa_family, SOCK_STREAM, 0);
    done = connect(fd, &a.u.any, a.len);
    close(fd);
    return done;
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_listen.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    begin(&one);
    begin(&two);
    return 0;
}

static int teardown(void **state)
{
    char path[128];

    (void)state;
    listen_close(&one.g.sockets);
    listen_close(&two.g.sockets);
    snprintf(path, sizeof path, "%s/control.sock", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/other.sock", folder);
    unlink(path);
    return rmdir(folder);
}

static void opens_everything_non_blocking(void **state)
{
    struct stat st;
    int port = free_port();

    (void)state;
    add(&one, "127.0.0.1", port);
    assert_true(listen_take(&one.g, NULL, &refusal));
    listen_commit(&one.g.sockets, NULL);
    assert_int_equal(connects("127.0.0.1", port), 0);
    assert_true(fcntl(one.g.heritage.proxy[0], F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(one.g.heritage.proxy[0], F_GETFD) & FD_CLOEXEC);
    assert_int_equal(one.g.heritage.proxy[1], -1);
    assert_int_equal(one.g.heritage.status, -1);
    assert_int_equal(stat(one.control, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(listen_probe(&one.g.control), LISTEN_ALIVE);
    listen_close(&one.g.sockets);
    assert_int_equal(connects("127.0.0.1", port), -1);
    assert_int_equal(listen_probe(&one.g.control), LISTEN_NONE);
}

static void the_very_socket_stays(void **state)
{
    int kept = free_port(), fd, gone;

    (void)state;
    add(&one, "127.0.0.1", kept);
    add(&one, "127.0.0.2", kept);
    assert_true(listen_take(&one.g, NULL, &refusal));
    listen_commit(&one.g.sockets, NULL);
    fd = one.g.heritage.proxy[0];
    gone = one.g.heritage.proxy[1];
    add(&two, "127.0.0.3", kept);
    add(&two, "127.0.0.1", kept);
    two.conf.control_socket_mode = 0660;
    assert_true(listen_take(&two.g, &one.g, &refusal));
    assert_int_equal(two.g.heritage.proxy[1], fd);
    assert_int_equal(two.g.heritage.control, one.g.heritage.control);
    assert_int_equal(connects("127.0.0.2", kept), 0);
    listen_commit(&two.g.sockets, &one.g.sockets);
    assert_int_equal(one.g.sockets.n, 0);
    assert_int_equal(fcntl(gone, F_GETFD), -1);
    assert_int_equal(connects("127.0.0.2", kept), -1);
    assert_int_equal(connects("127.0.0.1", kept), 0);
    assert_int_equal(connects("127.0.0.3", kept), 0);
}

static void a_refused_set_leaves_nothing(void **state)
{
    int port = free_port(), fresh = free_port();

    (void)state;
    add(&one, "127.0.0.1", port);
    assert_true(listen_take(&one.g, NULL, &refusal));
    listen_commit(&one.g.sockets, NULL);
    add(&two, "127.0.0.1", port);
    add(&two, "127.0.0.1", fresh);
    add(&two, "192.0.2.1", 80);
    assert_false(listen_take(&two.g, &one.g, &refusal));
    assert_non_null(strstr(refusal.text, "192.0.2.1:80: Cannot assign requested address"));
    listen_abandon(&two.g.sockets);
    assert_int_equal(connects("127.0.0.1", fresh), -1);
    assert_int_equal(connects("127.0.0.1", port), 0);
    assert_int_equal(listen_probe(&one.g.control), LISTEN_ALIVE);
}

static void an_address_moves_to_another_that_overlaps(void **state)
{
    int port = free_port();

    (void)state;
    add(&one, "127.0.0.1", port);
    assert_true(listen_take(&one.g, NULL, &refusal));
    listen_commit(&one.g.sockets, NULL);
    add(&two, "0.0.0.0", port);
    if (!listen_take(&two.g, &one.g, &refusal))
        fail_msg("%s", refusal.text);
    listen_commit(&two.g.sockets, &one.g.sockets);
    assert_int_equal(connects("127.0.0.2", port), 0);
    begin(&one);
    add(&one, "127.0.0.1", port);
    if (!listen_take(&one.g, &two.g, &refusal))
        fail_msg("%s", refusal.text);
    listen_commit(&one.g.sockets, &two.g.sockets);
    assert_int_equal(connects("127.0.0.1", port), 0);
    assert_int_equal(connects("127.0.0.2", port), -1);
}

static void what_others_hold_is_refused_by_name(void **state)
{
    int port = free_port();

    (void)state;
    add(&one, "127.0.0.1", port);
    assert_true(listen_take(&one.g, NULL, &refusal));
    add(&two, "127.0.0.1", port);
    assert_false(listen_take(&two.g, NULL, &refusal));
    assert_non_null(strstr(refusal.text, "Address already in use"));
    listen_abandon(&two.g.sockets);
    begin(&two);
    assert_false(listen_take(&two.g, NULL, &refusal)); /* the control socket is alive */
    assert_non_null(strstr(refusal.text, "control.sock: Address already in use"));
    assert_int_equal(listen_probe(&one.g.control), LISTEN_ALIVE);
}

static void the_same_address_twice_is_refused(void **state)
{
    int port = free_port();

    (void)state;
    add(&one, "127.0.0.1", port);
    add(&one, "127.0.0.1", port);
    assert_false(listen_take(&one.g, NULL, &refusal));
    assert_non_null(strstr(refusal.text, "twice"));
}

static void a_stale_socket_file_is_replaced(void **state)
{
    struct conf_address stale;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    assert_true(listen_unix(&stale, one.conf.control_socket));
    assert_int_equal(listen_probe(&stale), LISTEN_NONE);
    assert_int_equal(bind(fd, &stale.u.any, stale.len), 0);
    close(fd);
    assert_int_equal(listen_probe(&stale), LISTEN_STALE);
    assert_true(listen_take(&one.g, NULL, &refusal));
    assert_int_equal(listen_probe(&stale), LISTEN_ALIVE);
}

static void the_control_socket_may_move(void **state)
{
    char path[128];

    (void)state;
    assert_true(listen_take(&one.g, NULL, &refusal));
    listen_commit(&one.g.sockets, NULL);
    snprintf(path, sizeof path, "%s", one.control);
    snprintf(two.control, sizeof two.control, "%s/other.sock", folder);
    two.conf.control_socket.n = strlen(two.control);
    assert_true(listen_take(&two.g, &one.g, &refusal));
    assert_int_equal(access(path, F_OK), 0);
    listen_commit(&two.g.sockets, &one.g.sockets);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(listen_probe(&two.g.control), LISTEN_ALIVE);
}

static void ipv6_does_not_take_ipv4(void **state)
{
    int port = free_port();

    (void)state;
    add(&one, "::", port);
    add(&one, "0.0.0.0", port);
    if (!listen_take(&one.g, NULL, &refusal)) {
        if (strstr(refusal.text, "not supported") || strstr(refusal.text, "Cannot assign"))
            skip();
        fail_msg("%s", refusal.text);
    }
    assert_int_equal(connects("::1", port), 0);
    assert_int_equal(connects("127.0.0.1", port), 0);
}

static void a_test_disturbs_nobody(void **state)
{
    int port = free_port();

    (void)state;
    add(&one, "127.0.0.1", port);
    assert_true(listen_test(&one.conf, false, &refusal));
    assert_int_equal(connects("127.0.0.1", port), -1);
    assert_true(listen_take(&one.g, NULL, &refusal));
    assert_true(listen_test(&one.conf, true, &refusal));
    assert_false(listen_test(&one.conf, false, &refusal));
    assert_int_equal(connects("127.0.0.1", port), 0);
    add(&two, "192.0.2.1", port);
    assert_false(listen_test(&two.conf, true, &refusal));
    assert_non_null(strstr(refusal.text, "192.0.2.1"));
}

static void another_master_inherits_the_sockets(void **state)
{
    struct generation legacy = { 0 };
    struct conf_address addresses[3];
    int port = free_port(), pair[2];

    (void)state;
    add(&one, "127.0.0.1", port);
    assert_true(listen_take(&one.g, NULL, &refusal));
    for (size_t i = 0; i < 2; i++)
        assert_true(listen_inherit(&legacy.sockets, &addresses[i], dup(one.g.sockets.v[i].fd)));
    assert_int_equal(pipe(pair), 0);
    assert_false(listen_inherit(&legacy.sockets, &addresses[2], pair[0]));
    close(pair[0]);
    close(pair[1]);
    listen_leave(&one.g.sockets);
    assert_int_equal(connects("127.0.0.1", port), 0);
    add(&two, "127.0.0.1", port);
    assert_true(listen_take(&two.g, &legacy, &refusal));
    assert_int_equal(two.g.heritage.proxy[0], legacy.sockets.v[0].fd);
    assert_int_equal(two.g.heritage.control, legacy.sockets.v[1].fd);
    listen_commit(&two.g.sockets, &legacy.sockets);
    assert_int_equal(connects("127.0.0.1", port), 0);
    assert_int_equal(access(two.control, F_OK), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(opens_everything_non_blocking),
        TEST(the_very_socket_stays),
        TEST(a_refused_set_leaves_nothing),
        TEST(an_address_moves_to_another_that_overlaps),
        TEST(what_others_hold_is_refused_by_name),
        TEST(the_same_address_twice_is_refused),
        TEST(a_stale_socket_file_is_replaced),
        TEST(the_control_socket_may_move),
        TEST(ipv6_does_not_take_ipv4),
        TEST(a_test_disturbs_nobody),
        TEST(another_master_inherits_the_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
