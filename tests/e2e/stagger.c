/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that lose the processor where it hurts, for the end-to-end tests: preloaded into the
 * daemon, this sleeps after one call in GATEWAY_STAGGER, some milliseconds, now and then a tenth of
 * a second. Between a worker's answer and what it does next anything may happen on a busy machine,
 * and neither the gateway nor a test of it may count on the contrary. The harness preloads it, and
 * dawdles likewise, when GATEWAY_STAGGER is set (tests/run does not).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "dice.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint32_t one_in;

static void seed(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    dice_seed((uint32_t)now.tv_nsec, (uint32_t)getpid());
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("GATEWAY_STAGGER");

    one_in = text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 0;
    seed();
    pthread_atfork(NULL, NULL, seed);
}

static void lose_the_processor(void)
{
    int saved = errno;

    if (one_in > 0 && dice_roll() % one_in == 0) {
        uint32_t most = dice_roll() % 16 == 0 ? 100000 : 8000; /* us */
        struct timespec t = { 0, (long)(dice_roll() % most) * 1000 };
        nanosleep(&t, NULL);
    }
    errno = saved;
}

#define STAGGER(type, name, parameters, arguments)                                                 \
    type name parameters                                                                           \
    {                                                                                              \
        static type(*real) parameters;                                                             \
        if (!real)                                                                                 \
            real = (__typeof__(real))dlsym(RTLD_NEXT, #name);                                      \
        type result = real arguments;                                                              \
        lose_the_processor();                                                                      \
        return result;                                                                             \
    }

STAGGER(ssize_t, recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags))
STAGGER(ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags))
STAGGER(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
STAGGER(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))
STAGGER(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
STAGGER(int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int flags), (fd, a, n, flags))
STAGGER(int, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
STAGGER(int, shutdown, (int fd, int how), (fd, how))
STAGGER(int, close, (int fd), (fd))
STAGGER(int, epoll_wait, (int fd, struct epoll_event *e, int n, int ms), (fd, e, n, ms))
STAGGER(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options))
