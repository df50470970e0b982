/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of concurrency-limiting, named as those of rate-limiting where they mean the same. */
#include "conf/plugins/plugin_concurrency_limiting.h"
#include "conf/limit_rows.h"

#define CONFIG struct conf_concurrency_limiting
static const struct fields_row rows[] = {
    { FIELDS_ROW_INT(CONFIG, limit, "limit"), .flags = FIELDS_REQUIRED, .min = 1, .max = INT32_MAX,
      .doc = "How many requests may be under way at once, over all workers: from the head until "
             "the end of the answer is sent, the connection is lost, or a tunnel ends." },
    LIMIT_BY_ROWS(CONFIG),
    { FIELDS_ROW_INT(CONFIG, retry_after, "retry_after"), .preset = "1", .max = INT32_MAX,
      .doc = "Seconds that a refusal's Retry-After says; 0 leaves it out." },
    { FIELDS_ROW_INT(CONFIG, error_code, "error_code"), .preset = "429", .min = 400, .max = 599,
      .doc = "The status of a refusal." },
    { FIELDS_ROW_TEXT(CONFIG, error_message, "error_message"),
      .preset = "\"Too many concurrent requests\"", .flags = FIELDS_FILLED,
      .check = value_is_printable, .doc = "Its message." },
};
static const struct fields_table table = {
    .title = "concurrency-limiting",
    .doc = "Bounds how many requests of somebody are under way at once. The count is exact over "
           "all workers and over a reload; what a worker had under way that died is given back.",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};

static void finish(struct load *load, struct source_plugin *p)
{
    struct conf_concurrency_limiting *c = p->config;
    limit_by_check(load, p, &c->counted);
    c->scope = plugin_scope(&p->as);
}

const struct load_kind plugin_concurrency_limiting_kind = { &table, false, finish };
