/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What probing costs at the least: the bare calls of one probe (socket, connect, send, epoll_ctl,
 * recv, close by a reset), at a steady rate, a batch every 32 ms as the checker's timers make them,
 * waiting in epoll, without a health check behind them. Prints probes a second, the share of one
 * CPU, and us of CPU (user + system, of this process) a probe.
 *
 *   probes_floor port targets rate seconds    its targets are addresses() of bench_balance.py
 */
#include "shm/assert.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, BATCH_MS = 32 };

static const char request[] = "GET / HTTP/1.1\r\nHost: many\r\nUser-Agent: floor\r\n\r\n";
static int epoll;
static long answered;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double spent(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static uint32_t address(uint32_t i)
{
    return 127u << 24 | 1u << 16 | i / 250 << 8 | (i % 250 + 1);
}

static void ask(uint32_t host, uint16_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    must(fd >= 0);
    to.sin_addr.s_addr = htonl(host);
    must(connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS);
    must(send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1);
    e.data.fd = fd;
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == 0);
}

static void hear(const struct epoll_event *e)
{
    static const struct linger hard = { .l_onoff = 1, .l_linger = 0 };
    static char buffer[16384];

    if (!(e->events & EPOLLIN))
        return;
    must(recv(e->data.fd, buffer, sizeof buffer, 0) > 0);
    must(setsockopt(e->data.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard) == 0);
    close(e->data.fd);
    answered++;
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS];

    if (argc != 5) {
        fprintf(stderr, "usage: probes_floor port targets rate seconds\n");
        return 2;
    }
    uint16_t port = (uint16_t)atoi(argv[1]);
    uint32_t targets = (uint32_t)atoi(argv[2]), asked = 0;
    double rate = atof(argv[3]), seconds = atof(argv[4]), began = now();
    must((epoll = epoll_create1(EPOLL_CLOEXEC)) >= 0);
    for (double batch = began; now() - began < seconds;) {
        if (now() >= batch) {
            for (uint32_t due = (uint32_t)((now() - began) * rate); asked < due; asked++)
                ask(address(asked % targets), port);
            batch += BATCH_MS / 1e3;
        }
        int left = (int)((batch - now()) * 1e3) + 1;
        int n = epoll_wait(epoll, events, EVENTS, left > 0 ? left : 0);
        for (int i = 0; i < n; i++)
            hear(&events[i]);
    }
    printf("floor: %.0f probes a second, %.2f %% of one CPU, %.1f us each\n",
           (double)answered / seconds, spent() / seconds * 100, spent() / (double)answered * 1e6);
    return 0;
}
