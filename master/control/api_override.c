/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: all overrides beside the file: listed, dropped, or printed as the configuration that would
 * make them permanent; and the one that a service can have, another upstream as its host.
 */
#include "master/control/api_change.h"
#include "master/control/api_entity.h"
#include "worker/http/uri.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILTER_MAX = OVERRIDE_SUBJECT };

/* --- a service's host ----------------------------------------------------------------------- */

/* A service leads to one upstream: another one that was asked for, and a shift, end with this. */
static void drop_hosts(struct api_change *c)
{
    while (c->list.n > 0)
        (void)override_drop(&c->list, c->list.v[0].subject,
                            (enum override_thing)c->list.v[0].thing);
}

static bool take_host(struct api_change *c)
{
    const json_t *value = json_object_get(c->body, "host");
    const char *host = json_string_value(value);
    size_t wanted = json_object_get(c->body, "for") ? 2 : 1;

    if (!value || json_object_size(c->body) != wanted || (!json_is_null(value) && !host)) {
        api_reply_message(
            c->reply, 400,
            "The body must be {\"host\": UPSTREAM}, with \"for\" if asked for; null is "
            "what the file says");
        return false;
    }
    drop_hosts(c);
    if (!host || strcmp(host, c->service->host.s) == 0)
        return true;
    if (strlen(host) >= sizeof c->subject ||
        !api_change_is_upstream(c->api->heritage->conf, host)) {
        api_reply_message(c->reply, 400, "There is no upstream of that name");
        return false;
    }
    snprintf(c->subject, sizeof c->subject, "%s", host);
    return api_change_set(c, OVERRIDE_HOST, 1);
}

void api_override_service(struct api *api, const struct api_request *request,
                          struct api_reply *reply)
{
    struct api_change c = { .api = api, .request = request, .reply = reply };

    if (api_change_begin_service(&c) && api_change_body(&c) && take_host(&c) &&
        api_change_write(&c)) {
        api_audit(request, "service %s leads to %s", c.service->name.s,
                  peers_upstream(&api->peers, c.service)->name.s);
        api_reply_json(reply, 200, api_entity_service(api, c.service));
    }
    api_change_end(&c);
}

/* --- all of them ---------------------------------------------------------------------------- */

/* What a walk over all records does with each list. */
typedef void visitor(void *arg, enum roster_kind kind, struct override_list *list);

static void visit(const struct api *api, visitor *each, void *arg)
{
    const struct zone *roster = &api->heritage->roster;
    uint32_t at = 0;
    uint64_t identity;
    while ((identity = roster_next(roster, &at))) {
        struct override_list list;
        enum roster_kind kind;
        if (override_read_record(roster, identity, &kind, &list))
            each(arg, kind, &list);
        override_free(&list);
    }
}

static void list_all(void *arg, enum roster_kind kind, struct override_list *list)
{
    json_t *rows = arg;
    for (size_t i = 0; i < list->n; i++) {
        const struct override *o = &list->v[i];
        json_t *row = api_change_json(o);
        json_object_set_new(row, kind == ROSTER_SERVICE ? "service" : "upstream",
                            api_text(list->owner, strlen(list->owner)));
        if (kind == ROSTER_UPSTREAM)
            json_object_set_new(row, "target", api_text(o->subject, strlen(o->subject)));
        json_array_append_new(rows, row);
    }
}

void api_override_list(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    json_t *rows = json_array(), *value = json_object();
    (void)request;
    visit(api, list_all, rows);
    json_object_set_new(value, "overrides", rows);
    api_reply_json(reply, 200, value);
}

struct drop {
    const struct heritage *heritage;
    char upstream[FILTER_MAX], service[FILTER_MAX], target[FILTER_MAX];
    uint32_t thing; /* 0: any */
    size_t n;
    bool failed;
};

static bool is_wanted(const struct drop *d, enum roster_kind kind, const char *owner,
                      const struct override *o)
{
    if (d->thing && o->thing != d->thing)
        return false;
    if (kind == ROSTER_SERVICE)
        return !d->upstream[0] && !d->target[0] &&
               (!d->service[0] || strcmp(d->service, owner) == 0);
    return !d->service[0] && (!d->upstream[0] || strcmp(d->upstream, owner) == 0) &&
           (!d->target[0] || strcmp(d->target, o->subject) == 0);
}

static void drop_some(void *arg, enum roster_kind kind, struct override_list *list)
{
    struct drop *d = arg;
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++)
        if (!is_wanted(d, kind, list->owner, &list->v[i]))
            list->v[kept++] = list->v[i];
    if (kept == list->n)
        return;
    d->n += list->n - kept;
    list->n = kept;
    d->failed |= !override_write(&d->heritage->roster, d->heritage->slot, kind, list);
}

static bool take_name(const struct api_request *request, const char *name, char out[FILTER_MAX])
{
    return api_parameter(request, name, out, FILTER_MAX) && out[0] != '\0';
}

static bool take_filter(const struct api_request *request, struct slice name, struct drop *d)
{
    char text[FILTER_MAX];
    if (slice_equal(name, SLICE("upstream")))
        return take_name(request, "upstream", d->upstream);
    if (slice_equal(name, SLICE("service")))
        return take_name(request, "service", d->service);
    if (slice_equal(name, SLICE("target")))
        return take_name(request, "target", text) && override_parse(text, strlen(text), d->target);
    if (slice_equal(name, SLICE("thing")))
        return take_name(request, "thing", text) && (d->thing = override_thing_of(text)) != 0;
    return false;
}

/* What is not understood drops nothing, least of all everything. */
static bool take_filters(const struct api_request *request, struct drop *d, struct api_reply *reply)
{
    struct slice rest = request->query, name, value;
    while (rest.p && uri_query_next(&rest, &name, &value))
        if (!take_filter(request, name, d)) {
            api_reply_message(reply, 400,
                              "The query may name an upstream, a service, a target (HOST:PORT) "
                              "and a thing that can be overridden");
            return false;
        }
    return true;
}

void api_override_drop(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    struct drop d = { .heritage = api->heritage };
    if (!take_filters(request, &d, reply))
        return;
    visit(api, drop_some, &d);
    peers_renew(&api->peers);
    if (d.failed) {
        api_reply_message(reply, 507, "There is no room in shared memory");
        return;
    }
    api_audit(request, "%zu overrides dropped", d.n);
    api_reply_json(reply, 200, json_pack("{sI}", "dropped", (json_int_t)d.n));
}

/* --- as configuration ----------------------------------------------------------------------- */

struct print {
    const struct api *api;
    FILE *out;
};

static void print_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/* One that is drained or down has the weight 0 in a file. Returns how many were printed. */
static int print_target(FILE *out, const struct override_list *list, const char *subject,
                        const struct conf_target *file, int before)
{
    int weight = override_value(list, subject, file, OVERRIDE_WEIGHT, file ? file->weight : 100);
    int most = override_value(list, subject, file, OVERRIDE_MAX_CONNECTIONS,
                              file ? file->max_connections : 0);
    if (override_value(list, subject, file, OVERRIDE_DELETED, 0))
        return 0;
    if (override_value(list, subject, file, OVERRIDE_DRAIN, 0) ||
        override_value(list, subject, file, OVERRIDE_DOWN, 0))
        weight = 0;
    fputs(before ? ",\n      { target = " : "      { target = ", out);
    print_text(out, subject);
    fprintf(out, "; weight = %d;", weight);
    if (most)
        fprintf(out, " max_connections = %d;", most);
    if (file && file->backup)
        fputs(" backup = true;", out);
    fputs(" }", out);
    return 1;
}

/* Another port of the same host is another upstream: its services would come along. */
static bool may_have_its_name(const struct conf *conf, const struct conf_upstream *upstream)
{
    const char *host = upstream->targets[0].host.s;
    bool may = !strchr(host, ':');
    for (size_t i = 0; may && i < conf->upstreams_n; i++) {
        const struct conf_upstream *other = &conf->upstreams[i];
        may = other == upstream || !other->implied || strcmp(other->targets[0].host.s, host) != 0;
    }
    return may;
}

/* A name that no upstream has, and no other one gets: numbers go on by how many there are. */
static void find_name(const struct conf *conf, const struct conf_upstream *upstream, char *name,
                      size_t size)
{
    bool taken = true;
    for (size_t number = upstream->index + 1; taken; number += conf->upstreams_n) {
        snprintf(name, size, "pool-%zu", number);
        taken = false;
        for (size_t i = 0; !taken && i < conf->upstreams_n; i++)
            taken = strcmp(conf->upstreams[i].name.s, name) == 0;
    }
}

/* One that the file has not, since services name a host themselves: it gets the host's name, which
 * is what makes them lead there, or a free one that they have to name then. Targets see the same
 * Host as before. */
static void print_implied(const struct print *p, const struct conf_upstream *upstream)
{
    const struct conf *conf = p->api->heritage->conf;
    const char *name = upstream->targets[0].host.s, *authority = upstream->name.s;
    bool own = may_have_its_name(conf, upstream);
    char other[32];
    if (!own) {
        find_name(conf, upstream, other, sizeof other);
        name = other;
    }
    for (size_t i = 0; i < conf->services_n; i++) {
        const struct conf_service *service = &conf->services[i];
        if (service->upstream != upstream)
            continue;
        authority = service->authority.s;
        if (!own)
            fprintf(p->out, "# the service \"%s\" has to name it: host = \"%s\"%s\n",
                    service->name.s, name,
                    service->protocol == CONF_HTTPS ? ", which certificates are verified for" : "");
    }
    fputs("  { name = ", p->out);
    print_text(p->out, name);
    if (strcmp(name, authority) == 0)
        return;
    fputs("; host_header = ", p->out);
    print_text(p->out, authority);
}

static void print_upstream(const struct print *p, const struct conf_upstream *upstream,
                           const struct override_list *list)
{
    char subject[OVERRIDE_SUBJECT];
    int printed = 0;
    if (upstream->implied) {
        print_implied(p, upstream);
    } else {
        fputs("  { name = ", p->out);
        print_text(p->out, upstream->name.s);
    }
    fputs(";\n    targets = (\n", p->out);
    for (size_t i = 0; i < upstream->targets_n; i++) {
        override_subject(&upstream->targets[i], subject);
        printed += print_target(p->out, list, subject, &upstream->targets[i], printed);
    }
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i].thing == OVERRIDE_ADDED && override_holds(&list->v[i], NULL))
            printed += print_target(p->out, list, list->v[i].subject, NULL, printed);
    fputs(printed ? "\n    ); }\n" : "    ); }\n", p->out);
}

static void print_list(void *arg, enum roster_kind kind, struct override_list *list)
{
    const struct print *p = arg;
    const struct conf *conf = p->api->heritage->conf;
    for (size_t i = 0; kind == ROSTER_UPSTREAM && i < conf->upstreams_n; i++)
        if (strcmp(conf->upstreams[i].name.s, list->owner) == 0) {
            fputs("# in upstreams:\n", p->out);
            print_upstream(p, &conf->upstreams[i], list);
        }
    for (size_t i = 0; kind == ROSTER_SERVICE && i < conf->services_n; i++)
        if (strcmp(conf->services[i].name.s, list->owner) == 0 &&
            override_find_host(list, &conf->services[i], OVERRIDE_HOST)) {
            fputs("# in services:\n  { name = ", p->out);
            print_text(p->out, list->owner);
            fputs("; host = ", p->out);
            print_text(p->out, peers_upstream(&p->api->peers, &conf->services[i])->name.s);
            fputs("; }\n", p->out);
        }
}

void api_override_commit(struct api *api, const struct api_request *request,
                         struct api_reply *reply)
{
    struct print p = { api, open_memstream(&reply->body, &reply->body_n) };
    (void)request;
    if (p.out) {
        visit(api, print_list, &p);
        if (fclose(p.out) == 0) {
            reply->status = 200;
            reply->type = "text/plain; charset=utf-8";
            return;
        }
    }
    api_reply_message(reply, 500, "No memory for the configuration");
}
