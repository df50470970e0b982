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

static struct conf_text name_of(struct memory *memory, struct conf_text host, int port)
{
    bool six = memchr(host.s, ':', host.n) != NULL;
    return memory_format(memory, six ? "[%s]:%d" : "%s:%d", host.s, port);
}

/* Where a target can be reached, unless that has to be asked for. */
static void find_place(struct load *load, struct conf_target *target)
{
    char text[ENDPOINT_TEXT];
    struct conf_address place;
    if (!endpoint_place(target, &place, text))
        return;
    struct conf_address *kept = memory_alloc(&load->memory, sizeof *kept);
    *kept = place;
    kept->text = memory_text(&load->memory, text, strlen(text));
    target->places = kept;
    target->places_n = 1;
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
    target->host = memory_lower(&load->memory, load_host(load, host));
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
            target->host.n ? name_of(&load->scratch, target->host, target->port) : target->target;
        struct load_claim claim = { &seen, "target", "target", place, target, targets[i].at };
        load_claim(load, &claim);
        find_place(load, target);
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
                   "\"grpc\" probes need HTTP/2 to targets, which is not available yet: http, "
                   "https and tcp are");
}

void upstreams_finish(struct load *load)
{
    struct source_upstream *from = load->source->upstreams.v;
    size_t n = load->source->upstreams.n;
    /* Room for one implied upstream a service and a plugin, so that pointers to upstreams hold. */
    size_t implied = load->source->services.n + plugin_count(load->source);
    struct conf_upstream *out = memory_array(&load->memory, n + implied, sizeof *out);
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
    struct conf_text name = name_of(&load->memory, host, port);
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
    find_place(load, target);
    return up;
}
