/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of the two main jobs: what this kernel charges for the socket calls alone.
 *
 *   floor respond PORT BODY_BYTES      answers every request head with one fixed response
 *   floor relay   PORT UPSTREAM_PORT   copies bytes both ways, one upstream connection per client
 *
 * No parsing beyond finding the blank line, no routing, no timers: no real proxy or cache can cost
 * less with the same calls. It also serves as the benchmark's origin.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FD = 65536 };

static char *response;
static size_t response_len;
static int peer_of[MAX_FD];
static char buffer[65536];

static void watch(int ep, int fd)
{
    struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
    int on = 1, space = 4 << 20;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &space,
               sizeof space); /* a whole response in one write */
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static void write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0)
            return; /* the peer is gone */
        p += w;
        n -= (size_t)w;
    }
}

static void respond(int fd, size_t n)
{
    char *p = buffer, *end;

    while ((end = memmem(p, n, "\r\n\r\n", 4)) != NULL) {
        n -= (size_t)(end + 4 - p);
        p = end + 4;
        write_all(fd, response, response_len);
    }
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

int main(int argc, char **argv)
{
    if (argc != 4 || (strcmp(argv[1], "respond") && strcmp(argv[1], "relay"))) {
        fprintf(stderr, "usage: floor respond PORT BODY_BYTES | floor relay PORT UPSTREAM_PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int relaying = !strcmp(argv[1], "relay");
    int argument = atoi(argv[3]);
    struct sockaddr_in here = loopback(atoi(argv[2])), there = loopback(argument);

    if (!relaying) {
        response = malloc((size_t)argument + 512);
        response_len = (size_t)sprintf(response,
                                       "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 00:00:00 "
                                       "GMT\r\nContent-Type: application/json\r\n"
                                       "Cache-Control: max-age=3600\r\nContent-Length: %d\r\n\r\n",
                                       argument);
        memset(response + response_len, 'x', (size_t)argument);
        response_len += (size_t)argument;
    }

    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 4096)) {
        perror("floor: listen");
        return 1;
    }
    int ep = epoll_create1(0);
    struct epoll_event events[512], e = { .events = EPOLLIN, .data.fd = listener };
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);

    for (;;) {
        int n = epoll_wait(ep, events, 512, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (fd == listener) {
                int client;
                while ((client = accept4(listener, NULL, NULL, 0)) >= 0) {
                    watch(ep, client);
                    if (!relaying)
                        continue;
                    int up = socket(AF_INET, SOCK_STREAM, 0);
                    if (connect(up, (struct sockaddr *)&there, sizeof there)) {
                        perror("floor: connect");
                        return 1;
                    }
                    watch(ep, up);
                    peer_of[client] = up;
                    peer_of[up] = client;
                }
                continue;
            }
            ssize_t got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (got <= 0) {
                if (relaying)
                    shutdown(peer_of[fd], SHUT_RDWR);
                close(fd);
            } else if (relaying) {
                write_all(peer_of[fd], buffer, (size_t)got);
            } else {
                respond(fd, (size_t)got);
            }
        }
    }
}
