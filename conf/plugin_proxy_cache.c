/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of proxy-cache, as Kong has them. Lists are brought to one form here (lower case,
 * sorted), so that a worker compares bytes: the cache key depends on them.
 */
#include "conf/plugin_proxy_cache.h"
#include "conf/load.h"
#include "conf/mime.h"
#include "conf/value.h"
#include <stdlib.h>
#include <string.h>

enum { STRATEGY_MEMORY };

struct proxy_cache_source {
    struct conf_proxy_cache as; /* the first member: what others see */
    int strategy;
    struct conf_texts content_type;
};

#define CONFIG struct proxy_cache_source
static const struct fields_name strategies[] = { { "memory", STRATEGY_MEMORY }, { 0 } };

static bool is_content_type(const char *s, size_t n, char *why, size_t size)
{
    if (mime_is_valid(s, n))
        return true;
    snprintf(why, size,
             "is not a media type like \"text/html\" or \"application/json; charset=utf-8\"");
    return false;
}

static bool is_cacheable_method(const char *s, size_t n, char *why, size_t size)
{
    static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH" };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strlen(methods[i]) == n && memcmp(methods[i], s, n) == 0)
            return true;
    snprintf(why, size, "is not one of: GET, HEAD, POST, PUT, PATCH");
    return false;
}

/* Offsets of groups inside the config: their tables read a part of it. */
struct proxy_cache_memory {
    struct conf_text dictionary_name;
};
struct proxy_cache_headers {
    bool age, status, key;
};
_Static_assert(offsetof(struct conf_proxy_cache, header_key) -
                       offsetof(struct conf_proxy_cache, header_age) ==
                   2,
               "the three switches lie side by side");

static const struct fields_row memory_rows[] = {
    { FIELDS_ROW_TEXT(struct proxy_cache_memory, dictionary_name, "dictionary_name"),
      .preset = "\"gateway_cache\"", .flags = FIELDS_FILLED,
      .doc = "The shared dictionary that holds what is cached." },
};
static const struct fields_table memory_table = { .title = "proxy-cache.memory",
                                                  .doc = "Where it is kept.",
                                                  FIELDS_TABLE(memory_rows),
                                                  .size = sizeof(struct proxy_cache_memory),
                                                  .at = SIZE_MAX };
static const struct fields_row header_rows[] = {
    { FIELDS_ROW_BOOL(struct proxy_cache_headers, age, "age"), .preset = "true", .doc = "Age." },
    { FIELDS_ROW_BOOL(struct proxy_cache_headers, status, "X-Cache-Status"), .preset = "true",
      .doc = "Hit, Miss, Refresh or Bypass." },
    { FIELDS_ROW_BOOL(struct proxy_cache_headers, key, "X-Cache-Key"), .preset = "true",
      .doc = "The id of the object, as gatewayctl takes it." },
};
static const struct fields_table headers_table = { .title = "proxy-cache.response_headers",
                                                   .doc = "Which fields responses get.",
                                                   FIELDS_TABLE(header_rows),
                                                   .size = sizeof(struct proxy_cache_headers),
                                                   .at = SIZE_MAX };

static const struct fields_row rows[] = {
    { FIELDS_ROW_ENUM(CONFIG, strategy, "strategy"), .preset = "\"memory\"", .names = strategies,
      .doc = "Where the cache is: in shared memory." },
    { FIELDS_ROW_GROUP(CONFIG, as.dictionary_name, "memory", memory_table),
      .doc = "Settings of that strategy." },
    { FIELDS_ROW_INTS(CONFIG, as.response_code, "response_code"), .preset = "[ 200, 301, 404 ]",
      .flags = FIELDS_FILLED, .min = 100, .max = 900, .doc = "Statuses that are cached." },
    { FIELDS_ROW_TEXTS(CONFIG, as.request_method, "request_method"),
      .preset = "[ \"GET\", \"HEAD\" ]", .flags = FIELDS_FILLED | FIELDS_SET,
      .check = is_cacheable_method, .doc = "Methods that are served from it." },
    { FIELDS_ROW_TEXTS(CONFIG, content_type, "content_type"),
      .preset = "[ \"text/plain\", \"application/json\" ]", .flags = FIELDS_FILLED | FIELDS_SET,
      .check = is_content_type,
      .doc = "Media types that are cached, compared with their parameters; \"*\" stands for any "
             "type or subtype." },
    { FIELDS_ROW_TEXTS(CONFIG, as.vary_headers, "vary_headers"), .preset = "[ ]",
      .flags = FIELDS_LOWER | FIELDS_SET, .check = value_is_token,
      .doc = "Request header fields that are a part of the key." },
    { FIELDS_ROW_TEXTS(CONFIG, as.vary_query_params, "vary_query_params"), .preset = "[ ]",
      .flags = FIELDS_SET, .check = value_is_printable,
      .doc = "Query parameters that are a part of the key; none listed: all are." },
    { FIELDS_ROW_INT(CONFIG, as.cache_ttl, "cache_ttl"), .preset = "300", .min = 1,
      .max = INT32_MAX, .doc = "Seconds that an object is fresh." },
    { FIELDS_ROW_BOOL(CONFIG, as.cache_control, "cache_control"), .preset = "false",
      .doc = "Whether Cache-Control of requests and responses is obeyed." },
    { FIELDS_ROW_INT(CONFIG, as.storage_ttl, "storage_ttl"), .preset = "0", .max = INT32_MAX,
      .doc =
          "Seconds that an object is kept, whatever its freshness; 0 is as long as it is fresh." },
    { FIELDS_ROW_BOOL(CONFIG, as.ignore_uri_case, "ignore_uri_case"), .preset = "false",
      .doc = "Whether paths that differ in case are the same." },
    { FIELDS_ROW_BOOL(CONFIG, as.store_set_cookie, "store_set_cookie"), .preset = "false",
      .doc = "Whether responses with Set-Cookie are cached, and their cookies shared." },
    { FIELDS_ROW_GROUP(CONFIG, as.header_age, "response_headers", headers_table),
      .doc = "Which fields responses get." },
};
static const struct fields_table table = {
    .title = "proxy-cache",
    .doc = "Answers from a cache in shared memory that all workers use.",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};

static int by_text(const void *a, const void *b)
{
    const struct conf_text *x = a, *y = b;
    return strcmp(x->s, y->s);
}

static void sort(struct load *load, struct conf_texts *texts)
{
    struct conf_text *copy = memory_array(&load->memory, texts->n, sizeof *copy);
    if (texts->n == 0)
        return;
    memcpy(copy, texts->v, texts->n * sizeof *copy);
    qsort(copy, texts->n, sizeof *copy, by_text);
    texts->v = copy;
}

/* The index of the dictionary named, or an error with the nearest name. */
static void find_dict(struct load *load, const struct source_plugin *p,
                      struct conf_proxy_cache *config)
{
    const struct conf_dict *dicts = load->conf->shared_dicts;
    const char **names = memory_array(&load->scratch, load->conf->shared_dicts_n, sizeof *names);
    for (uint32_t i = 0; i < load->conf->shared_dicts_n; i++) {
        names[i] = dicts[i].name.s;
        if (strcmp(names[i], config->dictionary_name.s) != 0)
            continue;
        config->dict = i;
        return;
    }
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    const config_setting_t *memory = at ? config_setting_get_member(at, "memory") : NULL;
    const char *nearest =
        report_nearest(config->dictionary_name.s, names, load->conf->shared_dicts_n);
    const char *quoted =
        report_quote(&load->report, config->dictionary_name.s, config->dictionary_name.n);
    const config_setting_t *place = memory ? memory : at ? at : p->at;
    report_key(&load->report, place, "dictionary_name", "%s is not declared in shared_dicts%s%s%s",
               quoted, nearest ? "; the nearest name is \"" : "", nearest ? nearest : "",
               nearest ? "\"" : "");
}

static void finish(struct load *load, struct source_plugin *p)
{
    struct proxy_cache_source *config = p->config;
    struct conf_mime *types = memory_array(&load->memory, config->content_type.n, sizeof *types);
    for (size_t i = 0; i < config->content_type.n; i++)
        mime_parse(&load->memory, config->content_type.v[i], &types[i]);
    config->as.content_type = types;
    config->as.content_type_n = config->content_type.n;
    sort(load, &config->as.vary_headers);
    sort(load, &config->as.vary_query_params);
    find_dict(load, p, &config->as);
}

const struct load_kind plugin_proxy_cache_kind = { &table, false, finish };
