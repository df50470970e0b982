/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fetch is a probe that keeps what comes: one request over a new connection, within one deadline,
 * redirects not followed. A fetch that fails in any way changes nothing but what is said of it: the
 * last good keys stay. What is good is published first and then called over, so that who waits for
 * the end finds the keys. A new checker goes on with the rows as it finds them, and fetches at once
 * where a fetch was under way when the one before died.
 */
#include "worker/checker/keeper.h"
#include "conf/endpoint.h"
#include "conf/issuer.h"
#include "shm/health_cause.h"
#include "shm/jwks.h"
#include "worker/base/answer.h"
#include "worker/base/log.h"
#include "worker/checker/jwks_read.h"
#include "worker/checker/probe_http.h"
#include "worker/http/freshness.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    KEEPER_LOOK_MS = 64,    /* at wishes */
    KEEPER_NAME_MS = 60000, /* rows are named as in use */
    KEEPER_ADDRESSES = 4,   /* tried in one fetch */
    KEEPER_NAMING_MS = 200, /* until a name is looked at again that nobody has resolved yet */
    KEEPER_NAMING_TRIES = 25
};

struct keeper_issuer {
    struct probe probe; /* first */
    struct keeper *keeper;
    const struct conf_issuer *conf;
    struct conf_service service; /* what a TLS client wants to know */
    struct tls_client *tls;
    struct conf_active active; /* what a probe wants to know */
    int row;                   /* -1: none */
    int64_t due;               /* ms, monotonic; of the next fetch */
    unsigned tries;            /* addresses tried in this fetch */
    unsigned turn;             /* which address is tried first */
    unsigned unnamed;          /* how often its name had no answer yet */
    struct jwks_state state;
    int64_t lifetime; /* s, of the response that is read; -1: it says nothing */
    size_t body_n;
    bool busy, again; /* again: the next address is tried */
};

struct keeper {
    const struct heritage *heritage;
    struct loop *loop;
    struct probe_room room;
    struct timer look;
    int64_t name_at; /* ms */
    struct keeper_issuer *issuers;
    size_t n;
    char *body; /* JWKS_READ_MAX + 1 bytes for each, which the kernel gives when they are used */
    struct jwks_set now, before;
    struct answer answer;
};

static const struct probe_kind *kind_of(const struct conf_issuer *conf);
static void done(struct probe *p, const struct health_seen *seen);

static const struct zone *zone_of(const struct keeper_issuer *x)
{
    return &x->keeper->heritage->jwks;
}

static uint32_t slot_of(const struct keeper_issuer *x)
{
    return x->keeper->heritage->slot;
}

static int64_t ms_of(double s)
{
    return (int64_t)(s * 1000);
}

/* --- where it is ---------------------------------------------------------------------------- */

/* The address to try now; len 0: none is known. `text` is ENDPOINT_TEXT bytes of scratch. */
static struct conf_address address_of(struct keeper_issuer *x, char *text)
{
    struct conf_address out = { 0 };
    struct sockaddr_storage literal;
    struct answer *a = &x->keeper->answer;
    if (endpoint_literal(x->conf->host, x->conf->port, &literal, &out.len)) {
        memcpy(&out.u, &literal, out.len);
        return out;
    }
    if (answer_read(&x->keeper->heritage->roster, x->conf->host, a, NULL) && a->n)
        answer_address(&a->places[(x->turn + x->tries) % a->n], x->conf->port, &out, text);
    return out;
}

/* Nobody has asked for it yet: the resolver is about to. */
static bool is_unnamed(struct keeper_issuer *x)
{
    struct sockaddr_storage literal;
    socklen_t len;
    return x->unnamed < KEEPER_NAMING_TRIES &&
           !endpoint_literal(x->conf->host, x->conf->port, &literal, &len) &&
           !answer_read(&x->keeper->heritage->roster, x->conf->host, &x->keeper->answer, NULL);
}

static unsigned addresses(struct keeper_issuer *x)
{
    struct sockaddr_storage literal;
    socklen_t len;
    struct answer *a = &x->keeper->answer;
    if (endpoint_literal(x->conf->host, x->conf->port, &literal, &len) ||
        !answer_read(&x->keeper->heritage->roster, x->conf->host, a, NULL))
        return 1;
    return a->n < KEEPER_ADDRESSES ? a->n : KEEPER_ADDRESSES;
}

/* --- what came ------------------------------------------------------------------------------ */

/* s for which what came holds. */
static double lifetime_of(const struct keeper_issuer *x)
{
    const struct conf *c = x->keeper->heritage->conf;
    double s = x->lifetime < 0 ? c->jwks_max_ttl : (double)x->lifetime;
    if (s > c->jwks_max_ttl)
        s = c->jwks_max_ttl;
    return s < c->jwks_min_ttl ? c->jwks_min_ttl : s;
}

static void count(const struct jwks_set *set, const struct jwks_set *other, unsigned *present,
                  unsigned *fresh)
{
    *present = *fresh = 0;
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->keys[i].gone)
            continue;
        ++*present;
        bool found = false;
        for (uint32_t k = 0; !found && k < other->n; k++)
            found = !other->keys[k].gone && other->keys[k].der_n == set->keys[i].der_n &&
                    memcmp(other->keys[k].der, set->keys[i].der, set->keys[i].der_n) == 0;
        *fresh += !found;
    }
}

/* One line for what workers will notice. */
static void say_change(const struct keeper_issuer *x, bool first)
{
    unsigned present, fresh, before, went;
    count(&x->keeper->now, &x->keeper->before, &present, &fresh);
    count(&x->keeper->before, &x->keeper->now, &before, &went);
    if (first)
        log_write(LOG_LEVEL_INFO, "keys of %s: %u, %u entries are none of ours", x->conf->uri.s,
                  present, x->state.skipped);
    else if (fresh || went)
        log_write(LOG_LEVEL_NOTICE, "keys of %s: %u, of which %u came; %u went", x->conf->uri.s,
                  present, fresh, went);
}

/* What the document says; NULL, or why nothing can be made of it. */
static const char *take(struct keeper_issuer *x)
{
    struct keeper *k = x->keeper;
    char *body = k->body + (size_t)(x - k->issuers) * JWKS_READ_MAX;
    const char *why = jwks_read(slice_of(body, x->body_n), &k->now, &x->state.skipped);
    if (why)
        return why;
    int64_t now = k->loop->now.real_s;
    bool first = jwks_get(zone_of(x), x->row, &k->before) == 0;
    if (jwks_read_merge(&k->now, &k->before, now, (int64_t)k->heritage->conf->jwks_grace) ||
        first) {
        if (!jwks_put(zone_of(x), slot_of(x), x->row, x->conf->identity, &k->now))
            return "its row was given away";
        say_change(x, first);
        x->state.rotated = now;
    }
    return NULL;
}

/* "status 404", "connection refused", "malformed response: the document is too large". */
static void describe(const struct health_seen *seen, const char *why, char *out, size_t size)
{
    const char *text = why ? why : seen && seen->text ? seen->text : "";
    if (!seen)
        (void)snprintf(out, size, "no descriptor or memory");
    else if (why)
        (void)snprintf(out, size, "%s", why);
    else if (seen->status >= 300 && seen->status < 400)
        (void)snprintf(out, size, "status %d, redirects are not followed", seen->status);
    else if (seen->status)
        (void)snprintf(out, size, "status %d", seen->status);
    else
        (void)snprintf(out, size, "%s%s%s", health_cause_text(seen->cause), text[0] ? ": " : "",
                       text);
}

/* Publishes what is known of the fetch, then calls it over. */
static void conclude(struct keeper_issuer *x, const struct health_seen *seen, const char *why)
{
    struct keeper *k = x->keeper;
    struct jwks_state *state = &x->state, was = *state;
    bool good = seen && seen->status == 200 && seen->event == VERDICT_SUCCESS && !why;
    double wait = good ? lifetime_of(x) : k->heritage->conf->jwks_error_ttl;
    state->tried = k->loop->now.real_s;
    state->status = seen ? (uint32_t)seen->status : 0;
    state->fetches++;
    state->failures += !good;
    state->error[0] = '\0';
    if (good)
        state->fetched = state->tried;
    else
        describe(seen, why, state->error, sizeof state->error);
    state->health = good                                    ? JWKS_GOOD
                    : jwks_version(zone_of(x), x->row) != 0 ? JWKS_STALE
                                                            : JWKS_LOST;
    state->due = state->tried + (int64_t)(wait + 0.999);
    x->due = k->loop->now.ms + (ms_of(wait) > 100 ? ms_of(wait) : 100);
    if (!good && (was.health != state->health || strcmp(was.error, state->error) != 0))
        log_write(LOG_LEVEL_ERROR, "keys of %s cannot be fetched: %s; %s", x->conf->uri.s,
                  state->error,
                  state->health == JWKS_STALE ? "the last ones stay" : "there are none yet");
    else if (good && (was.health == JWKS_STALE || was.health == JWKS_LOST))
        log_write(LOG_LEVEL_NOTICE, "keys of %s can be fetched again", x->conf->uri.s);
    if (jwks_put_state(zone_of(x), slot_of(x), x->row, x->conf->identity, state))
        jwks_end(zone_of(x), x->row, (uint64_t)k->loop->now.ms);
}

/* --- a fetch -------------------------------------------------------------------------------- */

static void on_head(struct probe *p, const struct head *h)
{
    struct keeper_issuer *x = (struct keeper_issuer *)p;
    struct cache_control cc;
    int64_t now = x->keeper->loop->now.real_s;
    freshness_clear(&cc);
    freshness_directives(h, &cc);
    x->body_n = 0;
    x->lifetime = freshness_lifetime(h, &cc, now);
    if (x->lifetime >= 0)
        x->lifetime -= freshness_initial_age(h, now, now);
    if (cc.no_store || cc.no_cache || x->lifetime < -1)
        x->lifetime = 0;
}

static const char *on_data(struct probe *p, struct slice run)
{
    struct keeper_issuer *x = (struct keeper_issuer *)p;
    char *body = x->keeper->body + (size_t)(x - x->keeper->issuers) * JWKS_READ_MAX;
    if (run.n > JWKS_READ_MAX - x->body_n)
        return "the document is too large";
    memcpy(body + x->body_n, run.p, run.n);
    x->body_n += run.n;
    return NULL;
}

static const struct probe_kind plain = {
    .name = "jwks over http", .step = probe_http_step, .head = on_head, .data = on_data
};
static const struct probe_kind secure = { .name = "jwks over https",
                                          .tls = true,
                                          .step = probe_http_step,
                                          .head = on_head,
                                          .data = on_data };

static const struct probe_kind *kind_of(const struct conf_issuer *conf)
{
    return conf->protocol == CONF_HTTPS ? &secure : &plain;
}

static void try_address(struct keeper_issuer *x)
{
    char text[ENDPOINT_TEXT];
    x->again = false;
    x->probe.subject.address = address_of(x, text);
    x->probe.subject.address.text = (struct conf_text){ "", 0 };
    x->tries++;
    probe_start(&x->probe);
}

static void done(struct probe *p, const struct health_seen *seen)
{
    struct keeper_issuer *x = (struct keeper_issuer *)p;
    bool answered = seen && seen->status != 0;
    if (seen && !answered && x->tries < addresses(x)) {
        x->again = true; /* at the next look: this one is not quite over */
        return;
    }
    const char *why = answered && seen->event == VERDICT_SUCCESS ? take(x) : NULL;
    if (!answered || why)
        x->turn++;
    conclude(x, seen, why);
    x->busy = false;
}

static void begin(struct keeper_issuer *x, bool wished)
{
    struct health_seen unable = { .cause = HEALTH_CAUSE_TLS, .text = "it cannot be set up" };
    jwks_begin(zone_of(x), x->row, (uint64_t)x->keeper->loop->now.ms, wished);
    x->tries = x->unnamed = 0;
    if (x->conf->protocol == CONF_HTTPS && !x->tls)
        x->tls = x->probe.subject.tls = tls_client_make(&x->service);
    if (x->conf->protocol == CONF_HTTPS && !x->tls) {
        conclude(x, &unable, NULL);
        return;
    }
    x->busy = true;
    try_address(x);
}

/* --- turns ---------------------------------------------------------------------------------- */

/* Fetched soon if nobody knows better: good keys are fetched again when they run out, by the
 * settings of this configuration. */
static int64_t first_due(const struct keeper_issuer *x)
{
    const struct clock *now = &x->keeper->loop->now;
    const struct conf *c = x->keeper->heritage->conf;
    const struct jwks_state *s = &x->state;
    double longest = s->health == JWKS_GOOD ? c->jwks_max_ttl : c->jwks_error_ttl;
    int64_t left = s->due - now->real_s;
    if (s->health == JWKS_NONE || s->health == JWKS_LOST || jwks_fetching(zone_of(x), x->row))
        return now->ms;
    if (left > (int64_t)longest)
        left = (int64_t)longest;
    return now->ms + (left > 0 ? left * 1000 : 0);
}

static void name(struct keeper_issuer *x)
{
    struct keeper *k = x->keeper;
    int row = jwks_claim(zone_of(x), slot_of(x), x->conf->identity, (uint64_t)k->loop->now.ms);
    if (row == x->row)
        return;
    x->row = row;
    memset(&x->state, 0, sizeof x->state);
    if (row < 0) {
        log_rarely(LOG_LEVEL_ERROR, "no room for the keys of %s", x->conf->uri.s);
        return;
    }
    (void)jwks_get_state(zone_of(x), row, &x->state);
    x->due = first_due(x);
}

static void look(struct keeper_issuer *x)
{
    int64_t now = x->keeper->loop->now.ms;
    if (x->row < 0 || (x->busy && !x->again))
        return;
    if (x->again) {
        try_address(x);
        return;
    }
    if (!jwks_is(zone_of(x), x->row, x->conf->identity)) { /* this process stood still for long */
        name(x);
        return;
    }
    bool wished = jwks_wished(zone_of(x), x->row);
    if (!wished && x->due > now)
        return;
    if (is_unnamed(x)) {
        x->unnamed++;
        x->due = now + KEEPER_NAMING_MS;
        return;
    }
    begin(x, wished && x->due > now); /* what was due takes nobody's turn */
}

static void on_look(struct timer *timer)
{
    struct keeper *k = (struct keeper *)((char *)timer - offsetof(struct keeper, look));
    bool naming = k->loop->now.ms >= k->name_at;
    for (size_t i = 0; i < k->n; i++) {
        if (naming && !k->issuers[i].busy)
            name(&k->issuers[i]);
        look(&k->issuers[i]);
    }
    if (naming)
        k->name_at = k->loop->now.ms + KEEPER_NAME_MS;
    timer_set(&k->loop->timers, &k->look, k->loop->now.ms + KEEPER_LOOK_MS, on_look);
}

/* --- life ----------------------------------------------------------------------------------- */

static void set_up(struct keeper *k, struct keeper_issuer *x, const struct conf_issuer *conf)
{
    static const int fine[] = { 200 };
    static const struct conf_text names[] = { { "accept", 6 }, { "user-agent", 10 } };
    static const struct conf_text values[] = { { "application/jwk-set+json, application/json", 42 },
                                               { "gateway/" GATEWAY_VERSION,
                                                 sizeof "gateway/" GATEWAY_VERSION - 1 } };
    static struct conf_route_header headers[2];
    for (size_t i = 0; i < 2; i++)
        headers[i] = (struct conf_route_header){ names[i], { &values[i], 1 } };
    x->keeper = k;
    x->conf = conf;
    x->row = -1;
    x->service = (struct conf_service){ .name = conf->uri,
                                        .protocol = conf->protocol,
                                        .host = conf->host,
                                        .tls_verify = conf->tls_verify,
                                        .ca_certificates = conf->ca_certificates,
                                        .authorities = conf->authorities };
    x->active = (struct conf_active){ .http_method = { "GET", 3 },
                                      .http_path = conf->target,
                                      .headers = { headers, 2 },
                                      .timeout = k->heritage->conf->jwks_timeout,
                                      .healthy.http_statuses = { fine, 1 } };
    x->probe.t.io.fd = -1;
    x->probe.room = &k->room;
    x->probe.kind = kind_of(conf);
    x->probe.done = done;
    x->probe.subject = (struct probe_subject){ .identity = conf->identity,
                                               .active = &x->active,
                                               .host = conf->authority };
}

struct keeper *keeper_make(const struct heritage *heritage, struct loop *loop)
{
    struct keeper *k = calloc(1, sizeof *k);
    size_t n = issuer_count(heritage->conf->issuers);
    if (!k)
        return NULL;
    k->heritage = heritage;
    k->loop = loop;
    k->issuers = calloc(n + 1, sizeof *k->issuers);
    k->body = malloc(n * JWKS_READ_MAX + 1);
    if (!k->issuers || !k->body || !probe_room_make(&k->room, loop)) {
        keeper_end(&k);
        return NULL;
    }
    for (const struct conf_issuer *i = heritage->conf->issuers; i; i = i->next)
        set_up(k, &k->issuers[k->n++], i);
    if (k->n)
        on_look(&k->look);
    return k;
}

void keeper_end(struct keeper **keeper)
{
    struct keeper *k = *keeper;
    *keeper = NULL;
    if (!k)
        return;
    for (size_t i = 0; i < k->n; i++) {
        probe_end(&k->issuers[i].probe);
        tls_client_free(&k->issuers[i].tls);
    }
    timer_drop(&k->loop->timers, &k->look);
    if (k->room.loop)
        probe_room_end(&k->room);
    free(k->issuers);
    free(k->body);
    free(k);
}
