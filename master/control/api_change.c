/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change reads the list of its upstream or service, alters it and writes it back as a whole: one
 * record, one announcement, and every process has all of it or nothing.
 */
#include "master/control/api_change.h"
#include "master/control/api_entity.h"
#include "master/control/api_shift.h"
#include "shm/board.h"
#include "worker/base/answer.h"
#include "worker/base/log.h"
#include "worker/http/uri.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANGE_LONGEST = 10 * 366 * 86400 /* s */ };

/* --- whom ----------------------------------------------------------------------------------- */

bool api_change_segment(struct slice segment, char *out, size_t cap)
{
    ptrdiff_t n = segment.n < cap ? uri_decode(segment, false, out, cap) : -1;
    if (n <= 0 || (size_t)n >= cap || memchr(out, '\0', (size_t)n))
        return false;
    out[n] = '\0';
    return true;
}

const struct conf_upstream *api_change_upstream(const struct api *api, struct slice segment,
                                                struct api_reply *reply)
{
    const struct conf *conf = api->heritage->conf;
    char name[OVERRIDE_OWNER];
    if (api_change_segment(segment, name, sizeof name))
        for (size_t i = 0; i < conf->upstreams_n; i++)
            if (strcmp(conf->upstreams[i].name.s, name) == 0 ||
                strcmp(conf->upstreams[i].id.s, name) == 0)
                return &conf->upstreams[i];
    api_reply_message(reply, 404, "There is no such upstream");
    return NULL;
}

const struct conf_service *api_change_service(const struct api *api, struct slice segment,
                                              struct api_reply *reply)
{
    const struct conf *conf = api->heritage->conf;
    char name[OVERRIDE_OWNER];
    if (api_change_segment(segment, name, sizeof name))
        for (size_t i = 0; i < conf->services_n; i++)
            if (strcmp(conf->services[i].name.s, name) == 0 ||
                strcmp(conf->services[i].id.s, name) == 0)
                return &conf->services[i];
    api_reply_message(reply, 404, "There is no such service");
    return NULL;
}

/* As the file has it; NULL: it has not. */
static const struct conf_target *target_of(const struct conf_upstream *upstream,
                                           const char *subject)
{
    char other[OVERRIDE_SUBJECT];
    for (size_t i = 0; i < upstream->targets_n; i++) {
        override_subject(&upstream->targets[i], other);
        if (strcmp(other, subject) == 0)
            return &upstream->targets[i];
    }
    return NULL;
}

bool api_change_subject(struct api_change *c, const char *text, size_t n)
{
    c->file = NULL;
    if (!override_parse(text, n, c->subject))
        return false;
    c->file = target_of(c->upstream, c->subject);
    const struct override *deleted = override_find(&c->list, c->subject, OVERRIDE_DELETED);
    if (c->file)
        return !deleted || !override_holds(deleted, c->file);
    const struct override *added = override_find(&c->list, c->subject, OVERRIDE_ADDED);
    return added && override_holds(added, NULL);
}

static bool read_list(struct api_change *c, enum roster_kind kind, struct conf_text owner)
{
    if (owner.n < OVERRIDE_OWNER &&
        override_read(&c->api->heritage->roster, kind, owner, &c->list, NULL))
        return true;
    api_reply_message(c->reply, 500, "No memory for the overrides");
    return false;
}

bool api_change_begin(struct api_change *c, bool named)
{
    char target[OVERRIDE_SUBJECT];
    c->upstream = api_change_upstream(c->api, c->request->args[0], c->reply);
    if (!c->upstream || !read_list(c, ROSTER_UPSTREAM, c->upstream->name))
        return false;
    if (!named || (api_change_segment(c->request->args[1], target, sizeof target) &&
                   api_change_subject(c, target, strlen(target))))
        return true;
    api_reply_message(c->reply, 404, "The upstream has no such target");
    return false;
}

bool api_change_begin_service(struct api_change *c)
{
    c->service = api_change_service(c->api, c->request->args[0], c->reply);
    return c->service && read_list(c, ROSTER_SERVICE, c->service->name);
}

/* --- what ----------------------------------------------------------------------------------- */

/* "90", "90s", "10m", "2h", "1d": seconds; 0: not a span. */
int64_t api_change_span(const char *text)
{
    char *end;
    long long n = strtoll(text, &end, 10);
    int64_t unit = *end == '\0' || *end == 's' ? 1
                   : *end == 'm'               ? 60
                   : *end == 'h'               ? 3600
                   : *end == 'd'               ? 86400
                                               : 0;
    bool whole = end > text && text[0] >= '0' && text[0] <= '9' && (*end == '\0' || end[1] == '\0');
    return whole && n > 0 && n <= CHANGE_LONGEST && n * unit <= CHANGE_LONGEST ? n * unit : 0;
}

static bool read_until(struct api_change *c, const json_t *value)
{
    int64_t seconds = 0;
    if (!value)
        return true;
    if (json_is_integer(value) && json_integer_value(value) <= CHANGE_LONGEST)
        seconds = json_integer_value(value);
    else if (json_is_string(value))
        seconds = api_change_span(json_string_value(value));
    if (seconds <= 0) {
        api_reply_message(
            c->reply, 400,
            "\"for\" must be seconds, or a span like \"90s\", \"10m\", \"2h\", \"1d\"");
        return false;
    }
    c->until = c->api->now + seconds;
    return true;
}

bool api_change_body(struct api_change *c)
{
    struct slice body = c->request->body;
    c->body = json_loadb(body.p ? body.p : "", body.n, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(c->body))
        return read_until(c, json_object_get(c->body, "for"));
    api_reply_message(c->reply, 400, "The body must be a JSON object");
    return false;
}

void api_change_end(struct api_change *c)
{
    override_free(&c->list);
    json_decref(c->body);
}

bool api_change_set(struct api_change *c, enum override_thing thing, int value)
{
    struct override o = { .since = c->api->now,
                          .until = c->until,
                          .value = value,
                          .thing = (uint32_t)thing,
                          .base = c->service ? override_base_host(c->service)
                                             : override_base(c->file, thing) };
    memcpy(o.subject, c->subject, sizeof o.subject);
    snprintf(o.who, sizeof o.who, "%s", c->request->caller->text);
    return api_change_put(c, &o);
}

bool api_change_put(struct api_change *c, const struct override *o)
{
    if (override_set(&c->list, o))
        return true;
    api_reply_message(c->reply, 507, "There is no room for more than %d overrides", OVERRIDE_MAX);
    return false;
}

void api_change_drop(struct api_change *c, enum override_thing thing)
{
    (void)override_drop(&c->list, c->subject, thing);
}

bool api_change_write(struct api_change *c)
{
    const struct heritage *h = c->api->heritage;
    if (override_write(&h->roster, h->slot, c->service ? ROSTER_SERVICE : ROSTER_UPSTREAM,
                       &c->list)) {
        peers_renew(&c->api->peers);
        return true;
    }
    api_reply_message(c->reply, 507, "There is no room in shared memory for the overrides");
    return false;
}

json_t *api_change_json(const struct override *o)
{
    json_t *value = json_object();
    json_object_set_new(value, "thing", json_string(override_name(o->thing)));
    switch (o->thing) {
    case OVERRIDE_HOST:
        json_object_set_new(value, "value", api_text(o->subject, strlen(o->subject)));
        break;
    case OVERRIDE_SHIFT:
        json_object_set_new(value, "value", api_text(o->subject, strlen(o->subject)));
        json_object_set_new(value, "shift", api_shift_json(o));
        break;
    case OVERRIDE_WEIGHT:
    case OVERRIDE_MAX_CONNECTIONS:
        json_object_set_new(value, "value", json_integer(o->value));
        if (o->base >= 0)
            json_object_set_new(value, "file", json_integer((json_int_t)o->base));
        break;
    default:
        json_object_set_new(value, "value", json_true());
    }
    json_object_set_new(value, "who", api_text(o->who, strlen(o->who)));
    json_object_set_new(value, "since", json_integer((json_int_t)o->since));
    json_object_set_new(value, "until",
                        o->until ? json_integer((json_int_t)o->until) : json_null());
    return value;
}

/* --- without an address --------------------------------------------------------------------- */

struct unresolved {
    const struct zone *roster;
    struct override_list overrides;
    struct answer answer; /* used up within one target */
    api_change_unresolved *each;
    void *arg;
};

/* `file`: NULL where only an override knows it. */
static void look_up(struct unresolved *u, const struct conf_target *file, const char *subject)
{
    struct conf_text text = { subject, strlen(subject) }, host;
    int port, weight = override_value(&u->overrides, subject, file, OVERRIDE_WEIGHT,
                                      file ? file->weight : CHANGE_WEIGHT);

    if (override_value(&u->overrides, subject, file, OVERRIDE_DELETED, 0) ||
        !api_entity_name(text, &host, &port))
        return;
    bool known = answer_read(u->roster, host, &u->answer, NULL);
    if (known && u->answer.n > 0)
        return;
    if (override_value(&u->overrides, subject, file, OVERRIDE_DRAIN, 0) ||
        override_value(&u->overrides, subject, file, OVERRIDE_DOWN, 0))
        weight = 0;
    u->each(u->arg, file ? file->target : text, weight,
            known ? u->answer.error : "nobody was asked yet");
}

void api_change_each_unresolved(const struct api *api, const struct conf_upstream *upstream,
                                api_change_unresolved *each, void *arg)
{
    char subject[OVERRIDE_SUBJECT];
    struct unresolved *u;

    if (peers_of(&api->peers, upstream)->unresolved == 0 || !(u = calloc(1, sizeof *u)))
        return;
    u->roster = &api->heritage->roster;
    u->each = each;
    u->arg = arg;
    if (override_read(u->roster, ROSTER_UPSTREAM, upstream->name, &u->overrides, NULL)) {
        for (size_t i = 0; i < upstream->targets_n; i++) {
            override_subject(&upstream->targets[i], subject);
            look_up(u, &upstream->targets[i], subject);
        }
        for (size_t i = 0; i < u->overrides.n; i++) {
            const struct override *o = &u->overrides.v[i];
            if (o->thing == OVERRIDE_ADDED && !target_of(upstream, o->subject))
                look_up(u, NULL, o->subject);
        }
    }
    override_free(&u->overrides);
    free(u);
}

/* --- the sweep ------------------------------------------------------------------------------ */

struct sweep {
    struct api *api;
    bool committed;
    int64_t next; /* when the next one expires */
};

bool api_change_is_upstream(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->upstreams_n; i++)
        if (!conf->upstreams[i].implied && strcmp(conf->upstreams[i].name.s, name) == 0)
            return true;
    return false;
}

/* Whether the file still says what it said. */
static bool holds(const struct conf *conf, enum roster_kind kind, const char *owner,
                  const struct override *o)
{
    for (size_t i = 0; kind == ROSTER_UPSTREAM && i < conf->upstreams_n; i++)
        if (strcmp(conf->upstreams[i].name.s, owner) == 0)
            return override_holds(o, target_of(&conf->upstreams[i], o->subject));
    for (size_t i = 0; kind == ROSTER_SERVICE && i < conf->services_n; i++)
        if (strcmp(conf->services[i].name.s, owner) == 0)
            return o->base == override_base_host(&conf->services[i]) &&
                   (o->thing != OVERRIDE_SHIFT || api_change_is_upstream(conf, o->subject));
    return false;
}

/* NULL: it stays. `kept` are those before it, of which the one that adds a target is the first. */
static const char *why_dropped(const struct sweep *s, enum roster_kind kind,
                               const struct override_list *kept, const struct override *o)
{
    if (o->until && o->until <= s->api->now)
        return "its time is over";
    if (s->committed && !holds(s->api->heritage->conf, kind, kept->owner, o))
        return "the file says something else now";
    if (o->thing != OVERRIDE_ADDED && override_is_orphan(kept, o))
        return "its target is there no more";
    return NULL;
}

static void sweep_list(struct sweep *s, enum roster_kind kind, struct override_list *list)
{
    const struct heritage *h = s->api->heritage;
    size_t n = list->n;
    list->n = 0;
    for (size_t i = 0; i < n; i++) {
        const struct override *o = &list->v[i];
        const char *why = why_dropped(s, kind, list, o);
        if (why) {
            log_write(LOG_LEVEL_NOTICE, "override dropped, %s: %s %s of %s", why,
                      override_name(o->thing), o->subject, list->owner);
            continue;
        }
        if (o->until && o->until < s->next)
            s->next = o->until;
        list->v[list->n++] = *o;
    }
    if (list->n < n)
        (void)override_write(&h->roster, h->slot, kind, list);
}

void api_change_sweep(struct api *api)
{
    const struct heritage *h = api->heritage;
    uint64_t epoch = atomic_load_explicit(roster_epoch(&h->roster), memory_order_acquire);
    struct sweep s = { api, board_of(&h->board)->generation == h->generation, INT64_MAX };
    uint32_t at = 0;
    uint64_t identity;
    if (api->swept && epoch == api->swept_epoch && s.committed == api->swept_committed &&
        api->now < api->sweep_at)
        return;
    while ((identity = roster_next(&h->roster, &at))) {
        struct override_list list;
        enum roster_kind kind;
        if (override_read_record(&h->roster, identity, &kind, &list))
            sweep_list(&s, kind, &list);
        override_free(&list);
    }
    api->swept = true;
    api->swept_epoch = atomic_load_explicit(roster_epoch(&h->roster), memory_order_acquire);
    api->swept_committed = s.committed;
    api->sweep_at = s.next;
}
