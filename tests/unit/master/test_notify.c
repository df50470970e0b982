/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd hears, over a path and over an abstract name; silence where nobody listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/notify.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fd;
static char name[64], heard[1024];

static int listen_at(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    strcpy(address.sun_path, name);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    else
        unlink(name); /* of one that died */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    setenv("NOTIFY_SOCKET", name, 1);
    return bind(fd, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name)));
}

static const char *hear(void)
{
    ssize_t n = recv(fd, heard, sizeof heard - 1, 0);

    heard[n < 0 ? 0 : n] = '\0';
    return heard;
}

static int setup_path(void **state)
{
    (void)state;
    snprintf(name, sizeof name, "/tmp/test_notify.%d", (int)getpid());
    return listen_at();
}

static int setup_abstract(void **state)
{
    (void)state;
    snprintf(name, sizeof name, "@test_notify.%d", (int)getpid());
    return listen_at();
}

static int teardown(void **state)
{
    (void)state;
    close(fd);
    unlink(name);
    return 0;
}

static void tells_each_step(void **state)
{
    char pid[64];

    (void)state;
    snprintf(pid, sizeof pid, "READY=1\nMAINPID=%d\nSTATUS=well\n", (int)getpid());
    notify_ready("well");
    assert_string_equal(hear(), pid);
    notify_reloading();
    assert_non_null(strstr(hear(), "RELOADING=1\nMONOTONIC_USEC="));
    assert_true(strtoll(heard + strlen("RELOADING=1\nMONOTONIC_USEC="), NULL, 10) > 0);
    notify_stopping();
    assert_string_equal(hear(), "STOPPING=1\n");
}

static void is_silent_where_nobody_listens(void **state)
{
    char longer[200];

    (void)state;
    unsetenv("NOTIFY_SOCKET");
    notify_ready("x");
    memset(longer, 'x', sizeof longer - 1);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    setenv("NOTIFY_SOCKET", longer, 1);
    notify_ready("x");
    setenv("NOTIFY_SOCKET", "relative", 1);
    notify_ready("x");
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    notify_ready("x");
    assert_string_equal(hear(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells_each_step, setup_path, teardown),
        cmocka_unit_test_setup_teardown(tells_each_step, setup_abstract, teardown),
        cmocka_unit_test_setup_teardown(is_silent_where_nobody_listens, setup_path, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
