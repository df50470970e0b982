/* SPDX-License-Identifier: Apache-2.0 */
/* API: the configured entities, each with what shared memory knows of it now. */
#include "master/control/api_entity.h"
#include "conf/endpoint.h"
#include "conf/plugin.h"
#include "master/control/api_change.h"
#include "master/control/api_shift.h"
#include "shm/health.h"
#include "shm/stats.h"

static json_t *protocols_json(unsigned protocols)
{
    json_t *list = json_array();

    if (protocols & CONF_HTTP)
        json_array_append_new(list, json_string("http"));
    if (protocols & CONF_HTTPS)
        json_array_append_new(list, json_string("https"));
    return list;
}

/* As in the configuration file: a pattern begins with "~". */
static json_t *paths_json(const struct conf_route *route)
{
    json_t *list = json_array();

    for (size_t i = 0; i < route->paths_n; i++) {
        const struct conf_path *path = &route->paths[i];
        json_t *text = api_conf_text(path->text);
        if (path->regex != NULL && text != NULL) {
            json_array_append_new(list, json_sprintf("~%s", json_string_value(text)));
            json_decref(text);
        } else {
            json_array_append_new(list, text);
        }
    }
    return list;
}

static json_t *headers_json(const struct conf_route *route)
{
    json_t *o = json_object();

    for (size_t i = 0; i < route->headers_n; i++)
        json_object_set_new(o, route->headers[i].name.s, api_conf_texts(route->headers[i].values));
    return o;
}

static json_t *plugins_json(const struct conf_chain *chain)
{
    json_t *list = json_array();

    for (size_t i = 0; chain != NULL && i < chain->links_n; i++)
        json_array_append_new(list, json_string(plugin_kind_name(chain->links[i].kind)));
    return list;
}

static json_int_t requests_of(const struct api *api, const struct conf_route *route)
{
    struct stats_route_shm sum;
    int row = stats_row(&api->heritage->stats, route->id.s);

    if (row < 0)
        return 0;
    stats_sum_route(&api->heritage->stats, row, &sum);
    return (json_int_t)sum.requests;
}

static json_t *route_json(const struct api *api, const struct conf_route *route)
{
    json_t *o = json_object();

    json_object_set_new(o, "name", api_conf_text(route->name));
    json_object_set_new(o, "id", api_conf_text(route->id));
    json_object_set_new(o, "service", api_conf_text(route->service->name));
    json_object_set_new(o, "protocols", protocols_json(route->protocols));
    json_object_set_new(o, "methods", api_conf_texts(route->methods));
    json_object_set_new(o, "hosts", api_conf_texts(route->hosts));
    json_object_set_new(o, "paths", paths_json(route));
    json_object_set_new(o, "headers", headers_json(route));
    json_object_set_new(o, "snis", api_conf_texts(route->snis));
    json_object_set_new(o, "strip_path", json_boolean(route->strip_path));
    json_object_set_new(o, "preserve_host", json_boolean(route->preserve_host));
    json_object_set_new(o, "regex_priority", json_integer(route->regex_priority));
    json_object_set_new(o, "plugins", plugins_json(route->chain));
    json_object_set_new(o, "tags", api_conf_texts(route->tags));
    json_object_set_new(o, "requests", json_integer(requests_of(api, route)));
    return o;
}

void api_entity_routes(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    const struct conf *conf = api->heritage->conf;
    json_t *list = json_array(), *value = json_object();

    (void)request;
    for (size_t i = 0; i < conf->routes_n; i++)
        json_array_append_new(list, route_json(api, &conf->routes[i]));
    json_object_set_new(value, "routes", list);
    api_reply_json(reply, 200, value);
}

json_t *api_entity_service(const struct api *api, const struct conf_service *service)
{
    json_t *o = json_object();

    json_object_set_new(o, "name", api_conf_text(service->name));
    json_object_set_new(o, "id", api_conf_text(service->id));
    json_object_set_new(o, "enabled", json_boolean(service->enabled));
    json_object_set_new(o, "protocol",
                        json_string(service->protocol == CONF_HTTPS ? "https" : "http"));
    json_object_set_new(o, "host", api_conf_text(service->host));
    json_object_set_new(o, "port", json_integer(service->port));
    json_object_set_new(o, "path", api_conf_text(service->path));
    json_object_set_new(o, "upstream", api_conf_text(peers_upstream(&api->peers, service)->name));
    json_object_set_new(o, "shift", api_shift_of(api, service));
    json_object_set_new(o, "connect_timeout", json_integer(service->connect_timeout));
    json_object_set_new(o, "write_timeout", json_integer(service->write_timeout));
    json_object_set_new(o, "read_timeout", json_integer(service->read_timeout));
    json_object_set_new(o, "retries", json_integer(service->retries));
    json_object_set_new(o, "routes", json_array());
    json_object_set_new(o, "tags", api_conf_texts(service->tags));
    return o;
}

void api_entity_services(struct api *api, const struct api_request *request,
                         struct api_reply *reply)
{
    const struct conf *conf = api->heritage->conf;
    json_t *list = json_array(), *value = json_object();

    (void)request;
    for (size_t i = 0; i < conf->services_n; i++)
        json_array_append_new(list, api_entity_service(api, &conf->services[i]));
    for (size_t i = 0; i < conf->routes_n; i++) {
        const struct conf_route *route = &conf->routes[i];
        json_t *service = json_array_get(list, route->service->index);
        json_array_append_new(json_object_get(service, "routes"), api_conf_text(route->name));
    }
    json_object_set_new(value, "services", list);
    api_reply_json(reply, 200, value);
}

json_t *api_entity_peer(const struct api *api, const struct peer *peer)
{
    const struct zone *zone = &api->heritage->health;
    const struct health_peer_shm *row = peer->row;
    json_t *o = json_object();

    json_object_set_new(o, "target", api_conf_text(peer->target));
    json_object_set_new(o, "address", api_conf_text(peer->text));
    json_object_set_new(o, "weight", json_integer(peer->weight));
    if (row == NULL)
        return o;
    json_object_set_new(o, "state", json_string(health_state_name(health_state(row))));
    json_object_set_new(o, "since", json_integer((json_int_t)(row->since / 1000)));
    json_object_set_new(o, "cause", json_string(health_cause_text(row->cause)));
    if (row->status)
        json_object_set_new(o, "status", json_integer((json_int_t)row->status));
    json_object_set_new(o, "requests", json_integer((json_int_t)row->requests));
    json_object_set_new(o, "failures", json_integer((json_int_t)row->failures));
    json_object_set_new(o, "connects", json_integer((json_int_t)row->connects));
    json_object_set_new(o, "in_flight", json_integer((json_int_t)health_in_flight_sum(zone, row)));
    return o;
}

static const char *algorithm_name(enum conf_algorithm algorithm)
{
    static const char *const names[] = { [CONF_ROUND_ROBIN] = "round-robin",
                                         [CONF_LEAST_CONNECTIONS] = "least-connections",
                                         [CONF_CONSISTENT_HASHING] = "consistent-hashing",
                                         [CONF_LATENCY] = "latency" };

    return names[algorithm];
}

static void add_unresolved(void *arg, struct conf_text target, int weight, const char *why)
{
    json_t *o = json_object();

    json_object_set_new(o, "target", api_conf_text(target));
    json_object_set_new(o, "weight", json_integer(weight));
    json_object_set_new(o, "error", api_text(why, strlen(why)));
    json_array_append_new(arg, o);
}

static json_t *upstream_json(const struct api *api, const struct conf_upstream *upstream)
{
    const struct peer_set *set = peers_of(&api->peers, upstream);
    json_t *o = json_object(), *peers = json_array(), *unresolved = json_array();

    for (size_t i = 0; i < set->n; i++)
        json_array_append_new(peers, api_entity_peer(api, set->v[i]));
    json_object_set_new(o, "name", api_conf_text(upstream->name));
    json_object_set_new(o, "id", api_conf_text(upstream->id));
    json_object_set_new(o, "implied", json_boolean(upstream->implied));
    json_object_set_new(o, "algorithm", json_string(algorithm_name(upstream->algorithm)));
    json_object_set_new(o, "targets", peers);
    api_change_each_unresolved(api, upstream, add_unresolved, unresolved);
    json_object_set_new(o, "unresolved", unresolved);
    json_object_set_new(o, "tags", api_conf_texts(upstream->tags));
    return o;
}

void api_entity_upstreams(struct api *api, const struct api_request *request,
                          struct api_reply *reply)
{
    const struct conf *conf = api->heritage->conf;
    json_t *list = json_array(), *value = json_object();

    (void)request;
    for (size_t i = 0; i < conf->upstreams_n; i++)
        json_array_append_new(list, upstream_json(api, &conf->upstreams[i]));
    json_object_set_new(value, "upstreams", list);
    api_reply_json(reply, 200, value);
}

void api_entity_upstream(struct api *api, const struct api_request *request,
                         struct api_reply *reply)
{
    const struct conf_upstream *upstream = api_change_upstream(api, request->args[0], reply);

    if (upstream != NULL)
        api_reply_json(reply, 200, upstream_json(api, upstream));
}

bool api_entity_name(struct conf_text text, struct conf_text *host, int *port)
{
    struct conf_target target = { .target = text };
    struct conf_address place;
    char room[ENDPOINT_TEXT];

    if (endpoint_target(text, 0, &target.host, &target.port) ||
        endpoint_place(&target, &place, room))
        return false;
    *host = target.host;
    *port = target.port;
    return true;
}
