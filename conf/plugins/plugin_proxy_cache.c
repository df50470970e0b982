/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of proxy-cache, as Kong has them. Lists are brought to one form here (lower case,
 * sorted), so that a worker compares bytes: the cache key depends on them.
 */
#include "conf/plugins/plugin_proxy_cache.h"
#include "conf/load.h"
#include "conf/mime.h"
#include "conf/value.h"
#include <stdlib.h>
#include <string.h>

enum { STRATEGY_MEMORY };

struct proxy_cache_source {
    struct conf_proxy_cache as; /* the first member: what others see */
    int strategy;
    struct conf_texts content_type, status_ttl;
};

#define CONFIG struct proxy_cache_source
static const struct fields_name strategies[] = { { "memory", STRATEGY_MEMORY }, { 0 } };
static const struct fields_name failures[] = { { "error", CONF_STALE_ERROR },
                                               { "timeout", CONF_STALE_TIMEOUT },
                                               { "updating", CONF_STALE_UPDATING },
                                               { "http_500", CONF_STALE_500 },
                                               { "http_502", CONF_STALE_502 },
                                               { "http_503", CONF_STALE_503 },
                                               { "http_504", CONF_STALE_504 },
                                               { "http_403", CONF_STALE_403 },
                                               { "http_404", CONF_STALE_404 },
                                               { "http_429", CONF_STALE_429 },
                                               { 0 } };

/* "404=10", "5xx=1". False: neither. */
static bool read_status_ttl(const char *s, struct conf_status_ttl *out)
{
    char *end;
    long ttl, status = 0;

    if (s[0] < '1' || s[0] > '9' || strlen(s) < 5 || s[3] != '=')
        return false;
    if (s[1] == 'x' && s[2] == 'x')
        *out = (struct conf_status_ttl){ .first = (s[0] - '0') * 100,
                                         .last = (s[0] - '0') * 100 + 99 };
    else if ((status = strtol(s, &end, 10)) < 100 || end != s + 3)
        return false;
    else
        *out = (struct conf_status_ttl){ .first = (int)status, .last = (int)status };
    if (s[4] < '0' || s[4] > '9')
        return false;
    ttl = strtol(s + 4, &end, 10);
    out->ttl = (int)ttl;
    return *end == '\0' && ttl <= INT32_MAX;
}

static bool is_status_ttl(const char *s, size_t n, char *why, size_t size)
{
    struct conf_status_ttl ttl;

    (void)n;
    if (read_status_ttl(s, &ttl))
        return true;
    snprintf(why, size, "is not a status and seconds like \"404=10\" or \"5xx=1\"");
    return false;
}

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
    bool age, status, key, cache_status;
};
_Static_assert(offsetof(struct conf_proxy_cache, header_cache_status) -
                       offsetof(struct conf_proxy_cache, header_age) ==
                   3,
               "the switches lie side by side");

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
      .doc = "Hit, Miss, Refresh, Revalidated, Stale, Updating or Bypass." },
    { FIELDS_ROW_BOOL(struct proxy_cache_headers, key, "X-Cache-Key"), .preset = "true",
      .doc = "The id of the object, as gatewayctl takes it." },
    { FIELDS_ROW_BOOL(struct proxy_cache_headers, cache_status, "Cache-Status"), .preset = "true",
      .doc = "What the cache did and why (RFC 9211)." },
};
static const struct fields_table headers_table = { .title = "proxy-cache.response_headers",
                                                   .doc = "Which fields responses get.",
                                                   FIELDS_TABLE(header_rows),
                                                   .size = sizeof(struct proxy_cache_headers),
                                                   .at = SIZE_MAX };

static const struct fields_row condition_rows[] = {
    { FIELDS_ROW_TEXTS(struct conf_cache_condition, headers, "headers"), .preset = "[ ]",
      .flags = FIELDS_SET, .check = value_is_printable,
      .doc = "Request header fields: \"Name\", when it is there, or \"Name=value\"." },
    { FIELDS_ROW_TEXTS(struct conf_cache_condition, query, "query"), .preset = "[ ]",
      .flags = FIELDS_SET, .check = value_is_printable,
      .doc = "Query parameters: \"name\", when it is there, or \"name=value\"." },
};
static const struct fields_table bypass_table = { .title = "proxy-cache.bypass",
                                                  .doc = "Requests that the cache does not see.",
                                                  FIELDS_TABLE(condition_rows),
                                                  .size = sizeof(struct conf_cache_condition),
                                                  .at = SIZE_MAX };
static const struct fields_table no_store_table = {
    .title = "proxy-cache.no_store",
    .doc = "Requests whose responses are not stored; what is stored may answer them.",
    FIELDS_TABLE(condition_rows),
    .size = sizeof(struct conf_cache_condition),
    .at = SIZE_MAX
};

static const struct fields_row rows[] = {
    { FIELDS_ROW_ENUM(CONFIG, strategy, "strategy"), .preset = "\"memory\"", .names = strategies,
      .doc = "Where the cache is: in shared memory." },
    { FIELDS_ROW_GROUP(CONFIG, as.dictionary_name, "memory", memory_table),
      .doc = "Settings of that strategy." },
    { FIELDS_ROW_INTS(CONFIG, as.response_code, "response_code"), .preset = "[ 200, 301, 404 ]",
      .min = 100, .max = 999, .doc = "Statuses that are cached; none listed: any." },
    { FIELDS_ROW_TEXTS(CONFIG, as.request_method, "request_method"),
      .preset = "[ \"GET\", \"HEAD\" ]", .flags = FIELDS_FILLED | FIELDS_SET,
      .check = is_cacheable_method,
      .doc = "Methods that are served from it. Bodies of requests are no part of the key: what "
             "answers one POST answers all to that URL." },
    { FIELDS_ROW_TEXTS(CONFIG, content_type, "content_type"),
      .preset = "[ \"text/plain\", \"application/json\" ]", .flags = FIELDS_SET,
      .check = is_content_type,
      .doc = "Media types that are cached, compared with their parameters; \"*\" stands for any "
             "type or subtype; none listed: all." },
    { FIELDS_ROW_TEXTS(CONFIG, as.vary_headers, "vary_headers"), .preset = "[ ]",
      .flags = FIELDS_LOWER | FIELDS_SET, .check = value_is_token,
      .doc = "Request header fields that are a part of the key." },
    { FIELDS_ROW_TEXTS(CONFIG, as.vary_query_params, "vary_query_params"), .preset = "[ ]",
      .flags = FIELDS_SET, .check = value_is_printable,
      .doc = "Query parameters that are a part of the key; none listed: all are." },
    { FIELDS_ROW_INT(CONFIG, as.cache_ttl, "cache_ttl"), .preset = "300", .max = INT32_MAX,
      .doc = "Seconds that an object is fresh; with cache_control, one whose response does not say "
             "(0: a tenth of the time since Last-Modified)." },
    { FIELDS_ROW_TEXTS(CONFIG, status_ttl, "cache_ttl_by_status"), .preset = "[ ]",
      .flags = FIELDS_SET, .check = is_status_ttl,
      .doc = "The same for single statuses, \"404=10\" or \"5xx=1\"; the first that fits counts." },
    { FIELDS_ROW_BOOL(CONFIG, as.cache_control, "cache_control"), .preset = "false",
      .doc =
          "Whether Cache-Control of requests and responses is obeyed, with the rest of RFC 9111: "
          "validation, Vary, responses to Authorization that may be shared, and what is stored for "
          "a URL goes when a method that may change it succeeds, on any route of the service." },
    { FIELDS_ROW_INT(CONFIG, as.storage_ttl, "storage_ttl"), .preset = "0", .max = INT32_MAX,
      .doc =
          "Seconds that an object is kept, whatever its freshness; 0 is as long as it is fresh, "
          "and with cache_control as long again, at least an hour, for revalidation and outages." },
    { FIELDS_ROW_FLAGS(CONFIG, as.serve_stale, "serve_stale"),
      .preset = "[ \"error\", \"timeout\" ]", .names = failures,
      .doc = "When an object that is kept may be used although it is stale, unless its response "
             "forbids that; stale-if-error and stale-while-revalidate count besides." },
    { FIELDS_ROW_INT(CONFIG, as.min_uses, "min_uses"), .preset = "1", .min = 1, .max = 1000000,
      .doc = "An object is stored when it is asked for that often." },
    { FIELDS_ROW_INT(CONFIG, as.lock_timeout, "lock_timeout"), .preset = "5000", .max = 3600000,
      .doc = "Milliseconds that a request waits while another fetches the same object; 0 is not at "
             "all." },
    { FIELDS_ROW_SIZE(CONFIG, as.max_object_size, "max_object_size"), .preset = "\"0\"",
      .max = (int64_t)1 << 46,
      .doc = "Larger bodies are not stored; 0 is no limit but the dictionary's. With a limit, who "
             "waits for a body of unknown length gets it when it is whole." },
    { FIELDS_ROW_BOOL(CONFIG, as.fill_ranges, "fill_ranges"), .preset = "true",
      .doc =
          "Whether a request for a part (Range) of what is not cached fetches the whole into the "
          "cache; the part is sent as soon as it is there. What turns out not to be for the "
          "cache is asked for again, with the range." },
    { FIELDS_ROW_GROUP(CONFIG, as.bypass, "bypass", bypass_table),
      .doc = "Requests that the cache does not see." },
    { FIELDS_ROW_GROUP(CONFIG, as.no_store, "no_store", no_store_table),
      .doc = "Requests whose responses are not stored." },
    { FIELDS_ROW_BOOL(CONFIG, as.ignore_uri_case, "ignore_uri_case"), .preset = "false",
      .doc = "Whether paths that differ in case are the same; queries are not." },
    { FIELDS_ROW_BOOL(CONFIG, as.store_set_cookie, "store_set_cookie"), .preset = "false",
      .doc = "Whether responses with Set-Cookie are cached, and their cookies shared." },
    { FIELDS_ROW_BOOL(CONFIG, as.strip_cache_tags, "strip_cache_tags"), .preset = "false",
      .doc = "Whether Cache-Tag and Surrogate-Key, by whose tags objects can be purged, are kept "
             "from clients." },
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
    struct conf_status_ttl *ttls = memory_array(&load->memory, config->status_ttl.n, sizeof *ttls);
    for (size_t i = 0; i < config->status_ttl.n; i++)
        (void)read_status_ttl(config->status_ttl.v[i].s, &ttls[i]);
    config->as.status_ttl = ttls;
    config->as.status_ttl_n = config->status_ttl.n;
    sort(load, &config->as.vary_headers);
    sort(load, &config->as.vary_query_params);
    find_dict(load, p, &config->as);
}

const struct load_kind plugin_proxy_cache_kind = { &table, false, finish };
