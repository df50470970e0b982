/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes as checked, in one array in file order. Patterns are compiled here, so that a bad one is
 * an error of the file; prefixes must be written in the form that request paths are normalised to,
 * or they would never match.
 */
#include "conf/endpoint.h"
#include "conf/load.h"
#include "conf/regex.h"
#include "conf/value.h"
#include <string.h>

/* The setting of paths[i], for its line; NULL when the array is not as it was read (an element was
 * refused). */
static const config_setting_t *path_setting(const struct source_route *from, size_t i)
{
    const config_setting_t *paths = config_setting_get_member(from->at, "paths");
    if (!paths || (size_t)config_setting_length(paths) != from->paths.n)
        return paths;
    return config_setting_get_elem(paths, (unsigned)i);
}

static bool read_path(struct load *load, const struct source_route *from, size_t i,
                      struct conf_path *out)
{
    struct conf_text text = from->paths.v[i];
    const char *quoted;
    char why[256] = "";
    if (text.s[0] != '~') {
        *out = (struct conf_path){ text, NULL };
        if (text.s[0] == '/' && value_is_prefix(text.s, text.n, why, sizeof why))
            return true;
        quoted = report_quote(&load->report, text.s, text.n);
        report_add(&load->report, path_setting(from, i), "%s %s", quoted,
                   text.s[0] == '/'
                       ? why
                       : "begins neither with \"/\" (a prefix) nor with \"~\" (a pattern)");
        return false;
    }
    struct conf_regex *re =
        text.n > 1 ? regex_compile_from(text.s, text.n, 1, why, sizeof why) : NULL;
    if (re) {
        load_regex(load, re);
        *out = (struct conf_path){ { text.s + 1, text.n - 1 }, re };
        return true;
    }
    quoted = report_quote(&load->report, text.s, text.n);
    report_add(&load->report, path_setting(from, i), "%s is not a valid pattern: %s", quoted,
               text.n > 1 ? why : "it is empty");
    return false;
}

static void read_paths(struct load *load, const struct source_route *from, struct conf_route *route)
{
    struct conf_path *paths = memory_array(&load->memory, from->paths.n, sizeof *paths);
    for (size_t i = 0; i < from->paths.n; i++)
        route->paths_n += read_path(load, from, i, &paths[route->paths_n]);
    route->paths = paths;
}

/* An address in the form that those of requests are brought to. */
static void read_hosts(struct load *load, struct conf_texts *hosts)
{
    struct conf_text *v = memory_array(&load->memory, hosts->n, sizeof *v);
    char six[ENDPOINT_SIX];
    for (size_t i = 0; i < hosts->n; i++) {
        v[i] = hosts->v[i];
        if (v[i].n > 2 && v[i].s[0] == '[' && endpoint_six(v[i].s + 1, v[i].n - 2, six))
            v[i] = memory_format(&load->memory, "[%s]", six);
    }
    hosts->v = v;
}

/* Counted as written: a value that was refused has its own error already. */
static bool has_condition(const config_setting_t *at)
{
    static const char *const keys[] = { "hosts", "paths", "methods", "headers", "snis" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const config_setting_t *values = config_setting_get_member(at, keys[i]);
        if (values && config_setting_length(values) > 0)
            return true;
    }
    return false;
}

static void check_route(struct load *load, const struct source_route *from)
{
    if (!has_condition(from->at))
        report_add(&load->report, from->at,
                   "needs a value in one at least of hosts, paths, methods, headers and snis");
    if (from->as.snis.n && !(from->as.protocols & CONF_HTTPS))
        report_key(&load->report, from->at, "snis", "needs https among the protocols");
}

/* What the route does not say itself is as on the top level. */
static void inherit(struct load *load, const struct source_route *from,
                    struct conf_client_body *body)
{
    const struct conf_client_body *top = &load->conf->client_body;

    if (body->timeout == 0)
        report_key(&load->report, from->at, "client_body_timeout",
                   "0 is out of range, 1 to 2147483647; -1 is the value of the top level");
    if (body->min_rate_grace == 0)
        report_key(&load->report, from->at, "client_body_min_rate_grace",
                   "0 is out of range, 1 to 2147483647; -1 is the value of the top level");
    if (body->timeout < 0)
        body->timeout = top->timeout;
    if (body->total_timeout < 0)
        body->total_timeout = top->total_timeout;
    if (body->min_rate == UINT64_MAX)
        body->min_rate = top->min_rate;
    if (body->min_rate_grace < 0)
        body->min_rate_grace = top->min_rate_grace;
}

static void finish_route(struct load *load, struct source_route *from,
                         const struct conf_service *service, struct conf_route *out)
{
    struct conf_route *route = &from->as;
    struct load_claim claim = { &load->routes, "route", "name", route->name, out, from->at };
    load_claim(load, &claim);
    load_id(load, &claim, &route->id);
    check_route(load, from);
    inherit(load, from, &route->client_body);
    read_hosts(load, &route->hosts);
    read_paths(load, from, route);
    route->service = service;
    route->headers = from->headers.v;
    route->headers_n = from->headers.n;
    route->index = (uint32_t)(out - load->conf->routes);
    *out = *route;
}

void routes_finish(struct load *load)
{
    struct source_service *services = load->source->services.v;
    size_t total = 0, used = 0;
    for (size_t i = 0; i < load->source->services.n; i++)
        total += services[i].routes.n;
    struct conf_route *out = memory_array(&load->memory, total, sizeof *out);
    load->conf->routes = out;
    load->conf->routes_n = total;
    for (size_t i = 0; i < load->source->services.n; i++) {
        struct source_route *routes = services[i].routes.v;
        for (size_t k = 0; k < services[i].routes.n; k++)
            finish_route(load, &routes[k], &load->conf->services[i], &out[used++]);
    }
}

/* ---- stream = "required" ---- */

static void report_held(struct load *load, const struct source_route *from,
                        const struct conf_plugin *plugin)
{
    if (plugin && plugin->holds)
        report_key(&load->report, from->at, "stream",
                   "%s at %s would hold back %s until all of it "
                   "has come",
                   plugin->name.s, plugin->where.s, plugin->holds);
}

static void check_stream(struct load *load, const struct source_route *from,
                         const struct conf_route *route)
{
    static const char required[] = "does not go with stream = \"required\"";
    const struct conf_chain *chain = route->chain;
    if (route->stream != CONF_STREAM_REQUIRED)
        return;
    if (route->request_buffering)
        report_key(&load->report, from->at, "request_buffering", required);
    if (route->response_buffering)
        report_key(&load->report, from->at, "response_buffering", required);
    for (size_t i = 0; i < chain->links_n; i++) {
        report_held(load, from, chain->links[i].any);
        for (size_t k = 0; k < chain->links[i].by_consumer_n; k++)
            report_held(load, from, chain->links[i].by_consumer[k]);
    }
}

void routes_check(struct load *load)
{
    const struct source_service *services = load->source->services.v;
    size_t used = 0;
    for (size_t i = 0; i < load->source->services.n; i++) {
        const struct source_route *routes = services[i].routes.v;
        for (size_t k = 0; k < services[i].routes.n; k++)
            check_stream(load, &routes[k], &load->conf->routes[used++]);
    }
}
