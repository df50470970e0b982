/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upstreams as checked: targets with the addresses that they stand for. A service whose host is no
 * upstream's name gets an implied upstream with one target, shared by all services with the same
 * host and port.
 */
#include "conf/endpoint.h"
#include "conf/ids.h"
#include "conf/load.h"
#include <string.h>

enum { UPSTREAMS_TARGET_PORT = 8000, UPSTREAMS_IMPLIED_WEIGHT = 100 };

/* What a host name resolved to; asked for once a load. */
struct upstreams_hosts {
    const struct sockaddr_storage *addrs;
    size_t n; /* 0: not at all */
    const char *why;
};

static const struct upstreams_hosts *resolve(struct load *load, struct conf_text host)
{
    const struct upstreams_hosts *known = names_get(&load->hosts, host.s, host.n);
    if (known)
        return known;
    struct sockaddr_storage addrs[ENDPOINT_ADDRESSES];
    struct upstreams_hosts *made = memory_alloc(&load->scratch, sizeof *made);
    made->n = endpoint_resolve(host.s, addrs, &made->why);
    struct sockaddr_storage *copy = memory_array(&load->scratch, made->n, sizeof *copy);
    if (made->n)
        memcpy(copy, addrs, made->n * sizeof *copy);
    made->addrs = copy;
    names_put(&load->hosts, &load->scratch, host, made);
    return made;
}

/* The addresses of a target, without their port; a literal needs `one`. */
static struct upstreams_hosts addresses(struct load *load, const struct conf_target *target,
                                        struct sockaddr_storage *one)
{
    socklen_t len;
    struct upstreams_hosts single = { one, 1, NULL };
    if (target->host.n == 0 && endpoint_unix(target->target, one, &len))
        return single;
    if (endpoint_literal(target->host, target->port, one, &len))
        return single;
    return *resolve(load, target->host);
}

static void fill_place(struct load *load, struct conf_address *place,
                       const struct sockaddr_storage *addr, int port)
{
    char text[ENDPOINT_TEXT];
    struct sockaddr_storage with_port = *addr;
    endpoint_set_port(&with_port, port);
    place->len = addr->ss_family == AF_INET    ? sizeof(struct sockaddr_in)
                 : addr->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                               : sizeof(struct sockaddr_un);
    memcpy(&place->u, &with_port, place->len);
    endpoint_text(&with_port, text);
    place->text = memory_text(&load->memory, text, strlen(text));
}

/* Where a target can be reached. If it does not resolve, the error is at member `key` of `at`. */
static void find_places(struct load *load, struct conf_target *target, const config_setting_t *at,
                        const char *key)
{
    struct sockaddr_storage one;
    struct upstreams_hosts found = addresses(load, target, &one);
    struct conf_address *places = memory_array(&load->memory, found.n, sizeof *places);
    for (size_t i = 0; i < found.n; i++)
        fill_place(load, &places[i], &found.addrs[i], target->port);
    target->places = places;
    target->places_n = found.n;
    if (found.n == 0)
        report_key(&load->report, at, key, "the host name %s cannot be resolved: %s",
                   report_quote(&load->report, target->host.s, target->host.n), found.why);
}

/* Host and port of a target's text. What is malformed keeps an empty target, which has no peer. */
static void read_target(struct load *load, struct source_target *from)
{
    struct conf_target *target = &from->as;
    struct conf_text host;
    const char *why = endpoint_target(target->target, UPSTREAMS_TARGET_PORT, &host, &target->port);
    if (target->target.n == 0 || why) {
        if (why && target->target.n)
            report_key(&load->report, from->at, "target", "%s %s",
                       report_quote(&load->report, target->target.s, target->target.n), why);
        target->target = target->host = (struct conf_text){ "", 0 };
        return;
    }
    target->host = memory_lower(&load->memory, host);
}

static void read_targets(struct load *load, struct source_upstream *from, struct conf_upstream *up)
{
    struct source_target *targets = from->targets.v;
    size_t used = 0;
    struct conf_target *out = memory_array(&load->memory, from->targets.n, sizeof *out);
    struct names seen = { 0 };
    for (size_t i = 0; i < from->targets.n; i++) {
        read_target(load, &targets[i]);
        struct conf_target *target = &targets[i].as;
        if (target->target.n == 0)
            continue;
        struct conf_text place =
            target->host.n ? memory_format(&load->scratch, "%s:%d", target->host.s, target->port)
                           : target->target;
        struct load_claim claim = { &seen, "target", "target", place, target, targets[i].at };
        load_claim(load, &claim);
        find_places(load, target, targets[i].at, "target");
        out[used++] = *target;
    }
    up->targets = out;
    up->targets_n = used;
}

static void need(struct load *load, const struct source_upstream *from, bool wanted,
                 struct conf_text value, const char *key)
{
    if (wanted && value.n == 0)
        report_key(&load->report, from->at, key, "is missing: what to hash is not said");
}

static bool uses(const struct conf_upstream *up, enum conf_hash_on what)
{
    return up->hash_on == what || up->hash_fallback == what;
}

static void check_hashing(struct load *load, const struct source_upstream *from)
{
    const struct conf_upstream *up = &from->as;
    need(load, from, up->hash_on == CONF_HASH_HEADER, up->hash_on_header, "hash_on_header");
    need(load, from, up->hash_fallback == CONF_HASH_HEADER, up->hash_fallback_header,
         "hash_fallback_header");
    need(load, from, uses(up, CONF_HASH_COOKIE), up->hash_on_cookie, "hash_on_cookie");
    need(load, from, up->hash_on == CONF_HASH_QUERY_ARG, up->hash_on_query_arg,
         "hash_on_query_arg");
    need(load, from, up->hash_fallback == CONF_HASH_QUERY_ARG, up->hash_fallback_query_arg,
         "hash_fallback_query_arg");
    need(load, from, up->hash_on == CONF_HASH_URI_CAPTURE, up->hash_on_uri_capture,
         "hash_on_uri_capture");
    need(load, from, up->hash_fallback == CONF_HASH_URI_CAPTURE, up->hash_fallback_uri_capture,
         "hash_fallback_uri_capture");
    if (up->hash_fallback == CONF_HASH_NONE)
        return;
    bool same = up->hash_on == up->hash_fallback && up->hash_on != CONF_HASH_HEADER &&
                up->hash_on != CONF_HASH_QUERY_ARG && up->hash_on != CONF_HASH_URI_CAPTURE;
    if (up->hash_on == CONF_HASH_NONE || up->hash_on == CONF_HASH_COOKIE || same)
        report_key(&load->report, from->at, "hash_fallback",
                   "must be \"none\": hash_on is \"none\", a cookie (which is set where it is "
                   "missing), or the same");
}

static void check_probes(struct load *load, const struct source_upstream *from)
{
    const config_setting_t *active =
        config_setting_lookup((config_setting_t *)(uintptr_t)from->at, "healthchecks.active");
    if (active && from->as.healthchecks.active.type == CONF_PROBE_GRPC)
        report_key(&load->report, active, "type",
                   "\"grpc\" is not available yet: http, https and tcp are");
}

void upstreams_finish(struct load *load)
{
    struct source_upstream *from = load->source->upstreams.v;
    size_t n = load->source->upstreams.n;
    /* Room for one implied upstream a service, so that pointers to upstreams hold. */
    struct conf_upstream *out =
        memory_array(&load->memory, n + load->source->services.n, sizeof *out);
    load->conf->upstreams = out;
    for (size_t i = 0; i < n; i++) {
        struct conf_upstream *up = &from[i].as;
        struct load_claim claim = { &load->upstreams, "upstream", "name",
                                    up->name,         &out[i],    from[i].at };
        load_claim(load, &claim);
        load_id(load, &claim, &up->id);
        check_hashing(load, &from[i]);
        check_probes(load, &from[i]);
        up->index = (uint32_t)i;
        out[i] = *up;
        read_targets(load, &from[i], &out[i]);
    }
    load->conf->upstreams_n = n;
}

const struct conf_upstream *upstreams_implied(struct load *load, struct conf_text host, int port,
                                              const config_setting_t *at, const char *key)
{
    bool six = memchr(host.s, ':', host.n) != NULL;
    struct conf_text name = memory_format(&load->memory, six ? "[%s]:%d" : "%s:%d", host.s, port);
    const struct conf_upstream *known = load_find(&load->upstreams, name);
    if (known)
        return known;
    const struct source_upstream *defaults = reader_preset(&load->reader, &upstream_fields_table);
    struct conf_upstream *up =
        (struct conf_upstream *)&load->conf->upstreams[load->conf->upstreams_n];
    struct conf_target *target = memory_alloc(&load->memory, sizeof *target);
    *target = (struct conf_target){
        .target = name, .host = host, .port = port, .weight = UPSTREAMS_IMPLIED_WEIGHT
    };
    *up = defaults->as;
    up->name = name;
    up->implied = true;
    up->index = (uint32_t)load->conf->upstreams_n++;
    up->targets = target;
    up->targets_n = 1;
    struct load_claim claim = { &load->upstreams, "upstream", key, name, up, at };
    load_claim(load, &claim);
    load_id(load, &claim, &up->id);
    find_places(load, target, at, key);
    return up;
}
