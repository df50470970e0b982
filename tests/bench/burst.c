/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A burst for one cold key: 1,000 clients ask the gateway (four workers) for an object that nobody
 * has, the origin answers once, 300 ms later. How long after the first one does the last client
 * have its first byte? Beside it the bare cost: four processes that hold 250 sockets each are woken
 * and call sendmsg() with the same bytes, nothing else.
 *
 * Each arrival is stamped by the kernel (SO_TIMESTAMPNS) and read when all is over, so that the
 * client, which shares the machine here, takes no processor from what is measured; with `busy` it
 * waits in epoll instead, as a load generator does, and its own clock is read. Prints the least,
 * median and largest of the rounds in ms, and how many requests reached the origin.
 *
 *   burst build/gateway [rounds [busy]]
 */
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

enum { CLIENTS = 1000, WORKERS = 4, BODY = 1000, ORIGIN_MS = 300, ROUNDS = 20, ROUNDS_MAX = 1000 };

static bool busy;
static _Atomic uint32_t *asked; /* requests that the origin saw */

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

static void sleep_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        continue;
}

static double ms_of(struct timespec t)
{
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int listen_on(uint16_t *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    must(fd >= 0 && bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, CLIENTS) == 0 &&
             getsockname(fd, (struct sockaddr *)&at, &n) == 0,
         "listen");
    *port = ntohs(at.sin_port);
    return fd;
}

static int connect_to(uint16_t port)
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

static pid_t begin_child(void)
{
    pid_t pid = fork();

    must(pid >= 0, "fork");
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

/* --- the origin ----------------------------------------------------------------------------- */

static size_t response(char *out)
{
    int n = sprintf(out,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: max-age=600\r\n"
                    "Content-Length: %d\r\n\r\n",
                    BODY);

    memset(out + n, 'x', BODY);
    return (size_t)n + BODY;
}

static void answer(int fd)
{
    char request[8192], out[BODY + 256];
    size_t n = response(out);

    while (read(fd, request, sizeof request) > 0) {
        atomic_fetch_add(asked, 1);
        sleep_ms(ORIGIN_MS);
        must(write(fd, out, n) == (ssize_t)n, "origin");
    }
    _exit(0);
}

static pid_t begin_origin(uint16_t *port)
{
    int fd = listen_on(port);
    pid_t pid = begin_child();

    for (signal(SIGCHLD, SIG_IGN); pid == 0;) {
        int client = accept(fd, NULL, NULL);
        must(client >= 0, "accept");
        if (begin_child() == 0)
            answer(client);
        close(client);
    }
    close(fd);
    return pid;
}

/* --- the gateway ---------------------------------------------------------------------------- */

static pid_t begin_gateway(const char *program, char *dir, uint16_t origin, uint16_t *port)
{
    char path[64];

    must(mkdtemp(dir) && chmod(dir, 0755) == 0, "mkdtemp");
    close(listen_on(port));
    snprintf(path, sizeof path, "%s/gw.conf", dir);
    FILE *f = fopen(path, "w");
    must(f != NULL, path);
    fprintf(f,
            "prefix = \"%s\"; user = \"root\"; workers = %d; status_listen = \"off\";\n"
            "log_level = \"warn\"; error_log = \"error.log\"; worker_connections = 4096;\n"
            "proxy_listen = ( { address = \"127.0.0.1:%u\"; } );\n"
            "services = ( { name = \"o\"; url = \"http://127.0.0.1:%u/\"; retries = 0; routes = (\n"
            "  { name = \"r\"; paths = [ \"/\" ]; plugins = ( { name = \"proxy-cache\";\n"
            "    config = { strategy = \"memory\"; cache_control = true; }; } ); } ); } );\n",
            dir, WORKERS, *port, origin);
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

/* --- the clients ---------------------------------------------------------------------------- */

static double stamp_of(int fd)
{
    char byte, control[256];
    struct iovec iov = { &byte, 1 };
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };

    must(recvmsg(fd, &m, 0) == 1, "a client got nothing");
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        struct timespec t;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        return ms_of(t);
    }
    must(false, "no time stamp");
    return 0;
}

/* Milliseconds from the first arrival to the last. */
static double spread(const int *fd, int epoll)
{
    double first = 1e300, last = 0;
    struct epoll_event events[CLIENTS];
    struct timespec t;

    if (!busy)
        sleep_ms(ORIGIN_MS + 200);
    for (int i = 0; !busy && i < CLIENTS; i++) {
        double at = stamp_of(fd[i]);
        first = at < first ? at : first;
        last = at > last ? at : last;
    }
    for (int got = 0; busy && got < CLIENTS;) {
        int n = epoll_wait(epoll, events, CLIENTS, 10000);
        must(n > 0, "clients got nothing");
        clock_gettime(CLOCK_MONOTONIC, &t);
        last = ms_of(t);
        first = got == 0 ? last : first;
        got += n;
    }
    return last - first;
}

static void watch(int epoll, int fd)
{
    struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT, .data.fd = fd };

    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == 0, "epoll_ctl");
}

static double burst(uint16_t port, int round)
{
    int fd[CLIENTS], epoll = epoll_create1(0);
    char request[128];
    int n = sprintf(request, "GET /%d-%d HTTP/1.1\r\nHost: h\r\n\r\n", round, busy);

    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = connect_to(port);
        must(fd[i] >= 0, "connect");
    }
    sleep_ms(100); /* all are accepted */
    for (int i = 0; i < CLIENTS; i++) {
        watch(epoll, fd[i]);
        must(write(fd[i], request, (size_t)n) == n, "write");
    }
    double ms = spread(fd, epoll);
    for (int i = 0; i < CLIENTS; i++)
        close(fd[i]);
    close(epoll);
    sleep_ms(50);
    return ms;
}

/* --- the bare calls ------------------------------------------------------------------------- */

static void serve_bare(int epoll, const int *fd, int bell)
{
    struct epoll_event e;
    char out[BODY + 256];
    struct iovec iov = { out, response(out) };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

    watch(epoll, bell);
    must(epoll_wait(epoll, &e, 1, -1) == 1, "epoll_wait");
    for (int i = 0; i < CLIENTS / WORKERS; i++)
        must(sendmsg(fd[i], &m, 0) > 0, "sendmsg");
    _exit(0);
}

static double bare(void)
{
    uint16_t port;
    int listener = listen_on(&port), fd[CLIENTS], server[CLIENTS], bell[WORKERS];
    int epoll = epoll_create1(0);

    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = connect_to(port);
        server[i] = accept(listener, NULL, NULL);
        must(fd[i] >= 0 && server[i] >= 0, "connect");
        watch(epoll, fd[i]);
    }
    for (int i = 0; i < WORKERS; i++) {
        bell[i] = eventfd(0, 0);
        if (begin_child() == 0)
            serve_bare(epoll_create1(0), server + i * (CLIENTS / WORKERS), bell[i]);
    }
    sleep_ms(50);
    if (begin_child() == 0) {
        sleep_ms(50);
        for (int i = 0; i < WORKERS; i++)
            must(eventfd_write(bell[i], 1) == 0, "bell");
        _exit(0);
    }
    double ms = spread(fd, epoll);
    for (int i = 0; i < CLIENTS; i++) {
        close(fd[i]);
        close(server[i]);
    }
    for (int i = 0; i < WORKERS; i++)
        close(bell[i]);
    close(listener);
    close(epoll);
    return ms;
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void print(const char *what, double *ms, int n)
{
    qsort(ms, (size_t)n, sizeof *ms, order);
    printf("%-8s least %6.2f  median %6.2f  largest %6.2f ms from the first byte to the last\n",
           what, ms[0], ms[n / 2], ms[n - 1]);
}

int main(int argc, char **argv)
{
    static double ours[ROUNDS_MAX], floor[ROUNDS_MAX];
    char dir[] = "/tmp/burst.XXXXXX";
    int rounds = argc > 2 ? atoi(argv[2]) : ROUNDS;
    uint16_t origin, port;

    if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX)
        return 2;
    busy = argc > 3;
    asked = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(asked != MAP_FAILED, "mmap");
    pid_t origin_pid = begin_origin(&origin);
    pid_t gateway = begin_gateway(argv[1], dir, origin, &port);
    for (int i = 0; i < rounds; i++) {
        ours[i] = burst(port, i);
        floor[i] = bare();
    }
    printf("%d clients, %d workers, %d rounds%s: %u requests at the origin\n", CLIENTS, WORKERS,
           rounds, busy ? ", a busy client" : "", atomic_load(asked));
    print("gateway", ours, rounds);
    print("sendmsg", floor, rounds);
    kill(gateway, SIGTERM);
    kill(origin_pid, SIGKILL);
    sleep_ms(300);
    return atomic_load(asked) == (uint32_t)rounds ? 0 : 1;
}
