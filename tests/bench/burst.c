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
#include "tests/bench/staged.h"
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

enum { CLIENTS = 1000, WORKERS = 4, BODY = 1000, ORIGIN_MS = 300, ROUNDS = 20, ROUNDS_MAX = 1000 };

static bool busy;
static _Atomic uint32_t *asked; /* requests that the origin saw */

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
    pid_t gateway = begin_gateway(argv[1], dir, WORKERS, "size = \"32m\";", origin, &port);
    for (int i = 0; i < rounds; i++) {
        ours[i] = burst(port, i);
        floor[i] = bare();
    }
    printf("%d clients, %d workers, %d rounds%s: %u requests at the origin\n", CLIENTS, WORKERS,
           rounds, busy ? ", a busy client" : "", atomic_load(asked));
    print("gateway", ours, rounds);
    print("sendmsg", floor, rounds);
    end_gateway(gateway, dir);
    kill(origin_pid, SIGKILL);
    return atomic_load(asked) == (uint32_t)rounds ? 0 : 1;
}
