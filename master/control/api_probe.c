/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: the last probes and changes of targets, and probes out of turn. The checker is the only one
 * who probes: it is asked through the shared record, and the record says when it has answered.
 */
#include "master/control/api_change.h"
#include "master/control/api_health.h"
#include "worker/base/checks.h"

enum { TARGET_MAX = 512 };

static json_t *counters_json(const struct verdict *v, enum verdict_source source)
{
    json_t *o = json_object();

    json_object_set_new(o, "tcp_failures", json_integer(v->failures[source][VERDICT_TCP_FAILURE]));
    json_object_set_new(o, "timeouts", json_integer(v->failures[source][VERDICT_TIMEOUT]));
    json_object_set_new(o, "http_failures",
                        json_integer(v->failures[source][VERDICT_HTTP_FAILURE]));
    json_object_set_new(o, "successes", json_integer(v->successes[source]));
    return o;
}

static json_t *entry_json(const struct health_entry *e)
{
    json_t *o = json_object();
    const char *by = e->cause == HEALTH_CAUSE_HAND || e->cause == HEALTH_CAUSE_SETTINGS ||
                             e->cause == HEALTH_CAUSE_NEW
                         ? "operator"
                     : e->source == VERDICT_ACTIVE ? "probe"
                                                   : "request";

    json_object_set_new(o, "number", json_integer((json_int_t)e->number));
    json_object_set_new(o, "at", json_real((double)e->real_ms / 1000));
    json_object_set_new(o, "kind",
                        json_string(e->kind == HEALTH_TRANSITION ? "transition" : "probe"));
    json_object_set_new(o, "by", json_string(by));
    json_object_set_new(o, "state",
                        json_string(health_state_name((enum health_state)(e->state % 3))));
    json_object_set_new(o, "cause", json_string(health_cause_text(e->cause)));
    if (e->status)
        json_object_set_new(o, "status", json_integer(e->status));
    if (e->text[0])
        json_object_set_new(o, "detail", api_text(e->text, strlen(e->text)));
    json_object_set_new(o, "took_ms", json_real((double)e->took / 1000));
    return o;
}

static json_t *log_json(const struct api *api, const struct peer *p)
{
    struct health_entry entries[HEALTH_LOG];
    uint32_t n = health_log_read(&api->heritage->health, p->row, entries);
    struct verdict v = verdict_unpack(p->row->verdict);
    json_t *o = json_object(), *list = json_array(), *counters = json_object();

    for (uint32_t i = 0; i < n; i++)
        json_array_append_new(list, entry_json(&entries[i]));
    json_object_set_new(o, "upstream", api_conf_text(p->upstream->name));
    json_object_set_new(o, "target", api_conf_text(p->target));
    json_object_set_new(o, "address", api_conf_text(p->text));
    json_object_set_new(o, "state", json_string(health_state_name(v.state)));
    json_object_set_new(o, "by_hand", json_boolean(v.by_hand));
    json_object_set_new(o, "since", json_integer((json_int_t)(p->row->since / 1000)));
    json_object_set_new(o, "changes", json_integer((json_int_t)p->row->changes));
    json_object_set_new(counters, "active", counters_json(&v, VERDICT_ACTIVE));
    json_object_set_new(counters, "passive", counters_json(&v, VERDICT_PASSIVE));
    json_object_set_new(o, "counters", counters);
    json_object_set_new(o, "asked", json_integer(p->row->asked));
    json_object_set_new(o, "answered", json_integer(p->row->answered));
    json_object_set_new(o, "log", list);
    return o;
}

typedef void visitor(const struct api *api, const struct peer *p, json_t *list);

/* Every target that `text` means (absent: all). */
static void visit(const struct api *api, struct slice text, visitor *what, json_t *list)
{
    const struct conf *conf = api->heritage->conf;

    for (size_t i = 0; i < conf->upstreams_n; i++) {
        const struct peer_set *set = peers_of(&api->peers, &conf->upstreams[i]);
        for (size_t k = 0; k < set->n; k++)
            if (set->v[k]->row && (text.p == NULL || api_health_is(set->v[k], text)))
                what(api, set->v[k], list);
    }
}

static void show(const struct api *api, const struct peer *p, json_t *list)
{
    json_array_append_new(list, log_json(api, p));
}

static void ask(const struct api *api, const struct peer *p, json_t *list)
{
    health_state_ask(&api->heritage->health, p->row);
    show(api, p, list);
}

struct missing {
    const struct conf_upstream *upstream;
    struct slice text;
    struct api_reply *reply;
};

static void say_unresolved(void *arg, struct conf_text target, int weight, const char *why)
{
    const struct missing *m = arg;

    (void)weight;
    if (m->reply->status == 0 && api_health_is_target(m->upstream, target, m->text))
        api_reply_message(m->reply, 404, "No address is known of that target: %s", why);
}

/* Nothing to be probed has that name. */
static void say_missing(const struct api *api, struct slice text, struct api_reply *reply)
{
    const struct conf *conf = api->heritage->conf;

    for (size_t i = 0; i < conf->upstreams_n; i++) {
        struct missing m = { &conf->upstreams[i], text, reply };
        api_change_each_unresolved(api, m.upstream, say_unresolved, &m);
    }
    if (reply->status == 0)
        api_reply_message(reply, 404, "There is no such target");
}

static void answer(struct api *api, const struct api_request *request, struct api_reply *reply,
                   bool asks)
{
    char buf[TARGET_MAX];
    bool named = api_parameter(request, "target", buf, sizeof buf);
    json_t *o, *list;

    if (!named && (asks || !api_parameter_fits(request, "target", sizeof buf))) {
        api_reply_message(reply, 400, "?target= must say which target is meant");
        return;
    }
    list = json_array();
    visit(api, named ? slice_of(buf, strlen(buf)) : (struct slice){ NULL, 0 }, asks ? ask : show,
          list);
    if (named && json_array_size(list) == 0) {
        json_decref(list);
        say_missing(api, slice_of(buf, strlen(buf)), reply);
        return;
    }
    o = json_object();
    json_object_set_new(o, "targets", list);
    api_reply_json(reply, asks ? 202 : 200, o);
}

void api_probe_log(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    answer(api, request, reply, false);
}

/* Answers at once; the result is in the log when `answered` has reached `asked`. */
void api_probe_ask(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    answer(api, request, reply, true);
}
