/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target has a timer for its turn, and a probe that is made when first needed. A turn that finds
 * as many probes of its upstream under way as are allowed waits in the upstream's queue; a slow
 * target takes one of these places, and none of another upstream's. Before a probe begins, its time
 * is swapped into the shared record: while two checkers overlap at a reload, one of them probes.
 * Where the process stood still, turns that were missed are spread anew, or all targets would be
 * probed at the same moment from then on.
 */
#include "worker/checker/watch.h"
#include "conf/endpoint.h"
#include "shm/assert.h"
#include "worker/base/checks.h"
#include "worker/base/log.h"
#include "worker/base/peers.h"
#include "worker/checker/pace.h"
#include "worker/checker/probe.h"
#include <stdio.h>
#include <stdlib.h>

enum { KEEP_UP_TO = 60 /* s: a connection is not kept over longer pauses */ };

struct watched {
    struct timer turn;    /* first */
    struct watched *next; /* in the queue of its upstream */
    struct group *group;
    struct watched *after, **link; /* in the list of all */
    struct peer *peer;
    struct health_peer_shm *row;
    struct probe *probe;     /* NULL: none was needed yet */
    struct tls_client *tls;  /* the same */
    enum health_state state; /* as it was last planned for */
    int64_t began;           /* ms: when the last probe began, as planned for */
    uint32_t asked;          /* row->asked when the probe began */
    int64_t due;             /* ms: its turn */
    bool queued;
    bool put_off; /* its turn came too late, with everybody's */
    bool gone;    /* from its set; freed when it leaves the queue */
};

/* An upstream. */
struct group {
    struct loop_later later;
    struct watch *watch;
    const struct conf_upstream *conf;
    struct verdict_limits limits;
    struct watched *first, **last; /* those whose turn it is */
    uint32_t running;
    bool pump_put_off;
};

/* A TLS client wants a service to serve: what of one it looks at is made up here. */
struct trust {
    struct trust *next;
    struct conf_service service;
    struct tls_client *client;
    char host[256];
};

struct watch {
    const struct heritage *heritage;
    struct loop *loop;
    struct probe_room room;
    struct peers peers;
    struct group *groups; /* by index of the upstream */
    struct watched *all;
    struct trust *trusts;
    uint64_t changes; /* as of the last sweep */
    uint32_t asks;
};

static struct health_now present(const struct watch *w)
{
    return (struct health_now){ &w->heritage->health, w->loop->now.ms, w->loop->now.real_ms };
}

static void name_of(const struct watched *x, char out[128])
{
    (void)snprintf(out, 128, "%s/%s", x->group->conf->name.s, x->peer->text.s);
}

/* --- turns ---------------------------------------------------------------------------------- */

static void take_turn(struct timer *t);

/* ms between two probes in the state that the target is in; 0: it is not probed in it. */
static int64_t interval_of(const struct watched *x)
{
    const struct conf_active *active = &x->group->conf->healthchecks.active;
    const struct conf_check_side *side =
        x->state == HEALTH_UP ? &active->healthy : &active->unhealthy;
    int64_t ms = (int64_t)(side->interval * 1000);

    return side->interval > 0 && ms == 0 ? 1 : ms;
}

static void set_turn(struct watched *x, int64_t due)
{
    x->due = due;
    timer_set(&x->group->watch->loop->timers, &x->turn, due, take_turn);
}

/* From what the record says: at the begin, and when somebody else changed something. */
static void plan(struct watched *x)
{
    int64_t interval, now = x->group->watch->loop->now.ms;

    x->state = health_state(x->row);
    x->began = (int64_t)atomic_load(&x->row->probed);
    interval = interval_of(x);
    if (interval > 0)
        set_turn(x, pace_first(x->peer->identity, interval, x->began, now));
    else
        timer_clear(&x->turn);
}

static void plan_next(struct watched *x)
{
    int64_t interval;

    x->state = health_state(x->row);
    interval = interval_of(x);
    if (interval > 0)
        set_turn(x, pace_next(interval, x->began, x->group->watch->loop->now.ms));
    else
        timer_clear(&x->turn);
}

/* --- TLS ------------------------------------------------------------------------------------ */

/* Whom the first https service with this upstream trusts, probes trust. */
static void borrow_trust(const struct conf *conf, const struct conf_upstream *up,
                         struct conf_service *to)
{
    for (size_t i = 0; i < conf->services_n + conf->asked_n; i++) {
        const struct conf_service *s = &conf->services[i];
        if (s->upstream != up || s->protocol != CONF_HTTPS)
            continue;
        to->ca_certificates = s->ca_certificates;
        to->authorities = s->authorities;
        to->client_certificate = s->client_certificate;
        return;
    }
}

/* Without the port; empty for a Unix socket. */
static struct conf_text target_host(const struct watched *x)
{
    struct conf_text host = { "", 0 };
    int port;

    if (endpoint_target(x->peer->target, 80, &host, &port))
        host = (struct conf_text){ "", 0 };
    return host;
}

/* A client for that name, shared by all targets of the upstream that have it. NULL: the reason was
 * logged. */
static struct tls_client *client_for(struct watched *x)
{
    struct watch *w = x->group->watch;
    const struct conf_upstream *up = x->group->conf;
    struct conf_text sni = up->healthchecks.active.https_sni;
    struct conf_text host = sni.n ? sni : target_host(x);
    struct trust *t = w->trusts;

    while (t && (t->service.upstream != up || strlen(t->host) != host.n ||
                 memcmp(t->host, host.s, host.n) != 0))
        t = t->next;
    if (t)
        return t->client;
    t = host.n < sizeof t->host ? calloc(1, sizeof *t) : NULL;
    if (!t)
        return NULL;
    memcpy(t->host, host.s, host.n);
    t->service =
        (struct conf_service){ .name = up->name,
                               .upstream = up,
                               .protocol = CONF_HTTPS,
                               .host = { t->host, host.n },
                               .ca_certificates = { "", 0 },
                               .tls_verify = up->healthchecks.active.https_verify_certificate };
    borrow_trust(w->heritage->conf, up, &t->service);
    t->client = tls_client_make(&t->service);
    t->next = w->trusts;
    w->trusts = t;
    return t->client;
}

/* --- probes --------------------------------------------------------------------------------- */

static void done(struct probe *p, const struct health_seen *seen);

static const struct probe_kind *kind_of(const struct watched *x)
{
    static const struct probe_kind *const kinds[] = { [CONF_PROBE_HTTP] = &probe_http_kind,
                                                      [CONF_PROBE_HTTPS] = &probe_https_kind,
                                                      [CONF_PROBE_TCP] = &probe_tcp_kind };
    enum conf_probe_type type = x->group->conf->healthchecks.active.type;

    must(type < sizeof kinds / sizeof *kinds);
    return kinds[type];
}

enum { PORT_ROOM = sizeof ":65535" };

/* The port behind a target that was written without one, of which Host has to tell; 0: none. */
static unsigned untold_port(const struct watched *x)
{
    const struct conf_address *at = &x->peer->address;
    const struct conf_text written = x->peer->target;
    const char *literal = memchr(written.s, ']', written.n), *from = literal ? literal : written.s;
    unsigned port =
        ntohs(at->u.any.sa_family == AF_INET6 ? at->u.in6.sin6_port : at->u.in.sin_port);

    if (memchr(from, ':', (size_t)(written.s + written.n - from)))
        return 0;
    return port == (kind_of(x)->tls ? 443U : 80U) ? 0 : port;
}

/* What Host says: as configured, or the target as it was written, in `room` (PORT_ROOM more than
 * that) where it lacks the port (RFC 9110 section 7.2). */
static struct conf_text host_of(const struct watched *x, char *room)
{
    const struct conf_upstream *up = x->group->conf;
    const struct conf_text written = x->peer->target;
    unsigned port;

    if (up->host_header.n)
        return up->host_header;
    if (!target_host(x).n)
        return (struct conf_text){ "localhost", 9 };
    if (!(port = untold_port(x)))
        return written;
    int n = snprintf(room, written.n + PORT_ROOM, "%.*s:%u", (int)written.n, written.s, port);
    return (struct conf_text){ room, (size_t)n };
}

static bool keeps(const struct conf_active *active)
{
    double longest = active->healthy.interval > active->unhealthy.interval
                         ? active->healthy.interval
                         : active->unhealthy.interval;

    return longest > 0 && longest <= KEEP_UP_TO && active->type != CONF_PROBE_TCP;
}

/* The probe of a target, made when first needed, with the way back from it. */
struct owned {
    struct probe probe; /* first */
    struct watched *of;
    char host[]; /* room for that of a target without a port */
};

static bool equip(struct watched *x)
{
    const struct conf_active *active = &x->group->conf->healthchecks.active;
    struct owned *o;

    if (kind_of(x)->tls && !x->tls && !(x->tls = client_for(x)))
        return false;
    if (x->probe)
        return true;
    o = calloc(1, sizeof *o + x->peer->target.n + PORT_ROOM);
    if (!o)
        return false;
    o->of = x;
    o->probe.t.io.fd = -1;
    o->probe.room = &x->group->watch->room;
    o->probe.kind = kind_of(x);
    o->probe.done = done;
    o->probe.subject = (struct probe_subject){ .identity = x->peer->identity,
                                               .address = x->peer->address,
                                               .active = active,
                                               .host = host_of(x, o->host),
                                               .tls = x->tls,
                                               .keep = keeps(active) };
    x->probe = &o->probe;
    return true;
}

static void pump(struct loop_later *later);

/* At the end of the turn, since a probe may be over before it has begun properly. */
static void put_off_pump(struct group *g)
{
    if (!g->first || g->pump_put_off)
        return;
    g->pump_put_off = true;
    loop_defer(g->watch->loop, &g->later, pump);
}

static void begin(struct watched *x)
{
    struct group *g = x->group;
    uint64_t probed = (uint64_t)x->began;

    if (!atomic_compare_exchange_strong(&x->row->probed, &probed,
                                        (uint64_t)g->watch->loop->now.ms)) {
        plan(x); /* another checker did meanwhile */
        return;
    }
    x->began = g->watch->loop->now.ms;
    x->asked = atomic_load(&x->row->asked);
    if (!equip(x)) {
        log_rarely(LOG_LEVEL_ERROR, "upstream %s: probes cannot be made", g->conf->name.s);
        plan_next(x);
        return;
    }
    g->running++;
    probe_start(x->probe);
}

static void done(struct probe *p, const struct health_seen *seen)
{
    struct watched *x = ((struct owned *)p)->of;
    struct group *g = x->group;
    struct health_now now = present(g->watch);
    char name[128];

    must(g->running > 0);
    g->running--;
    put_off_pump(g);
    if (seen) {
        enum health_change change = health_state_count(x->row, seen, &g->limits, &now);
        if (change == HEALTH_SAME)
            health_log_note(x->row, seen, &now);
        name_of(x, name);
        checks_log(change, name, seen);
        atomic_store(&x->row->answered, x->asked);
    } else {
        log_rarely(LOG_LEVEL_WARN, "no descriptor or memory for a probe; it is left out");
    }
    plan_next(x);
}

static void enqueue(struct watched *x)
{
    struct group *g = x->group;

    if (x->queued)
        return;
    x->queued = true;
    x->next = NULL;
    *g->last = x;
    g->last = &x->next;
}

static void pump(struct loop_later *later)
{
    struct group *g = (struct group *)later;
    uint32_t most = (uint32_t)g->conf->healthchecks.active.concurrency;

    g->pump_put_off = false;
    while (g->first && g->running < most) {
        struct watched *x = g->first;
        g->first = x->next;
        if (!g->first)
            g->last = &g->first;
        x->queued = false;
        if (x->gone)
            free(x);
        else if (!x->probe || !probe_running(x->probe))
            begin(x);
    }
}

static void take_turn(struct timer *t)
{
    struct watched *x = (struct watched *)t;
    int64_t interval = interval_of(x), now = x->group->watch->loop->now.ms;

    if ((x->probe && probe_running(x->probe)) || interval == 0)
        return;
    if (!x->put_off && pace_is_late(interval, x->due, now)) {
        x->put_off = true; /* once: a machine that is always late does not wait for ever */
        set_turn(x, pace_first(x->peer->identity, interval, x->began, now));
        return;
    }
    x->put_off = false;
    enqueue(x);
    put_off_pump(x->group);
}

/* --- the sweep ------------------------------------------------------------------------------ */

/* Somebody wants to know now: no queue, and no turn is taken away. */
static void answer(struct watched *x)
{
    if (x->probe && probe_running(x->probe))
        return; /* that one was asked for earlier; it is the next sweep's matter */
    x->began = (int64_t)atomic_load(&x->row->probed);
    begin(x);
}

static void look_at(struct watched *x, bool changed)
{
    if (changed && health_state(x->row) != x->state && !(x->probe && probe_running(x->probe)))
        plan(x);
    if (atomic_load(&x->row->asked) != atomic_load(&x->row->answered))
        answer(x);
}

void watch_sweep(struct watch *w)
{
    const struct zone *health = &w->heritage->health;
    bool asked = false;

    if (peers_stale(&w->peers))
        peers_renew(&w->peers);
    uint64_t changes = health_state_changes(health);
    uint32_t asks = health_state_asks(health);
    if (changes == w->changes && asks == w->asks)
        return;
    for (struct watched *x = w->all; x; x = x->after) {
        look_at(x, changes != w->changes);
        asked |= atomic_load(&x->row->asked) != atomic_load(&x->row->answered);
    }
    w->changes = changes;
    if (!asked)
        w->asks = asks; /* otherwise an answer is still to come */
}

void watch_tell(struct watch *w)
{
    peers_tell(&w->peers, w->loop->now.ms);
}

/* --- targets come and go -------------------------------------------------------------------- */

static void add(struct watch *w, struct group *g, struct peer *peer)
{
    static const struct health_seen again = { .cause = HEALTH_CAUSE_NEW };
    static const struct health_seen settings = { .cause = HEALTH_CAUSE_SETTINGS };
    struct health_now now = present(w);
    struct watched *x = peer->row ? calloc(1, sizeof *x) : NULL;
    char name[128];

    if (!x) {
        log_rarely(LOG_LEVEL_WARN, "target %s/%s is not looked after: no room", g->conf->name.s,
                   peer->text.s);
        return;
    }
    *x = (struct watched){ .group = g, .peer = peers_hold(peer), .row = peer->row };
    peer->watched = x;
    x->after = w->all;
    x->link = &w->all;
    if (x->after)
        x->after->link = &x->after;
    w->all = x;
    name_of(x, name);
    checks_log(health_state_attend(x->row, w->heritage->generation, &now), name, &again);
    checks_log(health_state_settle(x->row, &g->limits, &now), name, &settings);
    plan(x);
}

static void drop(struct watched *x)
{
    *x->link = x->after;
    if (x->after)
        x->after->link = x->link;
    timer_drop(&x->group->watch->loop->timers, &x->turn);
    if (x->probe && probe_running(x->probe)) {
        x->group->running--;
        put_off_pump(x->group);
    }
    if (x->probe)
        probe_end(x->probe);
    free(x->probe);
    x->probe = NULL;
    x->peer->watched = NULL;
    peers_let_go(&x->peer);
    x->gone = true;
    if (!x->queued)
        free(x);
}

static void set_changed(void *owner, const struct peer_set *set)
{
    struct watch *w = owner;

    for (size_t i = 0; i < set->n; i++)
        if (!set->v[i]->watched)
            add(w, &w->groups[set->upstream->index], set->v[i]);
}

static void peer_gone(void *owner, struct peer *peer)
{
    (void)owner;
    if (!peer->watched)
        return;
    health_state_leave(peer->row);
    drop(peer->watched);
}

/* --- begin and end -------------------------------------------------------------------------- */

static bool prepare(struct watch *w)
{
    static const struct peers_ops ops = { .gone = peer_gone, .changed = set_changed };
    const struct conf *conf = w->heritage->conf;

    w->groups = calloc(conf->upstreams_n + 1, sizeof *w->groups);
    if (!w->groups || !probe_room_make(&w->room, w->loop))
        return false;
    for (size_t i = 0; i < conf->upstreams_n; i++) {
        const struct conf_upstream *up = &conf->upstreams[i];
        struct group *g = &w->groups[i];
        *g = (struct group){ .watch = w, .conf = up, .limits = checks_limits(&up->healthchecks) };
        g->last = &g->first;
    }
    w->changes = health_state_changes(&w->heritage->health);
    return peers_open(&w->peers, w->heritage, &ops, w);
}

struct watch *watch_make(const struct heritage *heritage, struct loop *loop)
{
    struct watch *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->heritage = heritage;
    w->loop = loop;
    if (!prepare(w))
        watch_end(&w);
    return w;
}

void watch_end(struct watch **watch)
{
    struct watch *w = *watch;

    *watch = NULL;
    while (w->all)
        drop(w->all);
    for (size_t i = 0; w->groups && i < w->heritage->conf->upstreams_n; i++)
        while (w->groups[i].first) {
            struct watched *x = w->groups[i].first;
            w->groups[i].first = x->next;
            free(x);
        }
    peers_close(&w->peers);
    while (w->trusts) {
        struct trust *t = w->trusts;
        w->trusts = t->next;
        tls_client_free(&t->client);
        free(t);
    }
    probe_room_end(&w->room);
    free(w->groups);
    free(w);
}
