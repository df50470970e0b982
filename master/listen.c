/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket is known by its address. All workers of all generations share the one socket of an
 * address, so that nothing that waits in its queue is lost at a reload. New sockets are opened
 * before anything changes; those that are no longer wanted are closed after the new generation
 * serves. An address that overlaps with one that is held (127.0.0.1:80 after 0.0.0.0:80) would be
 * in use until then: for that moment both sockets get SO_REUSEPORT.
 */
#include "master/listen.h"
#include "master/files.h"
#include "worker/base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 128, LISTEN_OPEN_MODE = 0666 };

/* --- addresses ------------------------------------------------------------------------- */

bool listen_unix(struct conf_address *address, struct conf_text path)
{
    memset(address, 0, sizeof *address);
    if (path.n >= sizeof address->u.un.sun_path)
        return false;
    address->u.un.sun_family = AF_UNIX;
    memcpy(address->u.un.sun_path, path.s, path.n);
    address->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n + 1);
    address->text = path;
    return true;
}

static bool listen_is_unix(const struct conf_address *a)
{
    return a->u.any.sa_family == AF_UNIX;
}

static bool listen_same(const struct conf_address *a, const struct conf_address *b)
{
    if (a->u.any.sa_family != b->u.any.sa_family)
        return false;
    switch (a->u.any.sa_family) {
    case AF_INET:
        return a->u.in.sin_port == b->u.in.sin_port &&
               a->u.in.sin_addr.s_addr == b->u.in.sin_addr.s_addr;
    case AF_INET6:
        return a->u.in6.sin6_port == b->u.in6.sin6_port &&
               a->u.in6.sin6_scope_id == b->u.in6.sin6_scope_id &&
               memcmp(&a->u.in6.sin6_addr, &b->u.in6.sin6_addr, sizeof a->u.in6.sin6_addr) == 0;
    default:
        return strcmp(a->u.un.sun_path, b->u.un.sun_path) == 0;
    }
}

static struct listen_socket *listen_find(struct listen_set *set, const struct conf_address *a)
{
    for (size_t i = 0; i < set->n; i++)
        if (listen_same(set->v[i].address, a))
            return &set->v[i];
    return NULL;
}

enum listen_life listen_probe(const struct conf_address *address)
{
    int why, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return LISTEN_UNKNOWN;
    do
        why = connect(fd, &address->u.any, address->len) < 0 ? errno : 0;
    while (why == EINTR);
    (void)close(fd);
    errno = why;
    switch (why) {
    case 0:
    case EAGAIN: /* its queue is full, so somebody owns it */
        return LISTEN_ALIVE;
    case ENOENT:
        return LISTEN_NONE;
    case ECONNREFUSED:
        return LISTEN_STALE;
    default:
        return LISTEN_UNKNOWN;
    }
}

/* --- opening --------------------------------------------------------------------------- */

static void listen_option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static int listen_socket_for(const struct conf_address *a)
{
    int family = a->u.any.sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || family == AF_UNIX)
        return fd;
    listen_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    listen_option(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* accepted sockets inherit it */
    if (family == AF_INET6)
        listen_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    return fd;
}

/* A connect() to any file that is no socket looks like a stale one; that file is somebody's. */
static bool listen_remove_stale(const char *path)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno == ENOENT;
    if (!S_ISSOCK(st.st_mode)) {
        errno = EEXIST;
        return false;
    }
    return unlink(path) == 0 || errno == ENOENT;
}

/* The directory may belong to the user of the other processes, who could put a link to any file in
 * the socket's place: the mode is given to a socket or to nothing. */
static bool listen_chmod(const char *path, int mode)
{
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), why;
    char name[32];
    struct stat st;
    bool done;

    if (fd < 0)
        return false;
    (void)snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    errno = ENOTSOCK;
    done = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && chmod(name, (mode_t)mode) == 0;
    why = errno;
    (void)close(fd);
    errno = why;
    return done;
}

/* Removes the file that a dead process left. */
static bool listen_clear_path(const struct conf_address *a)
{
    switch (listen_probe(a)) {
    case LISTEN_NONE:
        return true;
    case LISTEN_STALE:
        return listen_remove_stale(a->u.un.sun_path);
    case LISTEN_ALIVE:
        errno = EADDRINUSE;
        return false;
    default:
        return false;
    }
}

static bool listen_bind_unix(int fd, const struct conf_address *a, int mode)
{
    mode_t mask;
    bool bound;

    if (!listen_clear_path(a))
        return false;
    mask = umask(0777 & ~(mode_t)mode);
    bound = bind(fd, &a->u.any, a->len) == 0;
    (void)umask(mask);
    return bound && listen_chmod(a->u.un.sun_path, mode);
}

static in_port_t listen_port(const struct conf_address *a)
{
    return a->u.any.sa_family == AF_INET6 ? a->u.in6.sin6_port : a->u.in.sin_port;
}

static void listen_share_port(struct listen_set *old, const struct conf_address *a, int value)
{
    for (size_t i = 0; i < old->n; i++) {
        const struct conf_address *o = old->v[i].address;
        if (o->u.any.sa_family == a->u.any.sa_family && !listen_is_unix(o) &&
            listen_port(o) == listen_port(a))
            listen_option(old->v[i].fd, SOL_SOCKET, SO_REUSEPORT, value);
    }
}

static bool listen_bind_tcp(int fd, const struct listen_socket *s, struct listen_set *old)
{
    const struct conf_address *a = s->address;
    bool done;

    if (bind(fd, &a->u.any, a->len) == 0 && listen(fd, s->backlog) == 0)
        return true;
    if (errno != EADDRINUSE || old == NULL)
        return false;
    listen_share_port(old, a, 1);
    listen_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    done = bind(fd, &a->u.any, a->len) == 0 && listen(fd, s->backlog) == 0;
    listen_option(fd, SOL_SOCKET, SO_REUSEPORT, 0);
    listen_share_port(old, a, 0);
    if (!done)
        errno = EADDRINUSE;
    return done;
}

static int listen_open(const struct listen_socket *s, struct listen_set *old)
{
    int fd = listen_socket_for(s->address), why;
    bool done;

    if (fd < 0)
        return -1;
    if (listen_is_unix(s->address))
        done = listen_bind_unix(fd, s->address, s->mode) && listen(fd, s->backlog) == 0;
    else
        done = listen_bind_tcp(fd, s, old);
    if (done)
        return fd;
    why = errno;
    (void)close(fd);
    errno = why;
    return -1;
}

/* --- sets ------------------------------------------------------------------------------ */

/* Adds the socket that `want` describes to the set; returns its descriptor, or -1. */
static int listen_add(struct listen_set *set, struct listen_set *old, struct listen_socket want,
                      struct refusal *refusal)
{
    const struct listen_socket *kept = old ? listen_find(old, want.address) : NULL;

    if (want.address->len == 0)
        return -1;
    if (set->n == MASTER_SOCKETS || listen_find(set, want.address)) {
        (void)refusal_say(refusal, "the address %s is asked for twice", want.address->text.s);
        return -1;
    }
    want.fresh = kept == NULL;
    want.fd = kept ? kept->fd : listen_open(&want, old);
    if (want.fd < 0)
        (void)refusal_errno(refusal, "cannot listen on %s", want.address->text.s);
    else
        set->v[set->n++] = want;
    return want.fd;
}

static bool listen_take_proxy(struct generation *g, struct listen_set *old, struct refusal *refusal)
{
    const struct conf *c = g->conf;

    if (c->proxy_listen_n > HERITAGE_LISTENERS_MAX)
        return refusal_say(refusal, "%zu addresses in proxy_listen, at most %d", c->proxy_listen_n,
                           HERITAGE_LISTENERS_MAX);
    for (size_t i = 0; i < c->proxy_listen_n; i++) {
        struct listen_socket want = { .address = &c->proxy_listen[i].address,
                                      .backlog = c->proxy_listen[i].backlog,
                                      .mode = LISTEN_OPEN_MODE };
        g->heritage.proxy[i] = listen_add(&g->sockets, old, want, refusal);
        if (g->heritage.proxy[i] < 0)
            return false;
    }
    return true;
}

bool listen_take(struct generation *g, struct generation *old, struct refusal *refusal)
{
    struct listen_set *set = &g->sockets, *held = old ? &old->sockets : NULL;
    struct heritage *h = &g->heritage;
    struct listen_socket want = { .address = &g->control,
                                  .backlog = LISTEN_BACKLOG,
                                  .mode = g->conf->control_socket_mode };

    for (size_t i = 0; i < HERITAGE_LISTENERS_MAX; i++)
        h->proxy[i] = -1;
    h->control = h->status = h->admin = -1;
    refusal->text[0] = '\0';
    if (!listen_unix(&g->control, g->conf->control_socket))
        return refusal_say(refusal, "control_socket: the path %s is too long",
                           g->conf->control_socket.s);
    if (!listen_take_proxy(g, held, refusal))
        return false;
    h->control = listen_add(set, held, want, refusal);
    want.mode = LISTEN_OPEN_MODE;
    want.address = &g->conf->status_listen;
    if (refusal->text[0] == '\0')
        h->status = listen_add(set, held, want, refusal);
    want.mode = g->conf->control_socket_mode; /* who reaches it may do as much */
    want.address = &g->conf->admin_listen;
    if (refusal->text[0] == '\0')
        h->admin = listen_add(set, held, want, refusal);
    return refusal->text[0] == '\0';
}

static void listen_remove(const struct listen_socket *s)
{
    (void)close(s->fd);
    if (listen_is_unix(s->address) && unlink(s->address->u.un.sun_path) < 0 && errno != ENOENT)
        log_errno(LOG_LEVEL_WARN, "cannot remove %s", s->address->u.un.sun_path);
}

void listen_commit(struct listen_set *set, struct listen_set *old)
{
    for (size_t i = 0; i < set->n; i++) {
        struct listen_socket *s = &set->v[i];
        if (!s->fresh) {
            (void)listen(s->fd, s->backlog);
            if (listen_is_unix(s->address) && !listen_chmod(s->address->u.un.sun_path, s->mode))
                log_errno(LOG_LEVEL_WARN, "cannot set the mode of %s", s->address->u.un.sun_path);
        }
        s->fresh = false;
    }
    for (size_t i = 0; old && i < old->n; i++)
        if (!listen_find(set, old->v[i].address))
            listen_remove(&old->v[i]);
    if (old)
        old->n = 0;
}

void listen_abandon(struct listen_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->v[i].fresh)
            listen_remove(&set->v[i]);
    set->n = 0;
}

void listen_close(struct listen_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        listen_remove(&set->v[i]);
    set->n = 0;
}

/* --- between masters ------------------------------------------------------------------- */

bool listen_inherit(struct listen_set *set, struct conf_address *address, int fd)
{
    int listens = 0;
    socklen_t n = sizeof listens;

    memset(address, 0, sizeof *address);
    address->len = sizeof address->u;
    if (set->n == MASTER_SOCKETS || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) < 0 ||
        !listens || getsockname(fd, &address->u.any, &address->len) < 0)
        return false;
    address->text = (struct conf_text){ "", 0 };
    set->v[set->n++] = (struct listen_socket){ .address = address, .fd = fd };
    return true;
}

void listen_leave(struct listen_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        (void)close(set->v[i].fd);
    set->n = 0;
}

/* --- gateway -t ------------------------------------------------------------------------ */

static bool listen_test_one(const struct conf_address *a, bool held, struct refusal *refusal)
{
    int fd, why = 0;

    if (a->len == 0)
        return true;
    if (listen_is_unix(a))
        return files_test_path("cannot listen on", a->u.un.sun_path, S_IFSOCK, refusal);
    fd = listen_socket_for(a);
    if (fd < 0 || bind(fd, &a->u.any, a->len) < 0)
        why = errno;
    if (fd >= 0)
        (void)close(fd);
    if (why == 0 || (why == EADDRINUSE && held))
        return true;
    errno = why;
    return refusal_errno(refusal, "cannot listen on %s", a->text.s);
}

bool listen_test(const struct conf *conf, bool held, struct refusal *refusal)
{
    for (size_t i = 0; i < conf->proxy_listen_n; i++)
        if (!listen_test_one(&conf->proxy_listen[i].address, held, refusal))
            return false;
    return listen_test_one(&conf->status_listen, held, refusal) &&
           listen_test_one(&conf->admin_listen, held, refusal);
}
