/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults on demand, for the end-to-end tests: preloaded into the daemon, this makes calls fail as a
 * test says while it runs. What to do is in a small file named by GATEWAY_FAULT_FILE, mapped by the
 * first process and shared with all its children, so that a test switches faults on and off from
 * outside. The layout is known to test_80_faults.py.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum slot { ALLOCATE, ACCEPT, RECEIVE, SEND, CONNECT, POLL, SOCKET, FORK, DISK, SLOTS };
enum scope { EVERYWHERE, CHILDREN, MASTER };

struct fault {
    int32_t every; /* each n-th call fails; 0: none */
    int32_t error; /* with this errno */
    int32_t scope;
    uint32_t calls, hits;
};

static struct {
    struct fault faults[SLOTS];
    int64_t clock; /* seconds added to the wall clock */
} none, *all = (void *)&none;
static pid_t master;

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("GATEWAY_FAULT_FILE");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    void *at = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED) {
        master = getpid();
        all = at;
    }
}

static int fails(enum slot slot)
{
    struct fault *f = &all->faults[slot];
    int32_t every = __atomic_load_n(&f->every, __ATOMIC_ACQUIRE); /* a test may switch it off now */

    if (every <= 0 || (f->scope != EVERYWHERE && (f->scope == MASTER) != (getpid() == master)))
        return 0;
    if (__atomic_add_fetch(&f->calls, 1, __ATOMIC_RELAXED) % (uint32_t)every != 0)
        return 0;
    __atomic_add_fetch(&f->hits, 1, __ATOMIC_RELAXED);
    errno = f->error;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WRAP(type, name, slot, parameters, arguments)                                              \
    type name parameters                                                                           \
    {                                                                                              \
        static type(*real) parameters;                                                             \
        if (real == NULL)                                                                          \
            real = (type(*) parameters)dlsym(RTLD_NEXT, #name);                                    \
        return fails(slot) ? (type)-1 : real arguments;                                            \
    }

/* libconfig 1.5 does not look whether it got memory, so what it asks for is never refused. */
static int is_libconfig(const void *caller)
{
    Dl_info where;

    return dladdr(caller, &where) != 0 && where.dli_fname != NULL &&
           strstr(where.dli_fname, "libconfig") != NULL;
}

static int no_memory(const void *caller)
{
    return all->faults[ALLOCATE].every > 0 && !is_libconfig(caller) && fails(ALLOCATE);
}

void *malloc(size_t n)
{
    return no_memory(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return no_memory(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return n > 0 && no_memory(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}

WRAP(int, accept, ACCEPT, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
WRAP(int, accept4, ACCEPT, (int fd, struct sockaddr *a, socklen_t *n, int flags), (fd, a, n, flags))
WRAP(ssize_t, recv, RECEIVE, (int fd, void *p, size_t n, int flags), (fd, p, n, flags))
WRAP(ssize_t, __recv_chk, RECEIVE, (int fd, void *p, size_t n, size_t room, int flags),
     (fd, p, n, room, flags))
WRAP(ssize_t, recvmsg, RECEIVE, (int fd, struct msghdr *m, int flags), (fd, m, flags))
WRAP(ssize_t, readv, RECEIVE, (int fd, const struct iovec *v, int n), (fd, v, n))
WRAP(ssize_t, send, SEND, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags))
WRAP(ssize_t, sendmsg, SEND, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
WRAP(int, connect, CONNECT, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
WRAP(int, epoll_wait, POLL, (int fd, struct epoll_event *e, int n, int ms), (fd, e, n, ms))
WRAP(int, epoll_pwait, POLL, (int fd, struct epoll_event *e, int n, int ms, const sigset_t *s),
     (fd, e, n, ms, s))
WRAP(int, socket, SOCKET, (int family, int type, int protocol), (family, type, protocol))
WRAP(pid_t, fork, FORK, (void), ())

static int on_disk(int fd)
{
    struct stat st;

    return all->faults[DISK].every > 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int is_socket(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

ssize_t read(int fd, void *p, size_t n)
{
    return all->faults[RECEIVE].every > 0 && is_socket(fd) && fails(RECEIVE) ? -1
                                                                             : REAL(read)(fd, p, n);
}

ssize_t write(int fd, const void *p, size_t n)
{
    if (on_disk(fd) && fails(DISK))
        return -1;
    return all->faults[SEND].every > 0 && is_socket(fd) && fails(SEND) ? -1 : REAL(write)(fd, p, n);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    if (on_disk(fd) && fails(DISK))
        return -1;
    return all->faults[SEND].every > 0 && is_socket(fd) && fails(SEND) ? -1
                                                                       : REAL(writev)(fd, v, n);
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    int rc = REAL(clock_gettime)(clock, t);

    if (rc == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        t->tv_sec += all->clock;
    return rc;
}

time_t time(time_t *out)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    if (out != NULL)
        *out = t.tv_sec;
    return t.tv_sec;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec t;

    (void)tz;
    clock_gettime(CLOCK_REALTIME, &t);
    tv->tv_sec = t.tv_sec;
    tv->tv_usec = t.tv_nsec / 1000;
    return 0;
}
