/* SPDX-License-Identifier: Apache-2.0 */
/* API: every counter under one flat name, for eyes and scripts that look at differences. */
#include "master/control/status.h"
#include "shm/board.h"
#include "shm/stats.h"
#include <stdio.h>

struct counter {
    const char *name;
    size_t offset;
};

/* clang-format off */
#define PROCESS(name) { "process." #name, offsetof(struct stats_process_shm, name) }
#define CACHE(name)   { #name, offsetof(struct cache_stats, name) }
/* clang-format on */

static const struct counter process_counters[] = {
    PROCESS(accepted),
    PROCESS(closed),
    PROCESS(requests),
    PROCESS(bad_requests),
    PROCESS(timeouts),
    PROCESS(tls_handshakes),
    PROCESS(tls_resumed),
    PROCESS(tls_failures),
    PROCESS(upstream_connects),
    PROCESS(upstream_reused),
    PROCESS(upstream_failures),
    PROCESS(upstream_retries),
    PROCESS(upgraded),
    PROCESS(accept_failures),
    PROCESS(redis_questions),
    PROCESS(redis_failures),
    PROCESS(inquiry_questions),
    PROCESS(inquiry_remembered),
    PROCESS(inquiry_refusals),
    PROCESS(inquiry_failures),
    PROCESS(redis_connections),
    PROCESS(redis_down),
    PROCESS(out_of_memory),
    PROCESS(log_failures),
    PROCESS(idle),
    PROCESS(active),
};

static const struct counter cache_counters[] = {
    CACHE(size),    CACHE(used),      CACHE(free_pages),    CACHE(pages),  CACHE(objects),
    CACHE(fills),   CACHE(evictions), CACHE(evicted_bytes), CACHE(purges), CACHE(no_memory),
    CACHE(expired), CACHE(overhead),  CACHE(generation),    CACHE(waits),  CACHE(evicted_seconds),
    CACHE(hits),    CACHE(missed),
};

static void add(json_t *o, uint64_t value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add(json_t *o, uint64_t value, const char *format, ...)
{
    char name[512];
    va_list args;

    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    json_object_set_new(o, name, json_integer((json_int_t)(value & INT64_MAX)));
}

static void add_table(json_t *o, const char *prefix, const void *block, const struct counter *table,
                      size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t value;
        memcpy(&value, (const char *)block + table[i].offset, sizeof value);
        add(o, value, "%s%s", prefix, table[i].name);
    }
}

static void add_route(json_t *o, const char *name, const struct stats_route_shm *row)
{
    add(o, row->requests, "route.%s.requests", name);
    add(o, row->bytes_in, "route.%s.bytes_in", name);
    add(o, row->bytes_out, "route.%s.bytes_out", name);
    add(o, row->latency_sum, "route.%s.latency_us", name);
    add(o, row->upstream_sum, "route.%s.upstream_us", name);
    for (size_t i = 0; i < STATUS_CODES; i++)
        add(o, row->status[i], "route.%s.status.%s", name, status_code_names[i]);
    for (size_t i = 0; i < STATS_CACHE_KINDS; i++)
        add(o, row->cache[i], "route.%s.cache.%s", name, status_cache_names[i]);
}

static void add_routes(const struct api *api, json_t *o)
{
    const struct conf *conf = api->heritage->conf;
    const struct zone *zone = &api->heritage->stats;
    struct stats_route_shm sum;

    for (size_t i = 0; i < conf->routes_n; i++) {
        const struct conf_route *route = &conf->routes[i];
        int row = stats_row(zone, route->id.s);
        if (row < 0)
            continue;
        stats_sum_route(zone, row, &sum);
        if (sum.requests > 0)
            add_route(o, route->name.n > 0 ? route->name.s : route->id.s, &sum);
    }
}

static void add_dicts(const struct api *api, json_t *o)
{
    const struct conf *conf = api->heritage->conf;
    struct cache_stats stats;
    char prefix[300];

    for (size_t i = 0; i < conf->shared_dicts_n; i++) {
        if (api->caches[i] == NULL)
            continue;
        cache_stats(api->caches[i], &stats);
        snprintf(prefix, sizeof prefix, "dict.%s.", conf->shared_dicts[i].name.s);
        add_table(o, prefix, &stats, cache_counters,
                  sizeof cache_counters / sizeof cache_counters[0]);
    }
}

void api_stat_get(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    const struct board_shm *board = board_of(&api->heritage->board);
    struct stats_process_shm process;
    json_t *o = json_object();

    (void)request;
    stats_sum_process(&api->heritage->stats, &process);
    add(o, board->generation, "generation");
    add(o, board->reloads, "reloads");
    add(o, board->reload_failures, "reload_failures");
    add(o, board->restarts, "restarts");
    add_table(o, "", &process, process_counters,
              sizeof process_counters / sizeof process_counters[0]);
    add_route(o, "(none)", &process.unrouted);
    add_dicts(api, o);
    add_routes(api, o);
    api_reply_json(reply, 200, o);
}
