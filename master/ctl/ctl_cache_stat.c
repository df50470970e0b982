/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl cache stat: a line a dictionary, what requests got, and each dictionary's memory; with
 * --dict the sizes of its chunks as well. */
#include "master/ctl/ctl_cache.h"
#include "master/ctl/ctl_client.h"
#include "master/ctl/ctl_table.h"
#include <stdlib.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static void show_dicts(struct ctl *ctl, const json_t *dicts)
{
    static const struct ctl_table_column columns[] = {
        { "DICT", "name", CTL_TABLE_TEXT },
        { "SIZE", "size", CTL_TABLE_BYTES },
        { "USED", "used", CTL_TABLE_BYTES },
        { "OVERHEAD", "overhead", CTL_TABLE_BYTES },
        { "FRAG", "fragmentation", CTL_TABLE_PERCENT },
        { "OBJECTS", "objects", CTL_TABLE_NUMBER },
        { "HITS", "hits", CTL_TABLE_NUMBER },
        { "FILLS", "fills", CTL_TABLE_NUMBER },
        { "WAITS", "waits", CTL_TABLE_NUMBER },
        { "EVICTIONS", "evictions", CTL_TABLE_NUMBER },
        { "EXPIRED", "expired", CTL_TABLE_NUMBER },
        { "PURGES", "purges", CTL_TABLE_NUMBER },
        { "NO MEMORY", "no_memory", CTL_TABLE_NUMBER },
    };

    ctl_table_print(ctl->out, columns, LENGTH(columns), dicts);
}

/* In the order of the JSON. */
static void show_requests(struct ctl *ctl, json_t *requests)
{
    double all = 0;

    for (void *at = json_object_iter(requests); at; at = json_object_iter_next(requests, at))
        all += json_number_value(json_object_iter_value(at));
    fputs("\nREQUESTS\n", ctl->out);
    for (void *at = json_object_iter(requests); at; at = json_object_iter_next(requests, at)) {
        double n = json_number_value(json_object_iter_value(at));
        fprintf(ctl->out, "  %-12s  %12.0f  %5.1f%%\n", json_object_iter_key(at), n,
                all > 0 ? 100 * n / all : 0);
    }
}

static void show_memory(struct ctl *ctl, const json_t *dict)
{
    static const struct ctl_table_column facts[] = {
        { "  pages", "pages", CTL_TABLE_NUMBER },
        { "    free", "free_pages", CTL_TABLE_NUMBER },
        { "    of objects", "slab_pages", CTL_TABLE_NUMBER },
        { "    of the index", "index_pages", CTL_TABLE_NUMBER },
        { "    of pins", "ledger_pages", CTL_TABLE_NUMBER },
        { "  bytes in pages of objects", "slab_bytes", CTL_TABLE_BYTES },
        { "    in use", "slab_used", CTL_TABLE_BYTES },
        { "  new: objects", "queues.small.objects", CTL_TABLE_NUMBER },
        { "    bytes", "queues.small.bytes", CTL_TABLE_BYTES },
        { "  proven: objects", "queues.main.objects", CTL_TABLE_NUMBER },
        { "    bytes", "queues.main.bytes", CTL_TABLE_BYTES },
        { "  purged, not yet gone", "queues.purged.objects", CTL_TABLE_NUMBER },
        { "  going, still read", "queues.leaving.objects", CTL_TABLE_NUMBER },
        { "  being filled", "queues.filling.objects", CTL_TABLE_NUMBER },
        { "  fills to wait for", "tickets.open", CTL_TABLE_NUMBER },
        { "    room for", "tickets.room", CTL_TABLE_NUMBER },
        { "  evicted bytes", "evicted_bytes", CTL_TABLE_BYTES },
        { "  age when evicted, of late", "evicted_age.recent", CTL_TABLE_S },
        { "    in all", "evicted_age.mean", CTL_TABLE_S },
        { "  idle when evicted", "evicted_age.idle", CTL_TABLE_S },
    };
    char *name = ctl_table_cell(json_object_get(dict, "name"), CTL_TABLE_TEXT);

    fprintf(ctl->out, "\nDICT %s\n", name != NULL ? name : "");
    free(name);
    ctl_table_facts(ctl->out, facts, LENGTH(facts), dict);
}

static void show_classes(struct ctl *ctl, const json_t *dict)
{
    static const struct ctl_table_column columns[] = {
        { "CHUNK", "chunk", CTL_TABLE_NUMBER },   { "PAGES", "pages", CTL_TABLE_NUMBER },
        { "CHUNKS", "chunks", CTL_TABLE_NUMBER }, { "USED", "used", CTL_TABLE_NUMBER },
        { "BYTES", "bytes", CTL_TABLE_BYTES },    { "USED BYTES", "used_bytes", CTL_TABLE_BYTES },
    };

    fputc('\n', ctl->out);
    ctl_table_print(ctl->out, columns, LENGTH(columns), json_object_get(dict, "classes"));
}

static void show(struct ctl *ctl, json_t *value)
{
    const json_t *dicts = json_object_get(value, "dicts");

    show_dicts(ctl, dicts);
    show_requests(ctl, json_object_get(value, "requests"));
    for (size_t i = 0; i < json_array_size(dicts); i++) {
        show_memory(ctl, json_array_get(dicts, i));
        if (ctl->dict != NULL)
            show_classes(ctl, json_array_get(dicts, i));
    }
}

enum ctl_exit ctl_cache_stat(struct ctl *ctl)
{
    json_t *value;
    enum ctl_exit result = ctl_cache_of_dict(ctl, "/cache", &value);

    if (result == CTL_OK && !ctl->json)
        show(ctl, value);
    json_decref(value);
    return result;
}
