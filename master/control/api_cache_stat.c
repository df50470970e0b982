/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: what the shared dictionaries hold, and how well they do: bytes by size of chunk, pages,
 * queues of eviction, tickets, and what the requests that asked them got.
 */
#include "master/control/status.h"
#include "shm/cache_report.h"

static void put(json_t *o, const char *name, uint64_t value)
{
    json_object_set_new(o, name, json_integer((json_int_t)(value & INT64_MAX)));
}

static json_t *queue_json(const struct cache_report_queue *queue)
{
    json_t *o = json_object();

    put(o, "objects", queue->objects);
    put(o, "bytes", queue->bytes);
    return o;
}

static void add_counters(json_t *o, const struct cache_stats *stats)
{
    put(o, "size", stats->size);
    put(o, "used", stats->used);
    put(o, "overhead", stats->overhead);
    put(o, "pages", stats->pages);
    put(o, "free_pages", stats->free_pages);
    put(o, "objects", stats->objects);
    put(o, "hits", stats->hits);
    put(o, "misses", stats->missed);
    put(o, "fills", stats->fills);
    put(o, "evictions", stats->evictions);
    put(o, "evicted_bytes", stats->evicted_bytes);
    put(o, "expired", stats->expired);
    put(o, "purges", stats->purges);
    put(o, "no_memory", stats->no_memory);
    put(o, "waits", stats->waits);
    put(o, "generation", stats->generation);
}

static json_t *classes_json(const struct cache_report *report)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < report->classes_n; i++) {
        const struct cache_report_class *class = &report->classes[i];
        if (class->pages == 0)
            continue;
        json_t *o = json_object();
        put(o, "chunk", class->size);
        put(o, "pages", class->pages);
        put(o, "chunks", class->chunks);
        put(o, "used", class->used);
        put(o, "bytes", class->chunks * class->size);
        put(o, "used_bytes", class->used * class->size);
        json_array_append_new(list, o);
    }
    return list;
}

/* Of the sampled ones: seconds since they were last asked for. */
static json_t *idle_json(const struct advisor *a)
{
    struct advice_report report;

    if (a->advice == NULL)
        return json_null();
    advice_report(a->advice, &report);
    return report.idle >= 0 ? json_integer((json_int_t)report.idle) : json_null();
}

static void add_report(json_t *o, const struct advisor *a, const struct cache_stats *stats,
                       const struct cache_report *report)
{
    json_t *queues = json_object(), *tickets = json_object(), *age = json_object();
    uint64_t idle =
        report->slab_bytes > report->slab_used ? report->slab_bytes - report->slab_used : 0;

    put(o, "slab_pages", report->slab_pages);
    put(o, "index_pages", report->index_pages);
    put(o, "ledger_pages", report->ledger_pages);
    put(o, "slab_bytes", report->slab_bytes);
    put(o, "slab_used", report->slab_used);
    json_object_set_new(
        o, "fragmentation",
        json_real(report->slab_bytes ? (double)idle / (double)report->slab_bytes : 0));
    json_object_set_new(queues, "small", queue_json(&report->small));
    json_object_set_new(queues, "main", queue_json(&report->main));
    json_object_set_new(queues, "purged", queue_json(&report->dead));
    json_object_set_new(queues, "leaving", queue_json(&report->limbo));
    json_object_set_new(queues, "filling", queue_json(&report->filling));
    json_object_set_new(o, "queues", queues);
    put(tickets, "open", report->tickets);
    put(tickets, "room", report->tickets_room);
    json_object_set_new(o, "tickets", tickets);
    put(age, "mean", stats->evictions ? stats->evicted_seconds / stats->evictions : 0);
    put(age, "recent", report->evicted_recent);
    json_object_set_new(age, "idle", idle_json(a));
    json_object_set_new(o, "evicted_age", age);
    json_object_set_new(o, "classes", classes_json(report));
}

static json_t *dict_json(const struct api *api, size_t dict)
{
    struct cache_report report;
    struct cache_stats stats;
    json_t *o = json_object();

    cache_stats(api->caches[dict], &stats);
    cache_report(api->caches[dict], &report);
    json_object_set_new(o, "name", api_conf_text(api->heritage->conf->shared_dicts[dict].name));
    add_counters(o, &stats);
    add_report(o, &api->advisors[dict], &stats, &report);
    return o;
}

/* What requests on cached routes got, by X-Cache-Status, in lower case. */
static json_t *requests_json(const struct api *api)
{
    struct status_sums sums;
    json_t *o = json_object();

    status_sum(api, &sums);
    for (size_t i = 0; i < STATS_CACHE_KINDS; i++)
        put(o, status_cache_names[i], sums.routes.cache[i]);
    return o;
}

void api_cache_stat(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    json_t *list = json_array(), *value = json_object();
    char dict[256] = "";

    if (!api_parameter_fits(request, "dict", sizeof dict)) {
        json_decref(list);
        json_decref(value);
        api_reply_message(reply, 400, "dict is too long");
        return;
    }
    (void)api_parameter(request, "dict", dict, sizeof dict);
    for (size_t i = 0; i < api->heritage->conf->shared_dicts_n; i++)
        if (api_dict_is(api, i, dict))
            json_array_append_new(list, dict_json(api, i));
    json_object_set_new(value, "dicts", list);
    json_object_set_new(value, "requests", requests_json(api));
    api_reply_json(reply, 200, value);
}
