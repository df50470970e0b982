/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugin instances: gathered from the top level, services, routes and consumers into one array,
 * their scopes resolved. What a kind's configuration looks like is said by the kind's own file,
 * found through the table below.
 */
#include "conf/plugin.h"
#include "conf/ids.h"
#include "conf/load.h"
#include "conf/value.h"
#include <string.h>

extern const struct load_kind plugin_ip_restriction_kind, plugin_bot_detection_kind,
    plugin_cors_kind, plugin_jwt_kind, plugin_key_auth_kind, plugin_basic_auth_kind,
    plugin_acl_kind, plugin_hmac_auth_kind, plugin_response_transformer_kind,
    plugin_request_transformer_kind, plugin_request_size_limiting_kind,
    plugin_concurrency_limiting_kind, plugin_rate_limiting_kind, plugin_security_headers_kind,
    plugin_redirect_kind, plugin_proxy_cache_kind, plugin_request_termination_kind,
    plugin_correlation_id_kind, plugin_oauth2_introspection_kind, plugin_compression_kind;
extern const struct load_kind plugin_response_ratelimiting_kind;

static const struct load_kind *const kinds[CONF_PLUGIN_KINDS] = {
    [CONF_PLUGIN_IP_RESTRICTION] = &plugin_ip_restriction_kind,
    [CONF_PLUGIN_BOT_DETECTION] = &plugin_bot_detection_kind,
    [CONF_PLUGIN_CORS] = &plugin_cors_kind,
    [CONF_PLUGIN_OAUTH2_INTROSPECTION] = &plugin_oauth2_introspection_kind,
    [CONF_PLUGIN_JWT] = &plugin_jwt_kind,
    [CONF_PLUGIN_KEY_AUTH] = &plugin_key_auth_kind,
    [CONF_PLUGIN_BASIC_AUTH] = &plugin_basic_auth_kind,
    [CONF_PLUGIN_REQUEST_SIZE_LIMITING] = &plugin_request_size_limiting_kind,
    [CONF_PLUGIN_HMAC_AUTH] = &plugin_hmac_auth_kind,
    [CONF_PLUGIN_ACL] = &plugin_acl_kind,
    [CONF_PLUGIN_CONCURRENCY_LIMITING] = &plugin_concurrency_limiting_kind,
    [CONF_PLUGIN_RATE_LIMITING] = &plugin_rate_limiting_kind,
    [CONF_PLUGIN_RESPONSE_RATELIMITING] = &plugin_response_ratelimiting_kind,
    [CONF_PLUGIN_REQUEST_TRANSFORMER] = &plugin_request_transformer_kind,
    [CONF_PLUGIN_RESPONSE_TRANSFORMER] = &plugin_response_transformer_kind,
    [CONF_PLUGIN_SECURITY_HEADERS] = &plugin_security_headers_kind,
    [CONF_PLUGIN_REDIRECT] = &plugin_redirect_kind,
    [CONF_PLUGIN_PROXY_CACHE] = &plugin_proxy_cache_kind,
    [CONF_PLUGIN_COMPRESSION] = &plugin_compression_kind,
    [CONF_PLUGIN_REQUEST_TERMINATION] = &plugin_request_termination_kind,
    [CONF_PLUGIN_CORRELATION_ID] = &plugin_correlation_id_kind,
};

static const char *const kind_names[] = {
#define PLUGIN_NAME(kind, name, priority) [CONF_PLUGIN_##kind] = name,
    CONF_PLUGINS(PLUGIN_NAME)
#undef PLUGIN_NAME
};

static const int priorities[] = {
#define PLUGIN_PRIORITY(kind, name, priority) [CONF_PLUGIN_##kind] = priority,
    CONF_PLUGINS(PLUGIN_PRIORITY)
#undef PLUGIN_PRIORITY
};

/* CONF_PLUGIN_KINDS: no such plugin. */
static enum conf_plugin_kind kind_of(struct conf_text name)
{
    int kind = 0;
    while (kind < CONF_PLUGIN_KINDS && strcmp(kind_names[kind], name.s) != 0)
        kind++;
    return (enum conf_plugin_kind)kind;
}

static const struct fields_table *config_table(const void *object)
{
    const struct source_plugin *p = object;
    enum conf_plugin_kind kind = kind_of(p->as.name);
    return kind == CONF_PLUGIN_KINDS ? NULL : kinds[kind]->table;
}

#define PLUGIN struct source_plugin
static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXT(PLUGIN, as.name, "name"), .flags = FIELDS_REQUIRED, .doc = "Which plugin." },
    { FIELDS_ROW_TEXT(PLUGIN, as.id, "id"), .preset = "\"\"", .flags = FIELDS_LOWER,
      .check = value_is_uuid, .doc = "A UUID; made from name and scope when \"\"." },
    { FIELDS_ROW_BOOL(PLUGIN, as.enabled, "enabled"), .preset = "true",
      .doc = "Whether this instance is there at all." },
    { FIELDS_ROW_INT(PLUGIN, as.priority, "priority"), .min = -1000000, .max = 1000000,
      .doc = "Plugins run from the highest to the lowest; default is the plugin's own." },
    { FIELDS_ROW_FLAGS(PLUGIN, as.protocols, "protocols"), .preset = "[ \"http\", \"https\" ]",
      .flags = FIELDS_FILLED, .names = fields_protocols,
      .doc = "Requests by other protocols pass it by." },
    { FIELDS_ROW_TEXT(PLUGIN, service, "service"), .preset = "\"\"",
      .doc = "A service's name or id: only its requests. Not inside a service." },
    { FIELDS_ROW_TEXT(PLUGIN, route, "route"), .preset = "\"\"",
      .doc = "A route's name or id: only its requests. Not inside a route." },
    { FIELDS_ROW_TEXT(PLUGIN, consumer, "consumer"), .preset = "\"\"",
      .doc = "A consumer's username, custom_id or id: only its requests. Not inside a consumer." },
    { .type = FIELDS_VARIANT,
      .key = "config",
      .offset = offsetof(PLUGIN, config),
      .variant = config_table,
      .doc = "The plugin's own settings." },
};
const struct fields_table plugin_fields = {
    .title = "plugins",
    .doc = "An instance of a plugin. Where several instances of one plugin could run on a request, "
           "the most specific one "
           "does: consumer, route and service; consumer and route; consumer and service; route and "
           "service; consumer; "
           "route; service; global.",
    FIELDS_TABLE(rows),
    .size = sizeof(PLUGIN),
    .at = offsetof(PLUGIN, at)
};

/* ---- scopes ---- */

/* Where an instance is written; its scope by nesting. */
struct place {
    const struct conf_service *service;
    const struct conf_route *route;
    const struct conf_consumer *consumer;
};

/* A reference by name or id; *out stays NULL when there is none. */
static const void *refer(struct load *load, const struct source_plugin *p, const char *key,
                         struct conf_text name)
{
    const void *found = NULL;
    if (strcmp(key, "service") == 0)
        found = load_find(&load->services, name);
    else if (strcmp(key, "route") == 0)
        found = load_find(&load->routes, name);
    else
        found = credentials_consumer(load->conf->credentials, name.s, name.n);
    if (!found)
        found = load_find_id(load, key, name);
    if (!found)
        report_key(&load->report, p->at, key, "there is no %s %s", key,
                   report_quote(&load->report, name.s, name.n));
    return found;
}

static const void *scope_of(struct load *load, const struct source_plugin *p, const char *key,
                            struct conf_text name, const void *nested)
{
    if (name.n && nested)
        report_key(&load->report, p->at, key, "is said by the %s that the plugin is written in",
                   key);
    return nested || name.n == 0 ? nested : refer(load, p, key, name);
}

static void check_scope(struct load *load, const struct source_plugin *p)
{
    const struct conf_plugin *plugin = &p->as;
    if (plugin->route && plugin->service && plugin->route->service != plugin->service)
        report_add(&load->report, p->at,
                   "the route %s is not one of the service %s, so it would never run",
                   plugin->route->name.s, plugin->service->name.s);
    if (plugin->consumer && kinds[plugin->kind]->identifies)
        report_add(&load->report, p->at,
                   "%s finds out who the consumer is, and cannot be bound to one", plugin->name.s);
}

/* False: a reference leads nowhere, which is reported already. */
static bool scope_is_known(const struct source_plugin *p)
{
    return (!p->service.n || p->as.service) && (!p->route.n || p->as.route) &&
           (!p->consumer.n || p->as.consumer);
}

/* Two instances of one plugin with one scope: which of them ran would be chance. */
static void claim_scope(struct load *load, const struct source_plugin *p, struct conf_text scope)
{
    struct load_name *mine = memory_alloc(&load->scratch, sizeof *mine);
    *mine = (struct load_name){ &p->as, p->at };
    const struct load_name *other = names_put(&load->scopes, &load->scratch, scope, mine);
    if (other)
        report_add(&load->report, p->at, "%s is configured for the same scope at %s already",
                   p->as.name.s, report_place(&load->report, other->at).s);
}

static bool know_kind(struct load *load, struct source_plugin *p)
{
    p->as.kind = kind_of(p->as.name);
    if (p->as.kind != CONF_PLUGIN_KINDS)
        return true;
    if (p->as.name.n)
        report_key(&load->report, p->at, "name",
                   "there is no plugin %s; the nearest name is \"%s\"",
                   report_quote(&load->report, p->as.name.s, p->as.name.n),
                   report_nearest(p->as.name.s, kind_names, CONF_PLUGIN_KINDS));
    return false;
}

/* ---- gathering ---- */

static void finish_one(struct load *load, struct source_plugin *p, const struct place *place)
{
    struct conf_plugin *out = (struct conf_plugin *)&load->conf->plugins[load->conf->plugins_n];
    if (!know_kind(load, p))
        return;
    p->as.service = scope_of(load, p, "service", p->service, place->service);
    p->as.route = scope_of(load, p, "route", p->route, place->route);
    p->as.consumer = scope_of(load, p, "consumer", p->consumer, place->consumer);
    check_scope(load, p);
    struct conf_text scope = memory_format(
        &load->scratch, "%s\n%s\n%s\n%s", p->as.name.s, p->as.service ? p->as.service->id.s : "",
        p->as.route ? p->as.route->id.s : "", p->as.consumer ? p->as.consumer->id.s : "");
    if (scope_is_known(p))
        claim_scope(load, p, scope);
    struct load_claim claim = { &load->scopes, "plugin", "name", scope, out, p->at };
    load_id(load, &claim, &p->as.id);
    if (!config_setting_get_member(p->at, "priority"))
        p->as.priority = priorities[p->as.kind];
    if (p->config && kinds[p->as.kind]->finish)
        kinds[p->as.kind]->finish(load, p);
    p->as.config = p->config;
    struct conf_text where = report_place(&load->report, p->at);
    p->as.where = memory_text(&load->memory, where.s, where.n);
    p->as.index = (uint32_t)load->conf->plugins_n++;
    load->plugins_at[p->as.index] = p->at;
    *out = p->as;
}

static void finish_list(struct load *load, const struct source_list *list,
                        const struct place *place)
{
    struct source_plugin *plugins = list->v;
    for (size_t i = 0; i < list->n; i++)
        finish_one(load, &plugins[i], place);
}

size_t plugin_count(const struct source *source)
{
    const struct source_service *services = source->services.v;
    const struct source_consumer *consumers = source->consumers.v;
    size_t total = source->plugins.n;
    for (size_t i = 0; i < source->services.n; i++) {
        const struct source_route *routes = services[i].routes.v;
        total += services[i].plugins.n;
        for (size_t k = 0; k < services[i].routes.n; k++)
            total += routes[k].plugins.n;
    }
    for (size_t i = 0; i < source->consumers.n; i++)
        total += consumers[i].plugins.n;
    return total;
}

/* All lists of instances in the file. */
static void each_list(struct load *load, const struct source *source, const struct conf *conf)
{
    const struct source_service *services = source->services.v;
    const struct source_consumer *consumers = source->consumers.v;
    size_t route_index = 0;
    for (size_t i = 0; i < source->services.n; i++) {
        const struct source_route *routes = services[i].routes.v;
        struct place here = { .service = &conf->services[i] };
        finish_list(load, &services[i].plugins, &here);
        for (size_t k = 0; k < services[i].routes.n; k++) {
            struct place there = { .route = &conf->routes[route_index++] };
            finish_list(load, &routes[k].plugins, &there);
        }
    }
    for (size_t i = 0; i < source->consumers.n; i++) {
        struct place here = { .consumer = &conf->consumers[i] };
        finish_list(load, &consumers[i].plugins, &here);
    }
    finish_list(load, &source->plugins, &(struct place){ 0 });
}

void plugin_finish(struct load *load)
{
    size_t total = plugin_count(load->source);
    load->conf->plugins = memory_array(&load->memory, total, sizeof *load->conf->plugins);
    load->plugins_at = memory_array(&load->scratch, total, sizeof *load->plugins_at);
    each_list(load, load->source, load->conf);
}

/* ---- for those who run them ---- */

const struct conf_plugin *plugin_pick(const struct conf_link *link,
                                      const struct conf_consumer *consumer)
{
    size_t from = 0, to = consumer ? link->by_consumer_n : 0;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct conf_plugin *plugin = link->by_consumer[middle];
        if (plugin->consumer->index == consumer->index)
            return plugin;
        if (plugin->consumer->index < consumer->index)
            from = middle + 1;
        else
            to = middle;
    }
    return link->any;
}

const char *plugin_kind_name(enum conf_plugin_kind kind)
{
    return (unsigned)kind < CONF_PLUGIN_KINDS ? kind_names[kind] : "";
}

bool plugin_identifies(enum conf_plugin_kind kind)
{
    return kinds[kind]->identifies;
}

const struct fields_table *plugin_table(enum conf_plugin_kind kind)
{
    return kinds[kind]->table;
}
