/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl cache advise: a table a dictionary, and a word on how far it can be believed. */
#include "master/ctl/ctl_cache.h"
#include "master/ctl/ctl_client.h"
#include "master/ctl/ctl_table.h"
#include <stdlib.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static void show_intro(struct ctl *ctl, const json_t *dict)
{
    static const struct ctl_table_column facts[] = {
        { "dictionary", "name", CTL_TABLE_TEXT },
        { "size", "size", CTL_TABLE_BYTES },
        { "watched for", "seconds", CTL_TABLE_S },
        { "ids watched", "sampled", CTL_TABLE_PERCENT },
        { "their requests", "events", CTL_TABLE_NUMBER },
    };

    ctl_table_facts(ctl->out, facts, LENGTH(facts), dict);
}

static bool all_ready(const json_t *sizes)
{
    for (size_t i = 0; i < json_array_size(sizes); i++)
        if (!json_is_true(json_object_get(json_array_get(sizes, i), "ready")))
            return false;
    return json_array_size(sizes) > 0;
}

static void show_dict(struct ctl *ctl, const json_t *dict)
{
    static const struct ctl_table_column columns[] = {
        { "% OF SIZE", "percent", CTL_TABLE_NUMBER },
        { "BYTES", "bytes", CTL_TABLE_BYTES },
        { "HIT RATIO", "hit_ratio", CTL_TABLE_PERCENT },
        { "FEWER MISSES", "fewer_misses", CTL_TABLE_PERCENT },
        { "+/-", "error", CTL_TABLE_PERCENT },
        { "MORE HITS/HOUR", "hits_per_hour", CTL_TABLE_WHOLE },
        { "READY", "ready", CTL_TABLE_TEXT },
    };
    const json_t *sizes = json_object_get(dict, "sizes");

    show_intro(ctl, dict);
    if (json_array_size(sizes) == 0) {
        fputs("nothing was asked of it yet\n", ctl->out);
        return;
    }
    ctl_table_print(ctl->out, columns, LENGTH(columns), sizes);
    if (!all_ready(sizes))
        fputs("A size is ready when as much was asked for as it can hold; before that, its numbers "
              "are too small.\n",
              ctl->out);
}

enum ctl_exit ctl_cache_advise(struct ctl *ctl)
{
    json_t *value;
    enum ctl_exit result = ctl_cache_of_dict(ctl, "/cache/advise", &value);
    const json_t *dicts = json_object_get(value, "dicts");

    for (size_t i = 0; result == CTL_OK && !ctl->json && i < json_array_size(dicts); i++) {
        if (i > 0)
            fputc('\n', ctl->out);
        show_dict(ctl, json_array_get(dicts, i));
    }
    json_decref(value);
    return result;
}
