/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes is the URL, as a purge of its label: whatever route or consumer, key or variant it was
 * stored for, and what is being asked for at this moment. Other hosts are left alone: nobody may
 * invalidate what is not his.
 */
#include "worker/caching/invalidating.h"

#include "worker/http/head.h"
#include "worker/http/labels.h"

enum { SWEEP_BUCKETS = 64 };

static bool is_safe(const struct stream *s)
{
    return s->head.method == METHOD_GET || s->head.method == METHOD_HEAD ||
           s->head.method == METHOD_OPTIONS || s->head.method == METHOD_TRACE;
}

static void drop(struct stream *s, const struct uri *target)
{
    const struct worker *w = s->w;
    struct labels labels;

    for (size_t i = 0; i < w->conf->shared_dicts_n; i++) {
        struct cache *cache = w->dicts[i];
        if (!cache)
            continue;
        labels_url(cache, &w->queries, s->request.host, target->path, target->query, &labels);
        uint64_t number = purges_mark(cache, labels.v, labels.n, PURGES_HARD);
        cache_sweep_pace(cache, w->loop.now.real_s, SWEEP_BUCKETS);
        /* its own response came after what it did: where that may be stored, it is not too old */
        if (cache == s->cache && s->born + 1 == number)
            s->born = number;
    }
}

/* "//host[:port]/path" or "scheme://host/path": the path when the host is the request's. */
static bool same_host(const struct stream *s, struct slice *reference)
{
    const char *end = reference->p + reference->n;
    const char *p = memmem(reference->p, reference->n, "//", 2);
    const char *slash = p ? memchr(p + 2, '/', (size_t)(end - p - 2)) : NULL;

    if (!p || !slash)
        return false;
    struct slice host = slice_of(p + 2, (size_t)(slash - p - 2));
    *reference = slice_of(slash, (size_t)(end - slash));
    return slice_equal_nocase(host, s->head.host) || slice_equal_nocase(host, s->request.host);
}

/* "other" beside the request's path, "?query" behind it. */
static struct slice relative(struct stream *s, struct slice reference)
{
    struct slice base = s->request.uri.path;

    while (*reference.p != '?' && base.n && base.p[base.n - 1] != '/')
        base.n--;
    return arena_print(&s->arena, "%.*s%.*s", (int)base.n, base.p, (int)reference.n, reference.p);
}

static void drop_reference(struct stream *s, struct slice reference)
{
    struct uri uri;
    const char *hash = reference.n ? memchr(reference.p, '#', reference.n) : NULL;

    if (hash)
        reference.n = (size_t)(hash - reference.p);
    if (reference.n == 0)
        return;
    bool rooted = *reference.p == '/' && !(reference.n > 1 && reference.p[1] == '/');
    if (!rooted && memmem(reference.p, reference.n, "//", 2)) {
        if (!same_host(s, &reference))
            return;
    } else if (!rooted) {
        reference = relative(s, reference);
    }
    size_t room = 3 * reference.n + 1;
    char *path = arena_take(&s->arena, room);
    if (path && uri_parse(reference, path, room, &uri))
        drop(s, &uri);
}

/* Whether anything of the service may be stored, by rules that have it go: the method that changes
 * a resource may have a route without a cache. */
static bool is_concerned(const struct stream *s)
{
    return s->service && s->w->services[s->service->index].obeyed;
}

void invalidating_after(struct stream *s, const struct head *response)
{
    if (is_safe(s) || !is_concerned(s) || response->status < 200 || response->status >= 400)
        return;
    drop(s, &s->request.uri);
    drop_reference(s, field_value(head_field(response, FIELD_LOCATION)));
    drop_reference(s, field_value(head_field(response, FIELD_CONTENT_LOCATION)));
}
