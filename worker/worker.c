/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker process: makes what it needs of the configuration that it inherited, says that it is
 * ready, and turns its loop until it is told to retire and its last connection has gone.
 */
#include "worker/worker.h"
#include "shm/limits.h"
#include "shm/seats.h"

#include "worker/base/channel.h"
#include "worker/base/checks.h"
#include "worker/base/log.h"
#include "worker/caching/collapsing.h"
#include "worker/caching/sweeping.h"
#include "worker/conn.h"
#include "worker/explain.h"
#include "worker/inquiry/inquiry.h"
#include "worker/redis/redis.h"
#include "worker/redis/redis_sync.h"
#include "worker/upstream/placing.h"
#include "worker/upstream/upstream.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { NAMES_MS = 2000, NAMES_LOOK_US = 2000 };
enum { CLIENT_SHARE = 8 /* one in so many connections is kept for upstreams */ };
enum { TURN_MS = 500, STILL_MS = 400, JUMP_MS = 2000 };
enum { HOUSEKEEPING_MS = 1000, KEEP_STREAMS = 1024, KEEP_BUFFERS = 1024 };

bool worker_admit(struct worker *w, bool client)
{
    uint32_t limit = (uint32_t)w->conf->worker_connections;

    if (w->connections >= (client ? limit - limit / CLIENT_SHARE : limit))
        return false;
    w->connections++;
    atomic_store_explicit(&w->row->connections, w->connections, memory_order_relaxed);
    return true;
}

void worker_dismiss(struct worker *w)
{
    w->connections--;
    atomic_store_explicit(&w->row->connections, w->connections, memory_order_relaxed);
}

/* --- start ---------------------------------------------------------------------------------- */

static bool has(const struct conf_chain *chain, enum conf_plugin_kind kind)
{
    for (size_t i = 0; i < chain->links_n; i++)
        if (chain->links[i].kind == kind)
            return true;
    return false;
}

static bool make_routes(struct worker *w)
{
    const struct heritage *h = w->heritage;

    w->routes = calloc(w->conf->routes_n + 1, sizeof *w->routes);
    for (size_t i = 0; w->routes && i < w->conf->routes_n; i++) {
        const struct conf_route *route = &w->conf->routes[i];
        w->routes[i].row = stats_row(&h->stats, route->id.s);
        w->routes[i].cached = has(route->chain, CONF_PLUGIN_PROXY_CACHE);
        w->routes[i].encoded = has(route->chain, CONF_PLUGIN_COMPRESSION);
    }
    w->router = router_make(w->conf);
    return w->routes && w->router;
}

static void peer_gone(void *owner, struct peer *peer)
{
    upstream_gone(owner, peer);
}

static void set_changed(void *owner, const struct peer_set *set)
{
    struct worker *w = owner;
    struct upstream_state *state = &w->upstreams[set->upstream->index];

    placing_use(w, set);
    balance_free(&state->balancer);
    state->balancer = balance_make(set, w->heritage);
    if (!state->balancer)
        log_errno(LOG_LEVEL_ERROR, "upstream \"%s\" takes no requests", set->upstream->name.s);
}

static bool make_upstreams(struct worker *w)
{
    static const struct peers_ops ops = { .gone = peer_gone, .changed = set_changed };

    w->upstreams = calloc(w->conf->upstreams_n + 1, sizeof *w->upstreams);
    for (size_t i = 0; w->upstreams && i < w->conf->upstreams_n; i++) {
        w->upstreams[i].limits = checks_limits(&w->conf->upstreams[i].healthchecks);
        w->upstreams[i].counts = checks_passive(&w->conf->upstreams[i].healthchecks);
    }
    return w->upstreams && peers_open(&w->peers, w->heritage, &ops, w);
}

static bool obeys(const struct conf_plugin *plugin)
{
    const struct conf_proxy_cache *cache = plugin ? plugin->config : NULL;

    return cache && cache->cache_control;
}

static bool has_obeying_cache(const struct conf_chain *chain)
{
    for (size_t i = 0; i < chain->links_n; i++) {
        const struct conf_link *link = &chain->links[i];
        if (link->kind != CONF_PLUGIN_PROXY_CACHE)
            continue;
        if (obeys(link->any))
            return true;
        for (size_t k = 0; k < link->by_consumer_n; k++)
            if (obeys(link->by_consumer[k]))
                return true;
    }
    return false;
}

static void find_caches(struct worker *w)
{
    for (size_t i = 0; i < w->conf->routes_n; i++) {
        const struct conf_route *route = &w->conf->routes[i];
        if (route->service && has_obeying_cache(route->chain))
            w->services[route->service->index].obeyed = true;
    }
}

static bool make_services(struct worker *w)
{
    size_t n = w->conf->services_n + w->conf->asked_n;

    w->services = calloc(n + 1, sizeof *w->services);
    for (size_t i = 0; w->services && i < n; i++) {
        const struct conf_service *service = &w->conf->services[i];
        if (service->protocol != CONF_HTTPS)
            continue;
        w->services[i].tls = tls_client_make(service);
        if (!w->services[i].tls)
            return false;
    }
    if (w->services)
        find_caches(w);
    return w->services != NULL;
}

static bool make_caches(struct worker *w)
{
    labels_queries(w->conf, &w->queries);
    w->dicts = calloc(w->conf->shared_dicts_n + 1, sizeof *w->dicts);
    for (size_t i = 0; w->dicts && i < w->conf->shared_dicts_n; i++) {
        w->dicts[i] = cache_attach(&w->heritage->dicts[i], w->heritage->slot);
        if (w->dicts[i])
            purges_use(w->dicts[i], labels_see);
        else
            log_write(LOG_LEVEL_ERROR,
                      "shared_dicts: \"%s\" cannot be used: nothing is cached in it",
                      w->conf->shared_dicts[i].name.s);
    }
    if (w->dicts)
        twins_open(&w->twins, w->heritage, w->dicts);
    return w->dicts != NULL;
}

static bool make_tls(struct worker *w)
{
    for (size_t i = 0; i < w->conf->proxy_listen_n; i++)
        if (w->conf->proxy_listen[i].ssl && !w->tls) {
            w->tls = tls_server_make(w->conf, &w->heritage->tickets);
            if (!w->tls)
                return false;
        }
    return true;
}

static void make_pools(struct worker *w)
{
    size_t window = w->conf->client_request_buffer_max_size;

    if (window < w->conf->client_header_buffer_size)
        window = w->conf->client_header_buffer_size; /* the next head may begin in it */
    pool_init(&w->conns, sizeof(struct conn), 0);
    pool_init(&w->upconns, sizeof(struct upconn), 0);
    pool_init(&w->streams, sizeof(struct stream), KEEP_STREAMS);
    pool_init(&w->heads, w->conf->client_header_buffer_size, KEEP_BUFFERS);
    pool_init(&w->windows, window < 4096 ? 4096 : window, KEEP_BUFFERS / 4);
    pool_init(&w->replies, WORKER_REPLY, KEEP_BUFFERS / 4);
    w->scratch = malloc(WORKER_SCRATCH + WORKER_SPOOL);
    w->reply_head = malloc(sizeof *w->reply_head);
}

static void reset_gauges(struct worker *w)
{
    w->stats->idle = 0;
    w->stats->active = 0;
    w->stats->upstream_idle = 0;
    w->stats->redis_connections = w->stats->redis_down = 0;
    atomic_store(&w->row->connections, 0);
    atomic_store(&w->row->streams, 0);
    atomic_store(&w->row->clients, 0);
}

static bool make_worker(struct worker *w, const struct heritage *h)
{
    w->heritage = h;
    w->conf = h->conf;
    w->row = &board_of(&h->board)->rows[h->slot];
    w->stats = stats_process(&h->stats, h->slot);
    reset_gauges(w);
    make_pools(w);
    if (getrandom(w->id_random, sizeof w->id_random, 0) != sizeof w->id_random)
        w->id_random[0] = (uint64_t)(uintptr_t)w ^ (uint64_t)getpid();
    w->accesslog = accesslog_open(w->conf->access_log.s, w->conf->access_log_format);
    w->limits = limits_attach(&h->limits, h->slot);
    w->seats = seats_attach(&h->seats, h->slot);
    w->listeners = calloc(w->conf->proxy_listen_n + 1, sizeof *w->listeners);
    if (getrandom(w->name_secret, WORKER_SECRET, 0) != WORKER_SECRET)
        return false;
    return loop_init(&w->loop) && keyring_open(&w->keyring, &h->jwks, w->conf) && w->scratch &&
           w->reply_head && w->limits && w->seats && w->listeners && inquiry_open(w) &&
           make_routes(w) && make_upstreams(w) && make_services(w) && make_caches(w) && make_tls(w);
}

/* A name that nobody has asked for yet would be a 503. The checker asks at once: first answers are
 * worth a short wait, in which the listening sockets hold what comes. */
static void await_names(struct worker *w)
{
    struct clock now;
    int64_t began;

    clock_read(&now);
    for (began = now.ms; now.ms < began + NAMES_MS && peers_unknown(&w->peers);) {
        usleep(NAMES_LOOK_US);
        if (peers_stale(&w->peers))
            peers_renew(&w->peers);
        clock_read(&now);
    }
}

/* Nothing is accepted before the master says so: a generation that is given up takes no client
 * along. */
static void listen_all(struct worker *w)
{
    for (size_t i = 0; i < w->conf->proxy_listen_n; i++)
        conn_listen(w, &w->listeners[i], w->heritage->proxy[i], &w->conf->proxy_listen[i]);
}

/* --- the master's word ---------------------------------------------------------------------- */

struct ear {
    struct loop_io io;
    struct worker *w;
    struct channel_message *message;
};

static void retire(struct worker *w)
{
    if (w->retiring)
        return;
    w->retiring = true;
    atomic_store(&w->row->state, BOARD_DRAINING);
    conn_retire(w);
    channel_send(w->heritage->channel, CHANNEL_RETIRED, 0, w->heritage->generation, NULL, 0);
    upstream_sweep(w);
}

static void hear(struct loop_io *io, uint32_t events)
{
    struct ear *ear = (struct ear *)io;
    int got, passed;

    (void)events;
    while ((got = channel_receive_fd(io->fd, ear->message, &passed)) > 0) {
        twins_heed(&ear->w->twins, ear->message, passed);
        if (ear->message->op == CHANNEL_SERVE && !ear->w->retiring)
            conn_resume(ear->w);
        if (ear->message->op == CHANNEL_RETIRE)
            retire(ear->w);
        if (ear->message->op == CHANNEL_EXPLAIN)
            explain(ear->w, ear->message);
        if (ear->message->op == CHANNEL_REOPEN_LOGS) {
            log_reopen();
            accesslog_reopen(ear->w->accesslog);
        }
    }
    if (got < 0)
        ear->w->stopping = true; /* the master is gone */
}

/* --- the loop ------------------------------------------------------------------------------- */

static void flush_log(struct worker *w)
{
    accesslog_flush(w->accesslog);
    uint64_t lost = accesslog_lost(w->accesslog);
    stats_add(&w->stats->log_failures, lost - w->lines_lost);
    w->lines_lost = lost;
}

static void keep_house(struct worker *w)
{
    if (peers_stale(&w->peers))
        peers_renew(&w->peers);
    /* Counts go to shared rows about once a second, so that workers do not pass a cache line around
     * for each request. */
    peers_tell(&w->peers, w->loop.now.ms);
    flush_log(w);
    upstream_reconsider(w);
    upstream_sweep(w);
    redis_report(w);
    sweeping_step(w);
}

/* How long a turn may sleep. */
static int patience(const struct worker *w)
{
    int64_t left = w->resume_at - w->loop.now.ms;

    if (w->resume_at == 0 || left > TURN_MS)
        return TURN_MS;
    return left > 0 ? (int)left : 0;
}

/* What happened to the process and its clock between two turns; a stop of a second is always seen,
 * as no turn means to sleep that long. */
static void tell_time(const struct clock *before, const struct clock *now)
{
    int64_t passed = now->ms - before->ms, jump = now->real_ms - before->real_ms - passed;

    if (passed > TURN_MS + STILL_MS)
        log_rarely(LOG_LEVEL_WARN, "stood still for %" PRId64 " ms: stopped, or starved of CPU",
                   passed - TURN_MS);
    if (jump > JUMP_MS || jump < -JUMP_MS)
        log_rarely(LOG_LEVEL_WARN, "the clock jumped by %" PRId64 " s", jump / 1000);
}

/* All requests have ended, and a Redis knows what it is to know. */
static bool is_through(struct worker *w)
{
    return w->retiring && !w->conns_first && redis_sync_finish(w) && w->redis_told == 0;
}

static void turn_until_done(struct worker *w)
{
    int64_t next = 0;

    clock_read(&w->loop.now); /* the start may have taken its time */
    while (!w->stopping && !is_through(w)) {
        struct clock before = w->loop.now;
        loop_turn(&w->loop, patience(w));
        tell_time(&before, &w->loop.now);
        atomic_store_explicit(&w->row->beat, (uint64_t)w->loop.now.us * 1000, memory_order_relaxed);
        if (w->resume_at && w->loop.now.ms >= w->resume_at)
            conn_resume(w);
        if (w->loop.now.ms >= next) {
            keep_house(w);
            next = w->loop.now.ms + HOUSEKEEPING_MS;
        }
    }
}

int worker_main(const struct heritage *heritage)
{
    static struct worker w;
    char who[32];
    static struct channel_message message;
    struct ear ear = { .io = { .fd = heritage->channel, .ready = hear },
                       .w = &w,
                       .message = &message };

    snprintf(who, sizeof who, "worker %u", heritage->index);
    log_who(who);
    board_catch(&board_of(&heritage->board)->rows[heritage->slot]);
    if (!make_worker(&w, heritage)) {
        log_errno(LOG_LEVEL_ERROR, "cannot start");
        return 1;
    }
    await_names(&w);
    if (!collapsing_open(&w) || !loop_add(&w.loop, &ear.io))
        return 1;
    listen_all(&w);
    atomic_store(&w.row->state, BOARD_RUNNING);
    channel_send(heritage->channel, CHANNEL_READY, 0, heritage->generation, NULL, 0);
    turn_until_done(&w);
    peers_tell(&w.peers, w.loop.now.ms);
    flush_log(&w);
    accesslog_close(&w.accesslog);
    log_write(LOG_LEVEL_INFO, "ends");
    return 0;
}
