/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics. Names follow the conventions for exporters: a prefix, base units (seconds, bytes),
 * _total on counters. Rows of routes are summed once, then written family by family, since the
 * lines of a family have to stand together.
 */
#include "master/control/metrics.h"
#include "master/control/metrics_jwks.h"
#include "master/control/status.h"
#include "shm/board.h"
#include "shm/cache_report.h"
#include "shm/health.h"
#include "shm/stats.h"
#include <inttypes.h>
#include <stdlib.h>

struct line {
    char *labels; /* route="...",service="..." */
    struct stats_route_shm sum;
};

/* What is gathered before writing. */
struct source {
    const struct api *api;
    FILE *out;
    struct stats_process_shm process;
    struct line *lines; /* routes with requests, and what no route took */
    size_t lines_n;
};

/* --- text ----------------------------------------------------------------------------------- */

static void family(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_label(FILE *out, const char *name, const char *value)
{
    json_t *valid = json_string(value);

    fprintf(out, "%s=\"", name);
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '\n')
            fputs("\\n", out);
        else if (*at == '\\' || *at == '"')
            fprintf(out, "\\%c", *at);
        else
            fputc((unsigned char)*at >= 0x80 && valid == NULL ? '?' : *at, out);
    }
    fputc('"', out);
    json_decref(valid);
}

static void seconds(FILE *out, uint64_t us)
{
    fprintf(out, "%" PRIu64 ".%06" PRIu64 "\n", us / 1000000, us % 1000000);
}

static void single(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
    family(out, name, type, help);
    fprintf(out, "%s %" PRIu64 "\n", name, value);
}

/* --- routes --------------------------------------------------------------------------------- */

/* The labels of a route, which many lines begin with; NULL: no memory. */
static char *labels_of(const char *route, const char *service)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    if (out == NULL)
        return NULL;
    metrics_label(out, "route", route);
    fputc(',', out);
    metrics_label(out, "service", service);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static bool add_line(struct source *s, const char *route, const char *service,
                     const struct stats_route_shm *sum)
{
    struct line *line = &s->lines[s->lines_n++];

    line->labels = labels_of(route, service);
    line->sum = *sum;
    return line->labels != NULL;
}

static bool gather(struct source *s)
{
    const struct conf *conf = s->api->heritage->conf;
    const struct zone *zone = &s->api->heritage->stats;
    struct stats_route_shm sum;

    stats_sum_process(zone, &s->process);
    s->lines = calloc(conf->routes_n + 1, sizeof *s->lines);
    if (s->lines == NULL || !add_line(s, "", "", &s->process.unrouted))
        return false;
    for (size_t i = 0; i < conf->routes_n; i++) {
        const struct conf_route *route = &conf->routes[i];
        const struct conf_service *service = route->service;
        int row = stats_row(zone, route->id.s);
        if (row < 0)
            continue;
        stats_sum_route(zone, row, &sum);
        if (sum.requests > 0 &&
            !add_line(s, route->name.n > 0 ? route->name.s : route->id.s,
                      service->name.n > 0 ? service->name.s : service->id.s, &sum))
            return false;
    }
    return true;
}

/* name{route="...",service="..." and leaves the brace open. */
static void open_line(const struct source *s, const struct line *line, const char *name)
{
    fputs(name, s->out);
    fputc('{', s->out);
    fputs(line->labels, s->out);
}

static void requests(const struct source *s)
{
    const char *name = "gateway_http_requests_total";

    family(s->out, name, "counter",
           "Requests, by the class of the answer's status; none: closed without an answer.");
    for (size_t i = 0; i < s->lines_n; i++) {
        for (size_t k = 0; k < STATUS_CODES; k++) {
            if (s->lines[i].sum.status[k] == 0)
                continue;
            open_line(s, &s->lines[i], name);
            fprintf(s->out, ",code=\"%s\"} %" PRIu64 "\n", status_code_names[k],
                    s->lines[i].sum.status[k]);
        }
    }
}

static void cache_requests(const struct source *s)
{
    const char *name = "gateway_cache_requests_total";

    family(s->out, name, "counter", "Requests that proxy-cache looked at, by what it did.");
    for (size_t i = 0; i < s->lines_n; i++) {
        for (size_t k = 0; k < STATS_CACHE_KINDS; k++) {
            if (s->lines[i].sum.cache[k] == 0)
                continue;
            open_line(s, &s->lines[i], name);
            fprintf(s->out, ",status=\"%s\"} %" PRIu64 "\n", status_cache_names[k],
                    s->lines[i].sum.cache[k]);
        }
    }
}

static void histogram_of(const struct source *s, const struct line *line)
{
    uint64_t below = 0;

    for (size_t i = 0; i < STATS_BUCKETS; i++) {
        below += line->sum.latency[i];
        open_line(s, line, "gateway_http_request_duration_seconds_bucket");
        if (i + 1 < STATS_BUCKETS)
            fprintf(s->out, ",le=\"%g\"} %" PRIu64 "\n", (double)stats_bounds[i] / 1e6, below);
        else
            fprintf(s->out, ",le=\"+Inf\"} %" PRIu64 "\n", below);
    }
    open_line(s, line, "gateway_http_request_duration_seconds_sum");
    fputs("} ", s->out);
    seconds(s->out, line->sum.latency_sum);
    open_line(s, line, "gateway_http_request_duration_seconds_count");
    fprintf(s->out, "} %" PRIu64 "\n", below);
}

static void durations(const struct source *s)
{
    family(s->out, "gateway_http_request_duration_seconds", "histogram",
           "From the first byte of a request to the last byte of its answer.");
    for (size_t i = 0; i < s->lines_n; i++)
        histogram_of(s, &s->lines[i]);
}

static void upstream_wait(const struct source *s)
{
    const char *name = "gateway_http_upstream_wait_seconds_total";

    family(s->out, name, "counter", "Time that requests waited for upstreams.");
    for (size_t i = 0; i < s->lines_n; i++) {
        open_line(s, &s->lines[i], name);
        fputs("} ", s->out);
        seconds(s->out, s->lines[i].sum.upstream_sum);
    }
}

static void route_bytes(const struct source *s, const char *name, const char *help, size_t offset)
{
    family(s->out, name, "counter", help);
    for (size_t i = 0; i < s->lines_n; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&s->lines[i].sum + offset, sizeof value);
        open_line(s, &s->lines[i], name);
        fprintf(s->out, "} %" PRIu64 "\n", value);
    }
}

static void routes(const struct source *s)
{
    requests(s);
    durations(s);
    upstream_wait(s);
    route_bytes(s, "gateway_http_request_bytes_total", "Bytes of requests read from clients.",
                offsetof(struct stats_route_shm, bytes_in));
    route_bytes(s, "gateway_http_response_bytes_total", "Bytes of answers written to clients.",
                offsetof(struct stats_route_shm, bytes_out));
    cache_requests(s);
}

/* --- processes ------------------------------------------------------------------------------ */

static const struct {
    const char *name, *help;
    size_t offset;
} process_counters[] = {
#define COUNTER(name, help, member)                                                                \
    {                                                                                              \
        name, help, offsetof(struct stats_process_shm, member)                                     \
    }
    COUNTER("gateway_connections_accepted_total", "Client connections accepted.", accepted),
    COUNTER("gateway_connections_closed_total", "Client connections closed.", closed),
    COUNTER("gateway_accept_failures_total", "Calls of accept() that failed.", accept_failures),
    COUNTER("gateway_connections_upgraded_total", "Connections that became tunnels.", upgraded),
    COUNTER("gateway_bad_requests_total", "Requests refused as malformed.", bad_requests),
    COUNTER("gateway_client_timeouts_total", "Clients that took too long.", timeouts),
    COUNTER("gateway_tls_handshakes_total", "TLS handshakes completed.", tls_handshakes),
    COUNTER("gateway_tls_resumed_total", "TLS handshakes that resumed a session.", tls_resumed),
    COUNTER("gateway_tls_failures_total", "TLS handshakes that failed.", tls_failures),
    COUNTER("gateway_upstream_connects_total", "Connections opened to upstreams.",
            upstream_connects),
    COUNTER("gateway_upstream_reused_total", "Requests sent on a kept upstream connection.",
            upstream_reused),
    COUNTER("gateway_upstream_failures_total", "Attempts at an upstream that failed.",
            upstream_failures),
    COUNTER("gateway_upstream_retries_total", "Requests sent once more.", upstream_retries),
    COUNTER("gateway_redis_questions_total", "Questions sent to a Redis.", redis_questions),
    COUNTER("gateway_redis_failures_total",
            "Questions that a Redis did not answer, or was not asked as it does not answer.",
            redis_failures),
    COUNTER("gateway_introspection_questions_total", "Questions about tokens that were asked.",
            inquiry_questions),
    COUNTER("gateway_introspection_remembered_total", "Requests whose token was known already.",
            inquiry_remembered),
    COUNTER("gateway_introspection_refusals_total", "Answers that a token is not active.",
            inquiry_refusals),
    COUNTER("gateway_introspection_failures_total",
            "Questions without an answer of use, or not asked for want of room.", inquiry_failures),
    COUNTER("gateway_out_of_memory_total", "Allocations that failed.", out_of_memory),
    COUNTER("gateway_log_failures_total", "Log lines that could not be written.", log_failures),
#undef COUNTER
};

static void connections(const struct source *s)
{
    for (size_t i = 0; i < sizeof process_counters / sizeof process_counters[0]; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&s->process + process_counters[i].offset, sizeof value);
        single(s->out, process_counters[i].name, "counter", process_counters[i].help, value);
    }
    family(s->out, "gateway_connections", "gauge", "Open client connections.");
    fprintf(s->out, "gateway_connections{state=\"active\"} %" PRIu64 "\n", s->process.active);
    fprintf(s->out, "gateway_connections{state=\"idle\"} %" PRIu64 "\n", s->process.idle);
    single(s->out, "gateway_upstream_connections_idle", "gauge",
           "Connections kept for the next request to an upstream.", s->process.upstream_idle);
    single(s->out, "gateway_redis_connections", "gauge", "Open connections to Redis servers.",
           s->process.redis_connections);
    single(s->out, "gateway_redis_down", "gauge",
           "Redis servers that did not answer a worker last, summed over workers.",
           s->process.redis_down);
}

static void processes(const struct source *s)
{
    const struct api *api = s->api;
    const struct board_shm *board = board_of(&api->heritage->board);
    int64_t started = board->started;

    family(s->out, "gateway_info", "gauge", "The version that runs; always 1.");
    fputs("gateway_info{", s->out);
    metrics_label(s->out, "version", GATEWAY_VERSION);
    fputs("} 1\n", s->out);
    single(s->out, "gateway_start_time_seconds", "gauge", "When the gateway started, since 1970.",
           (uint64_t)started);
    single(s->out, "gateway_uptime_seconds", "gauge", "How long it has been running.",
           api->now > started ? (uint64_t)(api->now - started) : 0);
    single(s->out, "gateway_config_generation", "gauge", "Generation of the configuration.",
           board->generation);
    single(s->out, "gateway_reloads_total", "counter", "Reloads that were done.", board->reloads);
    single(s->out, "gateway_reload_failures_total", "counter", "Reloads that were refused.",
           board->reload_failures);
    single(s->out, "gateway_worker_restarts_total", "counter",
           "Processes replaced after they died.", board->restarts);
    family(s->out, "gateway_workers", "gauge", "Worker processes.");
    fprintf(s->out, "gateway_workers{state=\"starting\"} %u\n",
            status_processes(api, ROLE_WORKER, BOARD_STARTING));
    fprintf(s->out, "gateway_workers{state=\"running\"} %u\n",
            status_processes(api, ROLE_WORKER, BOARD_RUNNING));
    fprintf(s->out, "gateway_workers{state=\"draining\"} %u\n",
            status_processes(api, ROLE_WORKER, BOARD_DRAINING));
}

/* --- dictionaries --------------------------------------------------------------------------- */

static const struct {
    const char *name, *type, *help;
    size_t offset;
} dict_values[] = {
#define VALUE(name, type, help, member)                                                            \
    {                                                                                              \
        name, type, help, offsetof(struct cache_stats, member)                                     \
    }
    VALUE("gateway_shared_dict_bytes", "gauge", "Bytes in use.", used),
    VALUE("gateway_shared_dict_capacity_bytes", "gauge", "Bytes there are.", size),
    VALUE("gateway_shared_dict_objects", "gauge", "Objects stored.", objects),
    VALUE("gateway_shared_dict_hits_total", "counter", "Look-ups that found an object.", hits),
    VALUE("gateway_shared_dict_misses_total", "counter",
          "Objects stored that were not there before.", missed),
    VALUE("gateway_shared_dict_fills_total", "counter", "Objects stored so far.", fills),
    VALUE("gateway_shared_dict_evictions_total", "counter", "Objects that had to make room.",
          evictions),
    VALUE("gateway_shared_dict_evicted_bytes_total", "counter", "Their bytes.", evicted_bytes),
    VALUE("gateway_shared_dict_evicted_age_seconds_total", "counter",
          "Time that they had been stored, in sum.", evicted_seconds),
    VALUE("gateway_shared_dict_overhead_bytes", "gauge",
          "Bytes in use that are neither key, head nor body.", overhead),
    VALUE("gateway_shared_dict_waits_total", "counter", "Requests that waited for another's fill.",
          waits),
    VALUE("gateway_shared_dict_expired_total", "counter", "Objects removed past their time.",
          expired),
    VALUE("gateway_shared_dict_purges_total", "counter", "Objects purged.", purges),
    VALUE("gateway_shared_dict_no_memory_total", "counter", "Objects that found no room.",
          no_memory),
#undef VALUE
};

static void dicts(const struct source *s)
{
    const struct conf *conf = s->api->heritage->conf;
    struct cache_stats stats[HERITAGE_DICTS_MAX];

    for (size_t i = 0; i < conf->shared_dicts_n; i++)
        if (s->api->caches[i] != NULL)
            cache_stats(s->api->caches[i], &stats[i]);
    for (size_t k = 0; k < sizeof dict_values / sizeof dict_values[0]; k++) {
        family(s->out, dict_values[k].name, dict_values[k].type, dict_values[k].help);
        for (size_t i = 0; i < conf->shared_dicts_n; i++) {
            uint64_t value;
            if (s->api->caches[i] == NULL)
                continue;
            memcpy(&value, (const char *)&stats[i] + dict_values[k].offset, sizeof value);
            fprintf(s->out, "%s{", dict_values[k].name);
            metrics_label(s->out, "dict", conf->shared_dicts[i].name.s);
            fprintf(s->out, "} %" PRIu64 "\n", value);
        }
    }
}

/* What cache_report() tells, a label a number. */
static const struct {
    const char *name, *label, *help;
    struct {
        const char *value;
        size_t offset;
    } parts[5];
} dict_parts[] = {
#define PART(name, member)                                                                         \
    {                                                                                              \
        name, offsetof(struct cache_report, member)                                                \
    }
    { "gateway_shared_dict_pages",
      "kind",
      "Pages of 64 KiB, by what they are for.",
      { PART("free", free_pages), PART("objects", slab_pages), PART("index", index_pages),
        PART("pins", ledger_pages) } },
    { "gateway_shared_dict_slab_bytes",
      "state",
      "Bytes of the pages of objects; used: in chunks that are in use.",
      { PART("all", slab_bytes), PART("used", slab_used) } },
    { "gateway_shared_dict_queue_objects",
      "queue",
      "Objects in the queues of eviction.",
      { PART("small", small.objects), PART("main", main.objects), PART("purged", dead.objects),
        PART("leaving", limbo.objects), PART("filling", filling.objects) } },
    { "gateway_shared_dict_queue_bytes",
      "queue",
      "Their bytes.",
      { PART("small", small.bytes), PART("main", main.bytes), PART("purged", dead.bytes) } },
    { "gateway_shared_dict_tickets",
      "state",
      "Fills that other requests may wait for; room: at most.",
      { PART("open", tickets), PART("room", tickets_room) } },
#undef PART
};

static void dict_report(const struct source *s, size_t kind, const char *dict,
                        const struct cache_report *report)
{
    for (size_t k = 0; k < 5 && dict_parts[kind].parts[k].value != NULL; k++) {
        uint64_t value;
        memcpy(&value, (const char *)report + dict_parts[kind].parts[k].offset, sizeof value);
        fprintf(s->out, "%s{", dict_parts[kind].name);
        metrics_label(s->out, "dict", dict);
        fprintf(s->out, ",%s=\"%s\"} %" PRIu64 "\n", dict_parts[kind].label,
                dict_parts[kind].parts[k].value, value);
    }
}

static void dict_reports(const struct source *s)
{
    const struct conf *conf = s->api->heritage->conf;
    struct cache_report *reports = calloc(HERITAGE_DICTS_MAX, sizeof *reports);

    for (size_t i = 0; reports != NULL && i < conf->shared_dicts_n; i++)
        if (s->api->caches[i] != NULL)
            cache_report(s->api->caches[i], &reports[i]);
    for (size_t k = 0; reports != NULL && k < sizeof dict_parts / sizeof dict_parts[0]; k++) {
        family(s->out, dict_parts[k].name, "gauge", dict_parts[k].help);
        for (size_t i = 0; i < conf->shared_dicts_n; i++)
            if (s->api->caches[i] != NULL)
                dict_report(s, k, conf->shared_dicts[i].name.s, &reports[i]);
    }
    free(reports);
}

/* --- upstreams ------------------------------------------------------------------------------ */

static const struct {
    const char *name, *help;
    enum health_count count;
} upstream_values[] = {
    { "gateway_upstream_active", "Requests under way to the upstream.", HEALTH_ACTIVE },
    { "gateway_upstream_retrying", "Of them, retries.", HEALTH_RETRIES },
    { "gateway_upstream_queue_length", "Requests that wait for a place at a target.",
      HEALTH_WAITING },
};

static void upstreams(const struct source *s)
{
    const struct heritage *h = s->api->heritage;

    for (size_t kind = 0; kind < sizeof upstream_values / sizeof upstream_values[0]; kind++) {
        family(s->out, upstream_values[kind].name, "gauge", upstream_values[kind].help);
        for (size_t i = 0; i < h->conf->upstreams_n; i++) {
            const struct peer_set *set = peers_of(&s->api->peers, &h->conf->upstreams[i]);
            struct health_tally tally;
            health_tally_upstream(&h->health, set->row, upstream_values[kind].count, &tally);
            fprintf(s->out, "%s{", upstream_values[kind].name);
            metrics_label(s->out, "upstream", set->upstream->name.s);
            fprintf(s->out, "} %" PRIu64 "\n", health_tally_sum(&tally));
        }
    }
}

/* --- targets -------------------------------------------------------------------------------- */

static uint64_t target_up(const struct zone *zone, const struct health_peer_shm *row)
{
    (void)zone;
    return health_state(row) == HEALTH_UP;
}

static uint64_t target_requests(const struct zone *zone, const struct health_peer_shm *row)
{
    (void)zone;
    return row->requests;
}

static uint64_t target_failures(const struct zone *zone, const struct health_peer_shm *row)
{
    (void)zone;
    return row->failures;
}

static uint64_t target_connects(const struct zone *zone, const struct health_peer_shm *row)
{
    (void)zone;
    return row->connects;
}

static uint64_t target_changes(const struct zone *zone, const struct health_peer_shm *row)
{
    (void)zone;
    return row->changes;
}

static const struct {
    const char *name, *type, *help;
    uint64_t (*value)(const struct zone *zone, const struct health_peer_shm *row);
} target_values[] = {
    { "gateway_upstream_target_up", "gauge", "1: the target takes requests; 0: it is out.",
      target_up },
    { "gateway_upstream_target_changes_total", "counter",
      "Times that the target went out or came back.", target_changes },
    { "gateway_upstream_target_requests_total", "counter", "Requests sent to the target.",
      target_requests },
    { "gateway_upstream_target_failures_total", "counter", "Of them, those that failed.",
      target_failures },
    { "gateway_upstream_target_connects_total", "counter", "Connections opened to the target.",
      target_connects },
    { "gateway_upstream_target_in_flight", "gauge", "Requests that wait for the target.",
      health_in_flight_sum },
};

static void target(const struct source *s, size_t kind, const struct peer *peer)
{
    const struct zone *zone = &s->api->heritage->health;

    if (peer->row == NULL)
        return;
    fprintf(s->out, "%s{", target_values[kind].name);
    metrics_label(s->out, "upstream", peer->upstream->name.s);
    fputc(',', s->out);
    metrics_label(s->out, "target", peer->text.s);
    fprintf(s->out, "} %" PRIu64 "\n", target_values[kind].value(zone, peer->row));
}

static void targets(const struct source *s)
{
    const struct conf *conf = s->api->heritage->conf;

    for (size_t kind = 0; kind < sizeof target_values / sizeof target_values[0]; kind++) {
        family(s->out, target_values[kind].name, target_values[kind].type,
               target_values[kind].help);
        for (size_t i = 0; i < conf->upstreams_n; i++) {
            const struct peer_set *set = peers_of(&s->api->peers, &conf->upstreams[i]);
            for (size_t k = 0; k < set->n; k++)
                target(s, kind, set->v[k]);
        }
    }
}

/* ------------------------------------------------------------------------------------------------------------------
 */

bool metrics_write(const struct api *api, FILE *out)
{
    struct source s = { .api = api, .out = out };
    bool gathered = gather(&s);

    if (gathered) {
        processes(&s);
        connections(&s);
        routes(&s);
        dicts(&s);
        dict_reports(&s);
        upstreams(&s);
        targets(&s);
        metrics_jwks_write(s.api, s.out);
    }
    for (size_t i = 0; i < s.lines_n; i++)
        free(s.lines[i].labels);
    free(s.lines);
    return gathered;
}

void metrics_get(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    FILE *out = open_memstream(&reply->body, &reply->body_n);

    (void)request;
    bool written = out != NULL && metrics_write(api, out);
    if (out != NULL && fclose(out) == 0 && written) {
        reply->status = 200;
        reply->type = "text/plain; version=0.0.4; charset=utf-8";
        return;
    }
    api_reply_message(reply, 500, "No memory for the metrics");
}
