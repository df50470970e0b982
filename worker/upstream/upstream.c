/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that is made is written to at once: on a near network it stands when connect()
 * returns, and where it does not, the kernel says EAGAIN and an event follows. While idle it is
 * marked urgent (see loop.h).
 */
#include "worker/upstream/upstream.h"

#include "shm/assert.h"
#include "worker/base/dial.h"
#include "worker/base/log.h"
#include "worker/conn.h"
#include "worker/upstream/ageing.h"
#include "worker/upstream/placing.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { REUSE_LOOKS = 32 };

static struct upstream_state *state_of(const struct upconn *u)
{
    return &u->w->upstreams[u->peer->upstream->index];
}

static void engage(struct upconn *u, struct stream *s)
{
    u->s = s;
    u->progress = 0;
    u->dry = u->after = s->up_began;
    u->requests++;
    u->peer->requests++;
}

/* Where idle connections are that the stream may use; NULL: there were none yet. */
static struct peer_pool *pool_of(const struct stream *s)
{
    const struct service_state *service = &s->w->services[s->service->index];
    const void *kind = service->tls ? service : NULL;
    struct peer_pool *pool = s->peer->pools;

    while (pool && pool->kind != kind)
        pool = pool->next;
    return pool;
}

/* The same, made when there is none; NULL: no memory. */
static struct peer_pool *pool_for(struct stream *s)
{
    const struct service_state *service = &s->w->services[s->service->index];
    struct peer_pool *pool = pool_of(s);

    if (pool)
        return pool;
    pool = s->peer->pools ? calloc(1, sizeof *pool) : &s->peer->pool;
    if (!pool)
        return NULL;
    pool->kind = service->tls ? service : NULL;
    pool->next = s->peer->pools;
    s->peer->pools = pool;
    return pool;
}

static void unlink_idle(struct upconn *u)
{
    if (u->newer)
        u->newer->older = u->older;
    else
        u->pool->newest = u->older;
    if (u->older)
        u->older->newer = u->newer;
    else
        u->pool->oldest = u->newer;
    u->pool->n--;
    state_of(u)->idle_n--;
    stats_add(&u->w->stats->upstream_idle, (uint64_t)-1);
    u->t.io.urgent = false;
}

static void unwatch(struct upconn *u)
{
    if (!u->watched)
        return;
    if (u->newer)
        u->newer->older = u->older;
    else
        u->w->watched = u->older;
    if (u->older)
        u->older->newer = u->newer;
    u->watched = false;
}

void upstream_watch(struct upconn *u)
{
    if (u->watched)
        return;
    u->watched = true;
    u->newer = NULL;
    u->older = u->w->watched;
    if (u->older)
        u->older->newer = u;
    u->w->watched = u;
}

/* Who is woken ends his own connection at the most, and begins a new one in front of the list. */
void upstream_reconsider(struct worker *w)
{
    for (struct upconn *u = w->watched, *next; u; u = next) {
        next = u->older;
        if (u->connected) {
            unwatch(u);
            continue;
        }
        fitness_refresh(&state_of(u)->fitness, peers_of(&w->peers, u->peer->upstream),
                        &w->heritage->health);
        u->hopeless = !u->s->trial && !fitness_may_use(u->peer, 0);
        if (u->hopeless)
            stream_wake(u->s);
    }
}

static void free_upconn(struct loop_later *later)
{
    struct upconn *u = (struct upconn *)((char *)later - offsetof(struct upconn, later));

    pool_give(&u->w->upconns, u);
}

void upstream_give_buffer(struct upconn *u)
{
    if (u->buf)
        pool_give(&u->w->replies, u->buf);
    u->buf = NULL;
    u->from = u->to = u->seen = 0;
}

static void destroy(struct upconn *u)
{
    must(u->t.io.fd >= 0);
    unwatch(u);
    if (u->s && !u->s->same_peer)
        placing_leave(u->s);
    upstream_give_buffer(u);
    outbuf_free(&u->out);
    transport_close(&u->t, false);
    peers_let_go(&u->peer);
    timer_drop(&u->w->loop.timers, &u->timer);
    worker_dismiss(u->w);
    loop_defer(&u->w->loop, &u->later, free_upconn);
}

void upstream_drop(struct upconn **up)
{
    struct upconn *u = *up;

    *up = NULL;
    destroy(u);
}

static void event(struct loop_io *io, uint32_t events)
{
    struct upconn *u = (struct upconn *)io;

    if (!u->t.readable && u->dry < u->w->loop.after)
        u->dry = u->w->loop.after;
    transport_event(&u->t, events);
    if (u->s) {
        stream_wake(u->s);
        return;
    }
    if (events & ~(uint32_t)EPOLLOUT) { /* an idle one has nothing to say but that it ends */
        int64_t now = u->w->loop.now.ms;
        ageing_closed(&u->peer->ageing, now - u->idle_since, now);
        unlink_idle(u);
        destroy(u);
    }
}

static void expire(struct timer *t)
{
    struct upconn *u = (struct upconn *)((char *)t - offsetof(struct upconn, timer));

    u->expired = true;
    if (u->s)
        stream_wake(u->s);
}

void upstream_deadline(struct upconn *u, int ms)
{
    if (ms > 0)
        timer_set(&u->w->loop.timers, &u->timer, u->w->loop.now.ms + ms, expire);
    else
        timer_clear(&u->timer);
}

/* With preserve_host a TLS peer is asked for by the client's Host: such connections are not for
 * others. */
static struct slice sni_of(const struct stream *s)
{
    bool named = s->w->services[s->service->index].tls && s->route->preserve_host;

    return named ? s->request.host : (struct slice){ NULL, 0 };
}

/* Clients choose such names: by a secret, or one could have its request sent where another's name
 * was asked for. */
static uint64_t hash_of(const struct worker *w, struct slice name)
{
    if (name.n == 0)
        return 0;
    return XXH3_64bits_withSecret(name.p, name.n, w->name_secret, WORKER_SECRET);
}

/* The newest one of that name that is young enough; NULL: if there are others, the next sweep
 * closes them. */
static struct upconn *find_idle(const struct stream *s, uint64_t sni)
{
    const struct peer_pool *pool = pool_of(s);
    struct upconn *u = pool ? pool->newest : NULL;
    int64_t now = s->w->loop.now.ms;

    for (int i = 0; u && u->sni != sni; i++)
        u = i < REUSE_LOOKS ? u->older : NULL;
    return u && now - u->idle_since < ageing_limit(&s->peer->ageing, now) ? u : NULL;
}

/* Nothing to read: neither the end nor anything else. Its event may still be in the kernel. */
static bool is_silent(const struct upconn *u)
{
    char byte;

    return recv(u->t.io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

struct upconn *upstream_reuse(struct stream *s, bool sure)
{
    uint64_t sni = hash_of(s->w, sni_of(s));
    struct upconn *u = find_idle(s, sni);

    while (u && sure && !is_silent(u)) {
        int64_t now = s->w->loop.now.ms;
        ageing_closed(&u->peer->ageing, now - u->idle_since, now);
        unlink_idle(u);
        destroy(u);
        u = find_idle(s, sni);
    }
    if (!u)
        return NULL;
    unlink_idle(u);
    engage(u, s);
    u->reused = true;
    u->sent = u->heard = false;
    stats_add(&s->w->stats->upstream_reused, 1);
    return u;
}

static bool start(struct upconn *u, struct stream *s)
{
    struct service_state *service = &s->w->services[s->service->index];

    u->t.io = (struct loop_io){ .fd = dial(&s->peer->address, true), .ready = event };
    if (u->t.io.fd < 0)
        return false;
    if (service->tls) {
        struct slice sni = sni_of(s);
        u->sni = hash_of(s->w, sni);
        u->t.tls = tls_connect(service->tls, u->t.io.fd, s->peer->identity, sni);
        u->t.handshaking = true;
    }
    if ((service->tls && !u->t.tls) || !loop_add(&s->w->loop, &u->t.io)) {
        transport_close(&u->t, false);
        errno = ENOMEM;
        return false;
    }
    return true;
}

struct upconn *upstream_connect(struct stream *s)
{
    struct worker *w = s->w;

    if (!worker_admit(w, false)) {
        errno = EMFILE;
        return NULL;
    }
    struct peer_pool *pool = pool_for(s);
    struct upconn *u = pool ? pool_take(&w->upconns) : NULL;
    if (u) {
        memset(u, 0, sizeof *u);
        u->w = w;
        u->peer = s->peer;
        u->pool = pool;
        u->t.writable = true;
        if (start(u, s)) {
            peers_hold(u->peer);
            stats_add(&w->stats->upstream_connects, 1);
            u->peer->connects++;
            engage(u, s);
            return u;
        }
        int why = errno;
        pool_give(&w->upconns, u);
        errno = why;
    } else {
        errno = ENOMEM;
    }
    worker_dismiss(w);
    return NULL;
}

/* Bytes behind a response, or its end: such a connection is not for a second request. */
static bool quiet(struct upconn *u)
{
    char byte;

    return !u->t.hangup && u->from == u->to &&
           (!u->t.readable || (transport_read(&u->t, &byte, 1) < 0 && errno == EAGAIN));
}

void upstream_keep(struct upconn **up)
{
    struct upconn *u = *up;
    struct upstream_state *state = state_of(u);
    const struct conf_upstream *conf = u->peer->upstream;
    struct peer_pool *pool = u->pool;

    *up = NULL;
    if (conf->keepalive_pool_size <= 0 || u->w->retiring || u->peer->at == PEERS_GONE ||
        !quiet(u)) {
        destroy(u);
        return;
    }
    if (state->idle_n >= (uint32_t)conf->keepalive_pool_size && pool->oldest) {
        struct upconn *old = pool->oldest;
        unlink_idle(old);
        destroy(old);
    } else if (state->idle_n >= (uint32_t)conf->keepalive_pool_size) {
        destroy(u);
        return;
    }
    upstream_give_buffer(u);
    unwatch(u);
    placing_leave(u->s);
    u->s = NULL;
    u->expired = false;
    u->t.io.urgent = true;
    u->newer = NULL;
    u->older = pool->newest;
    if (u->older)
        u->older->newer = u;
    else
        pool->oldest = u;
    pool->newest = u;
    pool->n++;
    state->idle_n++;
    stats_add(&u->w->stats->upstream_idle, 1);
    u->timer.due = 0;
    u->idle_since = u->w->loop.now.ms;
}

ssize_t upstream_read(struct upconn *u)
{
    if (!u->buf) {
        u->buf = pool_take(&u->w->replies);
        if (!u->buf) {
            errno = ENOMEM;
            return -1;
        }
        u->from = u->to = u->seen = 0;
    }
    if (u->from == u->to)
        u->from = u->to = 0;
    if (u->to == WORKER_REPLY) {
        errno = ENOBUFS;
        return -1;
    }
    ssize_t got = transport_read(&u->t, u->buf + u->to, WORKER_REPLY - u->to);
    if (got > 0) {
        u->to += (uint32_t)got;
        u->after = u->dry;
    } else if (u->from == u->to) {
        upstream_give_buffer(u);
    }
    return got;
}

static void sweep_peer(struct peer *peer, int64_t before)
{
    for (struct peer_pool *pool = peer->pools; pool; pool = pool->next) {
        while (pool->oldest && pool->oldest->idle_since < before) {
            struct upconn *u = pool->oldest;
            unlink_idle(u);
            destroy(u);
        }
    }
}

/* The set that it left still holds it: it does not go with its last connection. */
void upstream_gone(struct worker *w, struct peer *peer)
{
    (void)w;
    sweep_peer(peer, INT64_MAX);
}

void upstream_sweep(struct worker *w)
{
    for (size_t i = 0; i < w->conf->upstreams_n; i++) {
        const struct conf_upstream *conf = &w->conf->upstreams[i];
        const struct peer_set *set = peers_of(&w->peers, conf);
        int64_t before = w->loop.now.ms - (int64_t)(conf->keepalive_idle_timeout * 1000);

        if (w->retiring)
            before = INT64_MAX;
        for (size_t k = 0; w->upstreams[i].idle_n && k < set->n; k++) {
            int64_t limit = ageing_limit(&set->v[k]->ageing, w->loop.now.ms);
            bool sooner = limit != INT64_MAX && w->loop.now.ms - limit > before;
            sweep_peer(set->v[k], sooner ? w->loop.now.ms - limit : before);
        }
    }
}
