/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A URL's label is made of host, path and query as the key holds them. Two settings make keys that
 * hold less than the URL: ignore_uri_case lowers the path, so these keys have a second label, of
 * the lower case, that is purged where the path named has capitals; vary_query_params keeps some
 * pairs of the query, so those have a label of another kind, purged for each such setting that
 * there is.
 */
#include "worker/http/labels.h"
#include "conf/plugin.h"
#include "conf/plugins/plugin_proxy_cache.h"
#include "worker/http/cache_key.h"
#include "worker/http/reuse.h"
#include "worker/http/tags.h"

enum { TEXT_MAX = CACHE_KEY_MAX, PIECES = 4 };

/* FNV-1a will do for ids that the operator chose: two that meet would share purges. */
uint32_t labels_id(struct slice uuid)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < uuid.n; i++) {
        char c = uuid.p[i];
        if (c == '-')
            continue;
        hash = (hash ^ (uint8_t)(c >= 'A' && c <= 'Z' ? c | 0x20 : c)) * 16777619u;
    }
    return hash ? hash : 1;
}

/* --- texts ---------------------------------------------------------------------------------- */

static struct iovec piece(struct slice text)
{
    return (struct iovec){ (void *)(uintptr_t)text.p, text.n };
}

/* "host", "path", "?", "query": the same for both sides. */
static int url_text(struct iovec out[PIECES], struct slice host, struct slice path,
                    struct slice query)
{
    out[0] = piece(host);
    out[1] = piece(path);
    if (!query.p)
        return 2;
    out[2] = piece(SLICE("?"));
    out[3] = piece(query);
    return PIECES;
}

/* --- those that an object has --------------------------------------------------------------- */

static void see(struct purges_look *look, enum purges_kind kind, const struct iovec *text, int n)
{
    purges_see(look, purges_label(look->cache, kind, false, text, n));
}

static void see_one(struct purges_look *look, enum purges_kind kind, struct slice text)
{
    struct iovec v = piece(text);

    if (purges_wants(look, kind))
        see(look, kind, &v, 1);
}

static void see_url(struct purges_look *look, const struct cache_key_parts *parts)
{
    enum purges_kind kind = parts->query_chosen ? PURGES_CHOSEN : PURGES_URL;
    struct slice query = parts->query;
    struct iovec text[PIECES];

    if (!purges_wants(look, kind))
        return;
    if (parts->query_chosen && !query.p)
        query = SLICE(""); /* none of its pairs was chosen, or it had none */
    int n = url_text(text, parts->host, parts->path, query);
    see(look, kind, text, n);
    if (parts->case_folded)
        purges_see(look, purges_label(look->cache, kind, true, text, n));
}

static void see_prefixes(struct purges_look *look, const struct cache_key_parts *parts)
{
    struct iovec text[PIECES];
    int n = url_text(text, parts->host, parts->path, parts->query);

    if (purges_wants(look, PURGES_PREFIX))
        purges_see_prefixes(look, PURGES_PREFIX, parts->case_folded, text, n);
    if (purges_wants(look, PURGES_PATH))
        purges_see_prefixes(look, PURGES_PATH, parts->case_folded, text + 1, n - 1);
}

/* A variant goes with the key of its URL, which is what clients are told. */
static void see_base(struct purges_look *look, const struct cache_hit *hit)
{
    char key[CACHE_KEY_MAX];
    uint8_t id[CACHE_ID_SIZE];
    size_t n = cache_key_base(slice_of(hit->key, hit->key_n), key);

    cache_id(look->cache, key, n, id);
    see_one(look, PURGES_KEY, slice_of((const char *)id, sizeof id));
}

static void see_tags(struct purges_look *look, const struct cache_hit *hit)
{
    struct tags tags = tags_of(slice_of(hit->head, hit->head_n));
    struct slice tag;

    for (int n = 0; n < TAGS_MAX; n++) {
        if (!tags_next(&tags, &tag))
            return;
        see_one(look, PURGES_TAG, tag);
    }
    purges_see_any(look, PURGES_TAG); /* too many to look at: with any */
}

void labels_see(struct purges_look *look, const struct cache_hit *hit)
{
    struct cache_key_parts parts;
    uint32_t service = hit->meta->service;

    if ((hit->meta->flags & REUSE_TAGGED) && purges_wants(look, PURGES_TAG))
        see_tags(look, hit);
    see_one(look, PURGES_SERVICE, slice_of((const char *)&service, sizeof service));
    if (!cache_key_read(hit->key, hit->key_n, &parts))
        return;
    if (parts.variant.p && purges_wants(look, PURGES_KEY))
        see_base(look, hit);
    see_url(look, &parts);
    see_prefixes(look, &parts);
    see_one(look, PURGES_HOST, parts.host);
    see_one(look, PURGES_ROUTE, parts.route_id);
}

/* --- those that are purged ------------------------------------------------------------------ */

static bool same_texts(const struct conf_texts *a, const struct conf_texts *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!slice_equal(slice_of(a->v[i].s, a->v[i].n), slice_of(b->v[i].s, b->v[i].n)))
            return false;
    return true;
}

static void add_query(struct labels_queries *out, const struct conf_texts *names)
{
    for (size_t i = 0; i < out->n; i++)
        if (same_texts(out->v[i], names))
            return;
    if (names->n == 0)
        return;
    if (out->n < LABELS_QUERIES_MAX)
        out->v[out->n++] = names;
    else
        out->more = true;
}

void labels_queries(const struct conf *conf, struct labels_queries *out)
{
    *out = (struct labels_queries){ 0 };
    for (size_t i = 0; i < conf->plugins_n; i++) {
        const struct conf_plugin *plugin = &conf->plugins[i];
        const struct conf_proxy_cache *cache = plugin->config;
        if (plugin->kind == CONF_PLUGIN_PROXY_CACHE && cache)
            add_query(out, &cache->vary_query_params);
    }
}

static void add(struct labels *out, struct purges_label label)
{
    out->v[out->n++] = label;
}

static void add_one(const struct cache *cache, enum purges_kind kind, struct slice text,
                    struct labels *out)
{
    struct iovec v = piece(text);

    add(out, purges_label(cache, kind, false, &v, 1));
}

/* The text in lower case; false: it is already. */
static bool lower(struct slice text, char *out)
{
    bool changed = false;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        changed |= out[i] != c;
    }
    return changed;
}

/* With the path as it is, or as keys without case have it. */
static void add_url(const struct cache *cache, const struct labels_queries *queries,
                    const struct slice url[3], bool folded, struct labels *out)
{
    char chosen[TEXT_MAX];
    struct iovec text[PIECES];

    add(out, purges_label(cache, PURGES_URL, folded, text, url_text(text, url[0], url[1], url[2])));
    for (size_t i = 0; i < queries->n; i++) {
        ptrdiff_t n = url[2].n ? cache_key_query(url[2], queries->v[i], chosen, sizeof chosen) : 0;
        struct slice query = slice_of(chosen, n > 0 ? (size_t)n : 0);
        add(out, purges_label(cache, PURGES_CHOSEN, folded, text,
                              url_text(text, url[0], url[1], query)));
    }
    if (queries->more) /* all that begins so */
        add(out, purges_label(cache, PURGES_PREFIX, folded, text,
                              url_text(text, url[0], url[1], slice_of(NULL, 0))));
}

void labels_url(const struct cache *cache, const struct labels_queries *queries, struct slice host,
                struct slice path, struct slice query, struct labels *out)
{
    const struct slice url[3] = { host, path, query };
    char text[TEXT_MAX];

    out->n = 0;
    add_url(cache, queries, url, false, out);
    if (path.n > TEXT_MAX) /* no key is that long */
        return;
    const struct slice folded[3] = { host, slice_of(text, path.n), query };
    if (lower(path, text))
        add_url(cache, queries, folded, true, out);
}

void labels_key(const struct cache *cache, const uint8_t id[CACHE_ID_SIZE], struct labels *out)
{
    out->n = 0;
    add_one(cache, PURGES_KEY, slice_of((const char *)id, CACHE_ID_SIZE), out);
}

bool labels_tags(const struct cache *cache, struct slice list, struct labels *out)
{
    struct slice tag;

    out->n = 0;
    while (tags_cut(&list, &tag)) {
        if (out->n == LABELS_MAX)
            return false;
        add_one(cache, PURGES_TAG, tag, out);
    }
    return out->n > 0;
}

bool labels_prefix(const struct cache *cache, struct slice prefix, struct labels *out)
{
    const char *slash = prefix.n ? memchr(prefix.p, '/', prefix.n) : NULL;
    char text[PURGES_PREFIX_MAX];

    out->n = 0;
    if (!slash)
        return false;
    if (prefix.n > sizeof text)
        prefix.n = sizeof text; /* as purges_label() would */
    enum purges_kind kind = slash == prefix.p ? PURGES_PATH : PURGES_PREFIX;
    size_t host_n = (size_t)(slash - prefix.p);
    if (host_n > prefix.n)
        host_n = prefix.n;
    (void)lower(slice_of(prefix.p, host_n), text);
    memcpy(text + host_n, prefix.p + host_n, prefix.n - host_n);
    struct iovec v = { text, prefix.n };
    add(out, purges_label(cache, kind, false, &v, 1));
    const char *question = memchr(text, '?', prefix.n); /* a query keeps its case */
    if (lower(slice_of(text, question ? (size_t)(question - text) : prefix.n), text))
        add(out, purges_label(cache, kind, true, &v, 1));
    return true;
}

void labels_host(const struct cache *cache, struct slice host, struct labels *out)
{
    out->n = 0;
    add_one(cache, PURGES_HOST, host, out);
}

void labels_route(const struct cache *cache, struct slice id, struct labels *out)
{
    out->n = 0;
    add_one(cache, PURGES_ROUTE, id, out);
}

void labels_service(const struct cache *cache, struct slice id, struct labels *out)
{
    uint32_t service = labels_id(id);

    out->n = 0;
    add_one(cache, PURGES_SERVICE, slice_of((const char *)&service, sizeof service), out);
}

void labels_all(struct labels *out)
{
    *out = (struct labels){ .v = { { .kind = PURGES_ALL } }, .n = 1 };
}
