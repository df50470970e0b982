/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel that is busy, for the end-to-end tests: preloaded into the daemon, this puts calls off
 * (EAGAIN), cuts them short (a few bytes of many, one event of many) and interrupts them (EINTR),
 * each by chance, one call in so many. Nothing that it does may break a correct program, so it is
 * honest about edges: who is told EAGAIN, or gets less than there was, of a descriptor that an
 * epoll set watches edge-triggered has been promised a new edge, and setting the same events again
 * makes the kernel give one. EAGAIN is only told of descriptors that do not block, and only byte
 * streams are cut. What to do is in a small file named by GATEWAY_BUSY_FILE, mapped by the first
 * process and shared with all its children; test_81_busy.py knows its layout.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "dice.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum call { RECEIVE, SEND, ACCEPT, CONNECT, READ, WAIT, CALLS };
enum way { PUT_OFF, CUT, INTERRUPTED, WAYS };
enum { WATCHED_MAX = 65536, PARTS_MAX = 64 };

static struct shared {
    int32_t one_in[WAYS]; /* 0: never */
    uint32_t seed, processes;
    uint32_t hits[CALLS][WAYS];
} none, *all = &none;

static struct {
    int epoll;
    struct epoll_event event;
} watched[WATCHED_MAX]; /* by descriptor: where and how it is watched last; events 0: it is not */

#define REALS(X)                                                                                   \
    X(ssize_t, recv, (int fd, void *p, size_t n, int flags))                                       \
    X(ssize_t, send, (int fd, const void *p, size_t n, int flags))                                 \
    X(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags))                               \
    X(ssize_t, read, (int fd, void *p, size_t n))                                                  \
    X(int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int flags))                         \
    X(int, connect, (int fd, const struct sockaddr *a, socklen_t n))                               \
    X(int, epoll_ctl, (int fd, int op, int of, struct epoll_event *e))                             \
    X(int, epoll_wait, (int fd, struct epoll_event *e, int n, int ms))                             \
    X(int, poll, (struct pollfd * p, nfds_t n, int ms))

#define REAL_POINTER(type, name, parameters) type(*name) parameters;
static struct {
    REALS(REAL_POINTER)
} real;

static void find_real(void)
{
#define REAL_FIND(type, name, parameters)                                                          \
    real.name = (__typeof__(real.name))dlsym(RTLD_NEXT, #name);
    if (!real.recv) {
        REALS(REAL_FIND)
    }
}

/* Every process rolls its own dice. */
static void seed(void)
{
    uint32_t number = __atomic_add_fetch(&all->processes, 1, __ATOMIC_RELAXED);

    dice_seed(all->seed, number);
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("GATEWAY_BUSY_FILE");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;

    find_real();
    if (fd < 0)
        return;
    void *at = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED)
        return;
    all = at;
    seed();
    pthread_atfork(NULL, NULL, seed);
}

static bool happens(enum call call, enum way way)
{
    int32_t one_in = all->one_in[way];

    if (one_in <= 0 || dice_roll() % (uint32_t)one_in != 0)
        return false;
    __atomic_add_fetch(&all->hits[call][way], 1, __ATOMIC_RELAXED);
    return true;
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t n = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM;
}

/* The edge that was promised. Level-triggered watchers are told again anyhow. */
static void give_edge(int fd)
{
    int saved = errno;

    if (fd >= 0 && fd < WATCHED_MAX && watched[fd].event.events & EPOLLET)
        real.epoll_ctl(watched[fd].epoll, EPOLL_CTL_MOD, fd, &watched[fd].event);
    errno = saved;
}

/* True: the call fails, errno says how. */
static bool fails(enum call call, int fd, int flags)
{
    int saved = errno;
    bool waits_not = flags & MSG_DONTWAIT || fcntl(fd, F_GETFL) & O_NONBLOCK;

    errno = saved;
    if (happens(call, INTERRUPTED)) {
        errno = EINTR;
        return true;
    }
    if (!waits_not || !happens(call, PUT_OFF))
        return false;
    give_edge(fd);
    errno = EAGAIN;
    return true;
}

/* How many of n bytes a call gets to move. */
static size_t cut(enum call call, int fd, size_t n)
{
    int saved = errno;

    if (n > 1 && is_stream(fd) && happens(call, CUT))
        n = 1 + dice_roll() % (n - 1 < 3 ? n - 1 : 3);
    errno = saved;
    return n;
}

static ssize_t moved(int fd, size_t asked, size_t of, ssize_t n)
{
    if (asked < of && n > 0)
        give_edge(fd);
    return n;
}

ssize_t recv(int fd, void *p, size_t n, int flags)
{
    find_real(); /* another library's constructor may have come first */
    if (fails(RECEIVE, fd, flags))
        return -1;
    size_t asked = cut(RECEIVE, fd, n);
    return moved(fd, asked, n, real.recv(fd, p, asked, flags));
}

ssize_t __recv_chk(int fd, void *p, size_t n, size_t room, int flags)
{
    return n <= room ? recv(fd, p, n, flags) : (abort(), -1);
}

/* Files are left alone, and so are counters, whose edges do not depend on who reads them. */
ssize_t read(int fd, void *p, size_t n)
{
    struct stat st;

    find_real();
    if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) && fails(READ, fd, 0))
        return -1;
    return real.read(fd, p, n);
}

ssize_t __read_chk(int fd, void *p, size_t n, size_t room)
{
    return n <= room ? read(fd, p, n) : (abort(), -1);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
    find_real();
    if (fails(SEND, fd, flags))
        return -1;
    size_t asked = cut(SEND, fd, n);
    return moved(fd, asked, n, real.send(fd, p, asked, flags));
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    struct iovec part[PARTS_MAX];
    struct msghdr some = *m;
    size_t n = 0;

    find_real();
    if (fails(SEND, fd, flags))
        return -1;
    for (size_t i = 0; i < m->msg_iovlen; i++)
        n += m->msg_iov[i].iov_len;
    size_t asked = m->msg_iovlen <= PARTS_MAX ? cut(SEND, fd, n) : n, left = asked;
    if (asked == n)
        return real.sendmsg(fd, m, flags);
    some.msg_iov = part;
    for (some.msg_iovlen = 0; left > 0; some.msg_iovlen++) {
        struct iovec *v = &part[some.msg_iovlen];
        *v = m->msg_iov[some.msg_iovlen];
        v->iov_len = v->iov_len < left ? v->iov_len : left;
        left -= v->iov_len;
    }
    return moved(fd, asked, n, real.sendmsg(fd, &some, flags));
}

int accept4(int fd, struct sockaddr *a, socklen_t *n, int flags)
{
    find_real();
    return fails(ACCEPT, fd, 0) ? -1 : real.accept4(fd, a, n, flags);
}

/* An interrupted connect goes on all the same (connect(2), EINTR); on a Unix socket it has not
 * begun. */
int connect(int fd, const struct sockaddr *a, socklen_t n)
{
    find_real();
    if (a->sa_family == AF_UNIX && happens(CONNECT, INTERRUPTED)) {
        errno = EINTR;
        return -1;
    }
    int rc = real.connect(fd, a, n);
    if (a->sa_family != AF_UNIX && (rc == 0 || errno == EINPROGRESS) &&
        happens(CONNECT, INTERRUPTED)) {
        errno = EINTR;
        return -1;
    }
    return rc;
}

int epoll_ctl(int fd, int op, int of, struct epoll_event *e)
{
    find_real();
    int rc = real.epoll_ctl(fd, op, of, e);
    if (rc == 0 && of >= 0 && of < WATCHED_MAX) {
        watched[of].epoll = fd;
        watched[of].event = op == EPOLL_CTL_DEL ? (struct epoll_event){ 0 } : *e;
    }
    return rc;
}

int epoll_wait(int fd, struct epoll_event *e, int n, int ms)
{
    find_real();
    if (happens(WAIT, INTERRUPTED)) {
        errno = EINTR;
        return -1;
    }
    return real.epoll_wait(fd, e, n > 1 && happens(WAIT, CUT) ? 1 : n, ms);
}

int poll(struct pollfd *p, nfds_t n, int ms)
{
    find_real();
    if (happens(WAIT, INTERRUPTED)) {
        errno = EINTR;
        return -1;
    }
    return real.poll(p, n, ms);
}

int __poll_chk(struct pollfd *p, nfds_t n, int ms, size_t room)
{
    return n * sizeof *p <= room ? poll(p, n, ms) : (abort(), -1);
}
