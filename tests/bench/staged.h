/* SPDX-License-Identifier: Apache-2.0 */
/* What measurements of a whole gateway have in common: it is started with one cached service, and
 * ends with the program that measures. */
#ifndef TESTS_BENCH_STAGED_H
#define TESTS_BENCH_STAGED_H

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline void must(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

static inline void sleep_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        continue;
}

static inline double ms_of(struct timespec t)
{
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static inline int listen_on(uint16_t *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    must(fd >= 0 && bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, 1024) == 0 &&
             getsockname(fd, (struct sockaddr *)&at, &n) == 0,
         "listen");
    *port = ntohs(at.sin_port);
    return fd;
}

static inline int connect_to(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    must(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0, "socket");
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline pid_t begin_child(void)
{
    pid_t pid = fork();

    must(pid >= 0, "fork");
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

/* With one cached service, in a directory of its own (`dir` is a template of mkdtemp()). */
static inline pid_t begin_gateway(const char *program, char *dir, int workers, const char *dict,
                                  uint16_t origin, uint16_t *port)
{
    char path[64];

    must(mkdtemp(dir) && chmod(dir, 0755) == 0, "mkdtemp");
    close(listen_on(port));
    snprintf(path, sizeof path, "%s/gw.conf", dir);
    FILE *f = fopen(path, "w");
    must(f != NULL, path);
    fprintf(f,
            "prefix = \"%s\"; user = \"root\"; workers = %d; status_listen = \"off\";\n"
            "log_level = \"notice\"; error_log = \"error.log\"; worker_connections = 4096;\n"
            "keepalive_requests = 100000000; shared_dicts = ( { name = \"gateway_cache\"; %s } );\n"
            "proxy_listen = ( { address = \"127.0.0.1:%u\"; } );\n"
            "services = ( { name = \"o\"; url = \"http://127.0.0.1:%u/\"; retries = 0; routes = (\n"
            "  { name = \"r\"; paths = [ \"/\" ]; plugins = ( { name = \"proxy-cache\";\n"
            "    config = { strategy = \"memory\"; cache_control = true; }; } ); } ); } );\n",
            dir, workers, dict, *port, origin);
    must(fclose(f) == 0, path);
    pid_t pid = begin_child();
    if (pid == 0) {
        execl(program, program, "-c", path, (char *)NULL);
        must(false, program);
    }
    for (int i = 0, fd = -1; fd < 0; i++) {
        must(i < 500, "the gateway does not listen");
        sleep_ms(20);
        fd = connect_to(*port);
        if (fd >= 0)
            close(fd);
    }
    return pid;
}

static inline void end_gateway(pid_t gateway, const char *dir)
{
    char command[128];

    kill(gateway, SIGTERM);
    sleep_ms(300);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    must(system(command) == 0 || errno == ECHILD, command); /* children are nobody's to wait for */
}

/* A process for each connection, which answers until it ends. */
static inline pid_t begin_origin(uint16_t *port, void (*answer)(int fd))
{
    int fd = listen_on(port);
    pid_t pid = begin_child();

    for (signal(SIGCHLD, SIG_IGN); pid == 0;) {
        int client = accept(fd, NULL, NULL);
        must(client >= 0, "accept");
        if (begin_child() == 0) {
            answer(client);
            _exit(0);
        }
        close(client);
    }
    close(fd);
    return pid;
}

#endif
