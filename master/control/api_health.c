/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: health of upstreams and targets in Kong's shape and words, and what an operator says about a
 * target by hand. The state is read from the shared record, by the same rules as workers use.
 */
#include "master/control/api_health.h"
#include "master/control/api_change.h"
#include "worker/base/checks.h"
#include "worker/base/fitness.h"
#include <stdio.h>
#include <unistd.h>

/* --- who is meant --------------------------------------------------------------------------- */

static bool is(struct slice text, struct conf_text name)
{
    return slice_equal(text, slice_of(name.s, name.n));
}

/* As it was written, or in whatever other spelling. */
static bool spells(struct slice text, struct conf_text target)
{
    char said[OVERRIDE_SUBJECT], own[OVERRIDE_SUBJECT];

    return is(text, target) || (override_parse(text.p, text.n, said) &&
                                override_parse(target.s, target.n, own) && strcmp(said, own) == 0);
}

static bool names(const struct peer *peer, struct slice text)
{
    return is(text, peer->text) || spells(text, peer->target);
}

/* Without the upstream's name before it. */
static struct slice bare(struct slice text, struct conf_text upstream)
{
    if (text.n > upstream.n + 1 && text.p[upstream.n] == '/' &&
        is(slice_of(text.p, upstream.n), upstream))
        return slice_of(text.p + upstream.n + 1, text.n - upstream.n - 1);
    return text;
}

bool api_health_is(const struct peer *peer, struct slice text)
{
    return names(peer, bare(text, peer->upstream->name));
}

bool api_health_is_target(const struct conf_upstream *upstream, struct conf_text target,
                          struct slice text)
{
    return spells(bare(text, upstream->name), target);
}

/* --- GET /upstreams/:u/health --------------------------------------------------------------- */

static bool is_checked(const struct conf_upstream *upstream)
{
    return checks_active(&upstream->healthchecks) || checks_passive(&upstream->healthchecks);
}

static const char *health_of(const struct peer *p)
{
    if (p->row && health_state(p->row) != HEALTH_UP)
        return "UNHEALTHY";
    return is_checked(p->upstream) ? "HEALTHY" : "HEALTHCHECKS_OFF";
}

static json_t *address_json(const struct peer *p)
{
    const struct conf_address *a = &p->address;
    json_t *o = json_object();
    int port = a->u.any.sa_family == AF_INET    ? ntohs(a->u.in.sin_port)
               : a->u.any.sa_family == AF_INET6 ? ntohs(a->u.in6.sin6_port)
                                                : 0;

    json_object_set_new(o, "address", api_conf_text(p->text));
    json_object_set_new(o, "port", json_integer(port));
    json_object_set_new(o, "weight", json_integer(p->weight));
    json_object_set_new(o, "health", json_string(health_of(p)));
    if (p->row) {
        json_object_set_new(o, "state", json_string(health_state_name(health_state(p->row))));
        json_object_set_new(o, "since", json_integer((json_int_t)(p->row->since / 1000)));
        json_object_set_new(o, "cause", json_string(health_cause_text(p->row->cause)));
    }
    json_object_set_new(o, "spared", json_boolean(p->spared));
    return o;
}

static json_t *target_json(struct conf_text target, const struct conf_upstream *upstream)
{
    json_t *o = json_object(), *data = json_object(), *up = json_object();

    json_object_set_new(up, "id", api_conf_text(upstream->id));
    json_object_set_new(data, "addresses", json_array());
    json_object_set_new(o, "target", api_conf_text(target));
    json_object_set_new(o, "upstream", up);
    json_object_set_new(o, "weight", json_integer(0));
    json_object_set_new(o, "health", json_string("DNS_ERROR"));
    json_object_set_new(o, "data", data);
    return o;
}

/* A target is as healthy as its best address. */
static void add_address(json_t *target, const struct peer *p)
{
    json_t *weight = json_object_get(target, "weight");
    const char *health = json_string_value(json_object_get(target, "health"));

    json_array_append_new(json_object_get(json_object_get(target, "data"), "addresses"),
                          address_json(p));
    json_integer_set(weight, json_integer_value(weight) + p->weight);
    if (health[0] == 'D' || strcmp(health, "UNHEALTHY") == 0)
        json_object_set_new(target, "health", json_string(health_of(p)));
}

static json_t *target_in(json_t *list, json_t *index, struct conf_text target,
                         const struct conf_upstream *upstream)
{
    json_t *o = json_object_get(index, target.s);

    if (o == NULL) {
        o = target_json(target, upstream);
        json_array_append_new(list, o);
        json_object_set(index, target.s, o);
    }
    return o;
}

struct listing {
    const struct conf_upstream *upstream;
    json_t *list, *index;
};

static void add_unresolved(void *arg, struct conf_text target, int weight, const char *why)
{
    struct listing *l = arg;
    json_t *o = target_in(l->list, l->index, target, l->upstream);

    json_object_set_new(o, "weight", json_integer(weight));
    json_object_set_new(json_object_get(o, "data"), "error", api_text(why, strlen(why)));
}

/* Those of which no address is known are there as DNS_ERROR. */
static json_t *targets_json(const struct api *api, const struct conf_upstream *upstream)
{
    const struct peer_set *set = peers_of(&api->peers, upstream);
    struct listing l = { upstream, json_array(), json_object() };

    for (size_t i = 0; i < set->n; i++)
        add_address(target_in(l.list, l.index, set->v[i]->target, upstream), set->v[i]);
    api_change_each_unresolved(api, upstream, add_unresolved, &l);
    json_decref(l.index);
    return l.list;
}

static json_t *summary_json(const struct conf_upstream *upstream, const struct fitness *f)
{
    json_t *o = json_object(), *weight = json_object();
    bool ok = is_checked(upstream) || f->available < f->total;

    json_object_set_new(o, "id", api_conf_text(upstream->id));
    json_object_set_new(o, "name", api_conf_text(upstream->name));
    json_object_set_new(o, "health",
                        json_string(f->unhealthy ? "UNHEALTHY"
                                    : ok         ? "HEALTHY"
                                                 : "HEALTHCHECKS_OFF"));
    json_object_set_new(weight, "total", json_integer((json_int_t)f->total));
    json_object_set_new(weight, "available", json_integer((json_int_t)f->available));
    json_object_set_new(weight, "unavailable", json_integer((json_int_t)(f->total - f->available)));
    json_object_set_new(o, "weight", weight);
    json_object_set_new(o, "threshold", json_real(upstream->healthchecks.threshold));
    json_object_set_new(o, "closed", json_boolean(f->closed));
    return o;
}

static json_t *node_json(void)
{
    char name[256] = "localhost";

    if (gethostname(name, sizeof name - 1) != 0)
        strcpy(name, "localhost");
    return api_text(name, strlen(name));
}

/* With ?balancer_health=1 the upstream's alone, as Kong has it. */
void api_health_get(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    const struct conf_upstream *upstream = api_change_upstream(api, request->args[0], reply);
    struct fitness fitness = { 0 };
    json_t *o, *data;
    char alone[8];

    if (upstream == NULL)
        return;
    const struct peer_set *set = peers_of(&api->peers, upstream);
    fitness_look(&fitness, set, health_state_changes(&api->heritage->health));
    o = json_object();
    json_object_set_new(o, "node_id", node_json());
    if (api_parameter(request, "balancer_health", alone, sizeof alone) && alone[0] == '1') {
        json_object_set_new(o, "data", summary_json(upstream, &fitness));
    } else {
        data = targets_json(api, upstream);
        json_object_set_new(o, "total", json_integer((json_int_t)json_array_size(data)));
        json_object_set_new(o, "data", data);
        json_object_set_new(o, "next", json_null());
        json_object_set_new(o, "upstream", summary_json(upstream, &fitness));
    }
    api_reply_json(reply, 200, o);
}

/* --- by hand -------------------------------------------------------------------------------- */

static void set_one(const struct api *api, const struct peer *p, enum health_state state)
{
    static const struct health_seen hand = { .cause = HEALTH_CAUSE_HAND };
    struct health_now now = { &api->heritage->health, (int64_t)(api->now_ns / 1000000),
                              api->now * 1000 };
    char name[256];

    snprintf(name, sizeof name, "%s/%s", p->upstream->name.s, p->text.s);
    checks_log(health_state_set(p->row, state, &now), name, &hand);
}

struct missing {
    const char *target;
    const char *why; /* it has no address; NULL: it is not there */
    char buf[128];
};

static void look_for(void *arg, struct conf_text target, int weight, const char *why)
{
    struct missing *m = arg;

    (void)weight;
    if (m->why == NULL && spells(slice_of(m->target, strlen(m->target)), target)) {
        snprintf(m->buf, sizeof m->buf, "%s", why);
        m->why = m->buf;
    }
}

static void say_missing(const struct api *api, const struct conf_upstream *upstream,
                        const char *target, struct api_reply *reply)
{
    struct missing m = { .target = target };

    api_change_each_unresolved(api, upstream, look_for, &m);
    if (m.why)
        api_reply_message(reply, 404, "No address is known of that target: %s", m.why);
    else
        api_reply_message(reply, 404, "There is no such target");
}

/* All addresses of the target, or the one that is named behind it. */
static void set(struct api *api, const struct api_request *request, struct api_reply *reply,
                enum health_state state)
{
    const struct conf_upstream *upstream = api_change_upstream(api, request->args[0], reply);
    char target[OVERRIDE_SUBJECT], address[OVERRIDE_SUBJECT] = "";
    bool one = request->args[2].p != NULL;
    bool named = api_change_segment(request->args[1], target, sizeof target) &&
                 (!one || api_change_segment(request->args[2], address, sizeof address));
    size_t found = 0;

    if (upstream == NULL)
        return;
    const struct peer_set *peers = peers_of(&api->peers, upstream);
    for (size_t i = 0; named && i < peers->n; i++) {
        const struct peer *p = peers->v[i];
        if (!p->row || !names(p, slice_of(target, strlen(target))) ||
            (one && strcmp(address, p->text.s) != 0))
            continue;
        set_one(api, p, state);
        found++;
    }
    if (found == 0) {
        say_missing(api, upstream, named && !one ? target : "", reply);
        return;
    }
    api_audit(request, "target %s of upstream %s set to %s", target, upstream->name.s,
              state == HEALTH_UP ? "healthy" : "unhealthy");
    reply->status = 204;
}

void api_health_up(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    set(api, request, reply, HEALTH_UP);
}

void api_health_down(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    set(api, request, reply, HEALTH_DOWN);
}
