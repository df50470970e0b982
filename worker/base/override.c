/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record is a head with the owner's name and the overrides behind it, in order, so that one is
 * found by halving. Whoever reads it checks sizes and terminates texts: it lies where other
 * processes write.
 */
#include "worker/base/override.h"
#include "conf/endpoint.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOT_IN_FILE = -1, OVERRIDE_PORT = 8000 };

struct record_head {
    uint32_t kind, n;
    char owner[OVERRIDE_OWNER];
};

_Static_assert(sizeof(struct override) == OVERRIDE_SUBJECT + OVERRIDE_WHO + 32 + 56, "layout");
_Static_assert(sizeof(struct record_head) + OVERRIDE_MAX * sizeof(struct override) <=
                   ROSTER_RECORD_MAX,
               "all of them fit into a record");

static const char *const names[OVERRIDE_THINGS] = {
    [OVERRIDE_ADDED] = "added",   [OVERRIDE_DELETED] = "deleted",
    [OVERRIDE_WEIGHT] = "weight", [OVERRIDE_MAX_CONNECTIONS] = "max_connections",
    [OVERRIDE_DRAIN] = "drain",   [OVERRIDE_DOWN] = "down",
    [OVERRIDE_HOST] = "host",     [OVERRIDE_SHIFT] = "shift",
};

const char *override_name(uint32_t thing)
{
    return thing > 0 && thing < OVERRIDE_THINGS ? names[thing] : "unknown";
}

enum override_thing override_thing_of(const char *name)
{
    for (uint32_t i = 1; i < OVERRIDE_THINGS; i++)
        if (strcmp(names[i], name) == 0)
            return (enum override_thing)i;
    return (enum override_thing)0;
}

/* --- subjects ------------------------------------------------------------------------------- */

static void write_subject(const char *host, size_t n, int port, char out[OVERRIDE_SUBJECT])
{
    char plain[ENDPOINT_SIX];
    bool six = endpoint_six(host, n, plain);
    if (six)
        n = strlen(host = plain);
    snprintf(out, OVERRIDE_SUBJECT, six ? "[%.*s]:%d" : "%.*s:%d", (int)n, host, port);
    for (char *p = out; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
}

void override_subject(const struct conf_target *target, char out[OVERRIDE_SUBJECT])
{
    if (target->host.n)
        write_subject(target->host.s, target->host.n, target->port, out);
    else
        snprintf(out, OVERRIDE_SUBJECT, "%s", target->target.s);
}

bool override_parse(const char *text, size_t n, char out[OVERRIDE_SUBJECT])
{
    char copy[OVERRIDE_SUBJECT];
    struct conf_text host;
    int port;
    if (n == 0 || n >= sizeof copy || memchr(text, '\0', n))
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    if (endpoint_target((struct conf_text){ copy, n }, OVERRIDE_PORT, &host, &port))
        return false;
    if (host.n)
        write_subject(host.s, host.n, port, out);
    else
        memcpy(out, copy, n + 1);
    return true;
}

int64_t override_base(const struct conf_target *target, enum override_thing thing)
{
    if (!target)
        return NOT_IN_FILE;
    switch (thing) {
    case OVERRIDE_WEIGHT:
    case OVERRIDE_DRAIN:
        return target->weight;
    case OVERRIDE_MAX_CONNECTIONS:
        return target->max_connections;
    default:
        return 0;
    }
}

int override_value(const struct override_list *list, const char *subject,
                   const struct conf_target *target, enum override_thing thing, int value)
{
    const struct override *o = override_find(list, subject, thing);
    return o && override_holds(o, target) ? o->value : value;
}

bool override_is_orphan(const struct override_list *list, const struct override *o)
{
    return o->base == NOT_IN_FILE && !override_find(list, o->subject, OVERRIDE_ADDED);
}

int64_t override_base_host(const struct conf_service *service)
{
    return (int64_t)(roster_identity(ROSTER_SERVICE, service->host.s, service->host.n) >> 1);
}

/* --- lists ---------------------------------------------------------------------------------- */

static int order(const struct override *o, const char *subject, uint32_t thing)
{
    int d = strcmp(o->subject, subject);
    return d ? d : (int)o->thing - (int)thing;
}

/* Where it is, or would be. */
static size_t place_of(const struct override_list *list, const char *subject, uint32_t thing,
                       bool *there)
{
    size_t low = 0, high = list->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (order(&list->v[middle], subject, thing) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < list->n && order(&list->v[low], subject, thing) == 0;
    return low;
}

const struct override *override_find(const struct override_list *list, const char *subject,
                                     enum override_thing thing)
{
    bool there;
    size_t at = place_of(list, subject, thing, &there);
    return there ? &list->v[at] : NULL;
}

const struct override *override_find_host(const struct override_list *list,
                                          const struct conf_service *service,
                                          enum override_thing thing)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i].thing == (uint32_t)thing && list->v[i].base == override_base_host(service))
            return &list->v[i];
    return NULL;
}

bool override_set(struct override_list *list, const struct override *o)
{
    bool there;
    size_t at = place_of(list, o->subject, o->thing, &there);
    if (!there) {
        struct override *v =
            list->n < OVERRIDE_MAX ? realloc(list->v, (list->n + 1) * sizeof *v) : NULL;
        if (!v)
            return false;
        list->v = v;
        memmove(v + at + 1, v + at, (list->n - at) * sizeof *v);
        list->n++;
    }
    list->v[at] = *o;
    return true;
}

bool override_drop(struct override_list *list, const char *subject, enum override_thing thing)
{
    bool there;
    size_t at = place_of(list, subject, thing, &there);
    if (there)
        memmove(list->v + at, list->v + at + 1, (--list->n - at) * sizeof *list->v);
    return there;
}

void override_free(struct override_list *list)
{
    free(list->v);
    *list = (struct override_list){ .n = 0 };
}

/* --- records -------------------------------------------------------------------------------- */

uint64_t override_identity(enum roster_kind kind, struct conf_text owner)
{
    return roster_identity(kind, owner.s, owner.n);
}

/* Makes a list of a record's bytes; what is not in order is none. */
static bool sound(const char *bytes, size_t n, struct record_head *head, struct override_list *out)
{
    if (n < sizeof *head)
        return false;
    memcpy(head, bytes, sizeof *head);
    if (head->n == 0 || head->n > OVERRIDE_MAX ||
        n != sizeof *head + head->n * sizeof(struct override))
        return false;
    head->owner[OVERRIDE_OWNER - 1] = '\0';
    for (uint32_t i = 0; i < head->n; i++) {
        struct override *o = &out->v[i];
        memcpy(o, bytes + sizeof *head + i * sizeof *o, sizeof *o);
        o->subject[OVERRIDE_SUBJECT - 1] = o->who[OVERRIDE_WHO - 1] = '\0';
        if (o->thing == 0 || o->thing >= OVERRIDE_THINGS ||
            (i > 0 && order(&out->v[i - 1], o->subject, o->thing) >= 0))
            return false;
    }
    out->n = head->n;
    memcpy(out->owner, head->owner, sizeof out->owner);
    return true;
}

/* False: no memory. An unsound record leaves the list empty and *kind 0. */
static bool read_list(const struct zone *roster, uint64_t identity, uint32_t *kind,
                      struct override_list *out, uint64_t *change)
{
    struct record_head head = { 0 };
    size_t n = roster_get(roster, identity, NULL, 0, change), got;
    char *bytes;
    *out = (struct override_list){ .n = 0 };
    *kind = 0;
    if (n == 0)
        return true;
    bytes = malloc(n);
    out->v = malloc(n);
    if (!bytes || !out->v) {
        free(bytes);
        return false;
    }
    /* replaced meanwhile by a larger one: it is found changed later */
    got = roster_get(roster, identity, bytes, n, NULL);
    if (got <= n && sound(bytes, got, &head, out) &&
        override_identity((enum roster_kind)head.kind,
                          (struct conf_text){ head.owner, strlen(head.owner) }) == identity)
        *kind = head.kind;
    else
        out->n = 0;
    free(bytes);
    return true;
}

bool override_read(const struct zone *roster, enum roster_kind kind, struct conf_text owner,
                   struct override_list *out, uint64_t *change)
{
    uint32_t found;
    bool read = read_list(roster, override_identity(kind, owner), &found, out, change);
    snprintf(out->owner, sizeof out->owner, "%s", owner.s);
    return read;
}

bool override_read_record(const struct zone *roster, uint64_t identity, enum roster_kind *kind,
                          struct override_list *out)
{
    uint32_t found;
    if (!read_list(roster, identity, &found, out, NULL) ||
        (found != ROSTER_UPSTREAM && found != ROSTER_SERVICE))
        return false;
    *kind = (enum roster_kind)found;
    return true;
}

bool override_write(const struct zone *roster, uint32_t slot, enum roster_kind kind,
                    const struct override_list *list)
{
    struct conf_text owner = { list->owner, strlen(list->owner) };
    struct record_head head = { .kind = (uint32_t)kind, .n = (uint32_t)list->n };
    size_t n = sizeof head + list->n * sizeof *list->v;
    if (list->n == 0) {
        roster_remove(roster, slot, override_identity(kind, owner));
        return true;
    }
    char *bytes = malloc(n);
    if (!bytes)
        return false;
    memcpy(head.owner, list->owner, sizeof head.owner);
    memcpy(bytes, &head, sizeof head);
    memcpy(bytes + sizeof head, list->v, list->n * sizeof *list->v);
    bool written = roster_put(roster, slot, override_identity(kind, owner), bytes, n, ROSTER_LOUD);
    free(bytes);
    return written;
}
