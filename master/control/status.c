/* SPDX-License-Identifier: Apache-2.0 */
/* GET /status: the answer to "is it well, and what is it doing", as one JSON object of fixed size.
 */
#include "master/control/status.h"
#include "shm/board.h"
#include "shm/health.h"

const char *const status_cache_names[STATS_CACHE_KINDS] = {
    [STATS_HIT] = "hit",           [STATS_MISS] = "miss",   [STATS_BYPASS] = "bypass",
    [STATS_REFRESH] = "refresh",   [STATS_STALE] = "stale", [STATS_REVALIDATED] = "revalidated",
    [STATS_UPDATING] = "updating",
};

const char *const status_code_names[STATUS_CODES] = { "none", "1xx", "2xx", "3xx", "4xx", "5xx" };

static void add_rows(struct stats_route_shm *to, const struct stats_route_shm *from)
{
    to->requests += from->requests;
    to->bytes_in += from->bytes_in;
    to->bytes_out += from->bytes_out;
    to->latency_sum += from->latency_sum;
    to->upstream_sum += from->upstream_sum;
    for (size_t i = 0; i < STATUS_CODES; i++)
        to->status[i] += from->status[i];
    for (size_t i = 0; i < STATS_CACHE_KINDS; i++)
        to->cache[i] += from->cache[i];
}

void status_sum(const struct api *api, struct status_sums *out)
{
    const struct zone *zone = &api->heritage->stats;
    uint32_t rows = stats_capacity(zone);
    struct stats_route_shm row;

    stats_sum_process(zone, &out->process);
    out->routes = out->process.unrouted;
    for (uint32_t i = 0; i < rows && stats_name(zone, (int)i) != NULL; i++) {
        stats_sum_route(zone, (int)i, &row);
        add_rows(&out->routes, &row);
    }
}

unsigned status_processes(const struct api *api, uint32_t role, uint32_t state)
{
    const struct board_shm *board = board_of(&api->heritage->board);
    unsigned n = 0;

    for (size_t i = 0; i < BOARD_SLOTS; i++)
        n += board->rows[i].state == state && board->rows[i].role == role;
    return n;
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)(n & INT64_MAX));
}

static void add_process(const struct api *api, json_t *o)
{
    const struct board_shm *board = board_of(&api->heritage->board);
    int64_t started = board->started;

    json_object_set_new(o, "version", json_string(GATEWAY_VERSION));
    json_object_set_new(o, "master_pid", json_integer(api->heritage->master));
    json_object_set_new(o, "configuration", api_conf_text(api->heritage->conf->path));
    json_object_set_new(o, "generation", number(board->generation));
    json_object_set_new(o, "started", json_integer(started));
    json_object_set_new(o, "uptime", json_integer(api->now > started ? api->now - started : 0));
    json_object_set_new(o, "reloads", number(board->reloads));
    json_object_set_new(o, "reload_failures", number(board->reload_failures));
    json_object_set_new(o, "restarts", number(board->restarts));
}

static json_t *listen_json(const struct conf *conf)
{
    json_t *list = json_array();

    for (size_t i = 0; i < conf->proxy_listen_n; i++) {
        json_t *o = json_object();
        json_object_set_new(o, "address", api_conf_text(conf->proxy_listen[i].address.text));
        json_object_set_new(o, "ssl", json_boolean(conf->proxy_listen[i].ssl));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *workers_json(const struct api *api)
{
    json_t *o = json_object();

    json_object_set_new(o, "starting", number(status_processes(api, ROLE_WORKER, BOARD_STARTING)));
    json_object_set_new(o, "running", number(status_processes(api, ROLE_WORKER, BOARD_RUNNING)));
    json_object_set_new(o, "draining", number(status_processes(api, ROLE_WORKER, BOARD_DRAINING)));
    return o;
}

static json_t *connections_json(const struct stats_process_shm *p)
{
    json_t *o = json_object();

    json_object_set_new(o, "active", number(p->active));
    json_object_set_new(o, "idle", number(p->idle));
    json_object_set_new(o, "accepted", number(p->accepted));
    json_object_set_new(o, "closed", number(p->closed));
    json_object_set_new(o, "accept_failures", number(p->accept_failures));
    json_object_set_new(o, "upgraded", number(p->upgraded));
    json_object_set_new(o, "tls_handshakes", number(p->tls_handshakes));
    json_object_set_new(o, "tls_resumed", number(p->tls_resumed));
    json_object_set_new(o, "tls_failures", number(p->tls_failures));
    return o;
}

static json_t *requests_json(const struct status_sums *sums)
{
    json_t *o = json_object(), *codes = json_object();

    for (size_t i = 0; i < STATUS_CODES; i++)
        json_object_set_new(codes, status_code_names[i], number(sums->routes.status[i]));
    json_object_set_new(o, "total", number(sums->process.requests));
    json_object_set_new(o, "bad", number(sums->process.bad_requests));
    json_object_set_new(o, "timeouts", number(sums->process.timeouts));
    json_object_set_new(o, "bytes_in", number(sums->routes.bytes_in));
    json_object_set_new(o, "bytes_out", number(sums->routes.bytes_out));
    json_object_set_new(o, "codes", codes);
    return o;
}

static json_t *cache_json(const struct stats_route_shm *sum)
{
    json_t *o = json_object();

    for (size_t i = 0; i < STATS_CACHE_KINDS; i++)
        json_object_set_new(o, status_cache_names[i], number(sum->cache[i]));
    return o;
}

static json_t *dicts_json(const struct api *api)
{
    json_t *list = json_array();
    struct cache_stats stats;

    for (size_t i = 0; i < api->heritage->conf->shared_dicts_n; i++) {
        if (api->caches[i] == NULL)
            continue;
        cache_stats(api->caches[i], &stats);
        json_t *o = json_object();
        json_object_set_new(o, "name", api_conf_text(api->heritage->conf->shared_dicts[i].name));
        json_object_set_new(o, "size", number(stats.size));
        json_object_set_new(o, "used", number(stats.used));
        json_object_set_new(o, "objects", number(stats.objects));
        json_object_set_new(o, "evictions", number(stats.evictions));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *targets_json(const struct peer_set *set)
{
    json_t *list = json_array();

    for (size_t i = 0; i < set->n; i++) {
        const struct peer *p = set->v[i];
        json_t *o = json_object();
        json_object_set_new(o, "target", api_conf_text(p->text));
        json_object_set_new(o, "weight", json_integer(p->weight));
        json_object_set_new(o, "state",
                            p->row != NULL ? json_string(health_state_name(health_state(p->row)))
                                           : json_null());
        json_object_set_new(o, "in_flight", number(health_tally_sum(&p->tally)));
        json_array_append_new(list, o);
    }
    return list;
}

/* Each upstream by its name. */
static json_t *upstreams_json(const struct api *api)
{
    const struct heritage *h = api->heritage;
    json_t *all = json_object();

    for (size_t i = 0; i < h->conf->upstreams_n; i++) {
        const struct peer_set *set = peers_of(&api->peers, &h->conf->upstreams[i]);
        struct health_tally active, waiting;
        json_t *o = json_object();
        health_tally_upstream(&h->health, set->row, HEALTH_ACTIVE, &active);
        health_tally_upstream(&h->health, set->row, HEALTH_WAITING, &waiting);
        json_object_set_new(o, "active", number(health_tally_sum(&active)));
        json_object_set_new(o, "queue_length", number(health_tally_sum(&waiting)));
        json_object_set_new(o, "targets", targets_json(set));
        json_object_set_new(all, set->upstream->name.s, o);
    }
    return all;
}

static json_t *upstream_json(const struct api *api, const struct status_sums *sums)
{
    const struct conf *conf = api->heritage->conf;
    json_t *o = json_object();
    unsigned up = 0, down = 0;

    for (size_t i = 0; i < conf->upstreams_n; i++) {
        const struct peer_set *set = peers_of(&api->peers, &conf->upstreams[i]);
        for (size_t k = 0; k < set->n; k++) {
            const struct health_peer_shm *row = set->v[k]->row;
            up += row != NULL && health_state(row) == HEALTH_UP;
            down += row != NULL && health_state(row) != HEALTH_UP;
        }
    }
    json_object_set_new(o, "targets_up", number(up));
    json_object_set_new(o, "targets_down", number(down));
    json_object_set_new(o, "connects", number(sums->process.upstream_connects));
    json_object_set_new(o, "reused", number(sums->process.upstream_reused));
    json_object_set_new(o, "failures", number(sums->process.upstream_failures));
    json_object_set_new(o, "retries", number(sums->process.upstream_retries));
    return o;
}

void status_get(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    struct status_sums sums;
    json_t *o = json_object();

    (void)request;
    status_sum(api, &sums);
    add_process(api, o);
    json_object_set_new(o, "listen", listen_json(api->heritage->conf));
    json_object_set_new(o, "workers", workers_json(api));
    json_object_set_new(o, "connections", connections_json(&sums.process));
    json_object_set_new(o, "requests", requests_json(&sums));
    json_object_set_new(o, "cache", cache_json(&sums.routes));
    json_object_set_new(o, "shared_dicts", dicts_json(api));
    json_object_set_new(o, "upstream", upstream_json(api, &sums));
    json_object_set_new(o, "upstreams", upstreams_json(api));
    json_object_set_new(o, "out_of_memory", number(sums.process.out_of_memory));
    json_object_set_new(o, "log_failures", number(sums.process.log_failures));
    api_reply_json(reply, 200, o);
}
