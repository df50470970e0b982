/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: a listing of stored objects, by what they are and in an order. The dictionary is walked in
 * slices, so that nobody who calls meanwhile waits for it; what fits is kept in a heap of as many
 * rows as were asked for, with nothing of an object but its id and what it is sorted by. The
 * answer is made in slices as well, from the objects that are still there at the end.
 */
#include "master/control/api_object.h"
#include "worker/http/cache_key.h"
#include "worker/http/reuse.h"
#include "worker/http/tags.h"
#include <stdio.h>
#include <stdlib.h>

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, SLICE_BUCKETS = 512, NAME_MAX_TEXT = 256 };
enum { WANTED_MAX = 32, SLICE_OBJECTS = 32 }; /* tags; objects that are written at once */

enum order { ORDER_NONE, ORDER_HITS, ORDER_SIZE, ORDER_AGE };

struct row {
    uint64_t weight; /* the least of all is at the top of the heap */
    uint8_t id[CACHE_ID_SIZE];
};

struct listing {
    struct api_job job;
    const struct api *api;
    struct api_object_url url;
    bool has_url, details;
    enum order order;
    int status_from, status_to;
    size_t dict, limit, n, *dicts; /* dicts: of rows */
    uint64_t at;                   /* where the walk of the dictionary goes on */
    FILE *out;                     /* the answer as it grows; NULL: not begun */
    char *text;
    size_t text_n, told, written; /* told: rows that had their turn; written: that are in it */
    struct slice host, path;      /* of a prefix; or the host alone */
    char url_text[API_PARAMETER_MAX], prefix[API_PARAMETER_MAX];
    char path_text[4 * API_PARAMETER_MAX]; /* an escape takes three bytes */
    char name[NAME_MAX_TEXT], method[32], tag[API_PARAMETER_MAX], host_text[NAME_MAX_TEXT];
    struct row rows[];
};

/* --- what fits ------------------------------------------------------------------------------ */

static bool has_tag(const struct listing *l, const struct cache_hit *hit)
{
    struct slice wanted = slice_of(l->tag, strlen(l->tag)), one, tag;

    while (tags_cut(&wanted, &one)) {
        struct tags tags = tags_of(slice_of(hit->head, hit->head_n));
        for (int n = 0; n < TAGS_MAX && tags_next(&tags, &tag); n++)
            if (slice_equal(tag, one))
                return true;
    }
    return l->tag[0] == '\0';
}

static bool has_parts(const struct listing *l, const struct cache_hit *hit)
{
    struct cache_key_parts parts;

    if (l->host.n == 0 && l->path.n == 0 && l->method[0] == '\0')
        return true;
    if (!cache_key_read(hit->key, hit->key_n, &parts))
        return false;
    if (l->method[0] != '\0' && !slice_equal(parts.method, slice_of(l->method, strlen(l->method))))
        return false;
    return (l->host.n == 0 || slice_equal_nocase(parts.host, l->host)) &&
           slice_begins(parts.path, l->path);
}

static bool fits(const struct listing *l, const struct cache_hit *hit)
{
    if (hit->meta->flags & REUSE_NO_RESPONSE)
        return false; /* the cache's own: names that vary, a count of requests */
    if (hit->meta->status < l->status_from || hit->meta->status > l->status_to)
        return false;
    return has_parts(l, hit) && (!l->has_url || api_object_is_at(hit, &l->url)) && has_tag(l, hit);
}

/* --- the heap ------------------------------------------------------------------------------- */

static uint64_t weight_of(const struct listing *l, const struct cache_hit *hit)
{
    int64_t age = reuse_age(hit->meta, l->api->now);

    switch (l->order) {
    case ORDER_HITS:
        return hit->hits;
    case ORDER_SIZE:
        return hit->body_n;
    case ORDER_AGE:
        return age > 0 ? (uint64_t)age : 0;
    default:
        return 0;
    }
}

static void swap(struct listing *l, size_t a, size_t b)
{
    struct row row = l->rows[a];
    size_t dict = l->dicts[a];

    l->rows[a] = l->rows[b];
    l->dicts[a] = l->dicts[b];
    l->rows[b] = row;
    l->dicts[b] = dict;
}

static void sift_down(struct listing *l, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && l->rows[child + 1].weight < l->rows[child].weight)
            child++;
        if (l->rows[at].weight <= l->rows[child].weight)
            return;
        swap(l, at, child);
    }
}

static void sift_up(struct listing *l, size_t at)
{
    for (size_t parent; at > 0 && l->rows[at].weight < l->rows[parent = (at - 1) / 2].weight;
         at = parent)
        swap(l, at, parent);
}

static bool keep(void *arg, const uint8_t id[CACHE_ID_SIZE], const struct cache_hit *hit)
{
    struct listing *l = arg;

    if (!fits(l, hit))
        return true;
    struct row row = { .weight = weight_of(l, hit) };
    memcpy(row.id, id, CACHE_ID_SIZE);
    if (l->n < l->limit) {
        l->rows[l->n] = row;
        l->dicts[l->n] = l->dict;
        sift_up(l, l->n++);
    } else if (row.weight > l->rows[0].weight) {
        l->rows[0] = row;
        l->dicts[0] = l->dict;
        sift_down(l, 0, l->n);
    }
    return l->order != ORDER_NONE || l->n < l->limit;
}

/* The heaviest first: the top of the heap goes to the end, again and again. */
static void sort(struct listing *l)
{
    for (size_t n = l->n; n > 1; n--) {
        swap(l, 0, n - 1);
        sift_down(l, 0, n - 1);
    }
}

/* --- the work ------------------------------------------------------------------------------- */

static bool begin_answer(struct listing *l)
{
    if (l->order != ORDER_NONE)
        sort(l);
    l->out = open_memstream(&l->text, &l->text_n);
    return l->out != NULL && fputs("{\"keys\":[", l->out) >= 0;
}

/* One object, if it is still there. */
static bool write_row(struct listing *l, size_t i)
{
    struct cache *cache = l->api->caches[l->dicts[i]];
    struct cache_hit hit;

    if (!cache_find(cache, l->rows[i].id, NULL, 0, l->api->now, &hit))
        return true;
    json_t *value = api_object_json(l->api, l->dicts[i], l->rows[i].id, &hit, l->details);
    cache_unpin(cache, &hit);
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
    bool good = text != NULL && fprintf(l->out, "%s%s", l->written++ > 0 ? "," : "", text) > 0;
    free(text);
    json_decref(value);
    return good;
}

/* False: no memory. */
static bool write_some(struct listing *l)
{
    if (l->out == NULL && !begin_answer(l))
        return false;
    for (int i = 0; i < SLICE_OBJECTS && l->told < l->n; i++)
        if (!write_row(l, l->told++))
            return false;
    return true;
}

/* True: the reply is filled. */
static bool answer(struct listing *l, struct api_reply *reply)
{
    bool good = write_some(l);

    if (good && l->told < l->n)
        return false;
    good = good && fputs("]}", l->out) >= 0;
    if (l->out != NULL && fclose(l->out) != 0)
        good = false;
    l->out = NULL;
    if (!good) {
        api_reply_message(reply, 503, "No memory for a list");
        return true;
    }
    api_reply_text(reply, 200, l->text, l->text_n);
    l->text = NULL;
    return true;
}

static bool step(struct api_job *job, struct api_reply *reply)
{
    struct listing *l = (struct listing *)job;
    bool full = l->order == ORDER_NONE && l->n == l->limit;

    while (l->dict < l->api->heritage->conf->shared_dicts_n && !full) {
        if (api_dict_is(l->api, l->dict, l->name) &&
            cache_walk_some(l->api->caches[l->dict], l->api->now, &l->at, SLICE_BUCKETS, keep, l))
            return false;
        full = l->order == ORDER_NONE && l->n == l->limit;
        l->at = 0;
        l->dict++;
    }
    return answer(l, reply);
}

static void drop(struct api_job *job)
{
    struct listing *l = (struct listing *)job;

    if (l->out != NULL)
        (void)fclose(l->out);
    free(l->text);
    free(l->dicts);
    free(l);
}

/* --- what is asked -------------------------------------------------------------------------- */

static bool read_limit(const struct api_request *request, size_t *limit)
{
    char text[32], *end;

    *limit = LIMIT_DEFAULT;
    if (!api_parameter_fits(request, "limit", sizeof text))
        return false;
    if (!api_parameter(request, "limit", text, sizeof text))
        return true;
    unsigned long n = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || n == 0)
        return false;
    *limit = n < LIMIT_MAX ? n : LIMIT_MAX;
    return true;
}

/* "404", or "4xx". */
static bool read_status(const struct api_request *request, struct listing *l)
{
    char text[8];

    l->status_to = 999;
    if (!api_parameter_fits(request, "status", sizeof text))
        return false;
    if (!api_parameter(request, "status", text, sizeof text))
        return true;
    if (strlen(text) != 3 || text[0] < '1' || text[0] > '9')
        return false;
    bool class = strcmp(text + 1, "xx") == 0;
    for (int i = 1; i < 3 && !class; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    l->status_from = class ? (text[0] - '0') * 100 : atoi(text);
    l->status_to = class ? l->status_from + 99 : l->status_from;
    return true;
}

static bool read_order(const struct api_request *request, struct listing *l)
{
    static const char *const names[] = {
        [ORDER_HITS] = "hits", [ORDER_SIZE] = "size", [ORDER_AGE] = "age"
    };
    char text[16];

    if (!api_parameter_fits(request, "sort", sizeof text))
        return false;
    if (!api_parameter(request, "sort", text, sizeof text))
        return true;
    for (l->order = ORDER_HITS; l->order <= ORDER_AGE; l->order++)
        if (strcmp(text, names[l->order]) == 0)
            return true;
    return false;
}

/* One tag, or a few: each object of a slice is compared with all of them. */
static bool read_tags(const struct api_request *request, struct listing *l)
{
    struct slice rest, one;
    int n = 0;

    if (!api_parameter(request, "tag", l->tag, sizeof l->tag))
        return true;
    rest = slice_of(l->tag, strlen(l->tag));
    while (tags_cut(&rest, &one))
        n++;
    return n <= WANTED_MAX;
}

/* "[HOST]/PATH" */
static bool read_prefix(const struct api_request *request, struct listing *l)
{
    if (api_parameter(request, "host", l->host_text, sizeof l->host_text))
        l->host = slice_of(l->host_text, strlen(l->host_text));
    if (!api_parameter(request, "prefix", l->prefix, sizeof l->prefix))
        return true;
    const char *slash = strchr(l->prefix, '/');
    if (slash == NULL || strstr(l->prefix, "//") != NULL)
        return false;
    if (slash > l->prefix)
        l->host = slice_of(l->prefix, (size_t)(slash - l->prefix));
    l->path.n =
        api_object_prefix(slice_of(slash, strlen(slash)), l->path_text, sizeof l->path_text);
    l->path.p = l->path_text;
    return true;
}

/* NULL: fine. A parameter that cannot be read is not one that is not there. */
static const char *read_plain(const struct api_request *request, struct listing *l)
{
    char details[8] = "false";

    if (!api_parameter_fits(request, "dict", sizeof l->name))
        return "dict is too long";
    if (!api_parameter_fits(request, "method", sizeof l->method))
        return "method is too long";
    if (!api_parameter_fits(request, "host", sizeof l->host_text))
        return "host is too long";
    if (!api_parameter_fits(request, "tag", sizeof l->tag) ||
        !api_parameter_fits(request, "prefix", sizeof l->prefix) ||
        !api_parameter_fits(request, "url", sizeof l->url_text))
        return "tag, prefix or url is too long";
    (void)api_parameter(request, "dict", l->name, sizeof l->name);
    if (!api_parameter_fits(request, "details", sizeof details))
        return "details is true or false";
    (void)api_parameter(request, "details", details, sizeof details);
    l->details = strcmp(details, "true") == 0;
    return l->details || strcmp(details, "false") == 0 ? NULL : "details is true or false";
}

/* The same of those that say what is listed. */
static const char *read_all(const struct api_request *request, struct listing *l)
{
    const char *wrong = read_plain(request, l);

    if (wrong != NULL)
        return wrong;
    if (api_parameter(request, "method", l->method, sizeof l->method) &&
        strcmp(l->method, "HEAD") == 0)
        memcpy(l->method, "GET", sizeof "GET"); /* one object serves both */
    l->has_url = api_parameter(request, "url", l->url_text, sizeof l->url_text);
    if (l->has_url && !api_object_url(slice_of(l->url_text, strlen(l->url_text)), &l->url))
        return "url is not a URL with a host";
    if (!read_tags(request, l))
        return "tag lists more than 32 tags";
    if (!read_status(request, l))
        return "status is a number such as 404, or a class such as 4xx";
    if (!read_order(request, l))
        return "sort is hits, size or age";
    return read_prefix(request, l) ? NULL : "prefix is [HOST]/PATH, without a scheme";
}

void api_cache_ls(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    size_t limit;

    if (!read_limit(request, &limit)) {
        api_reply_message(reply, 400, "limit must be a number above 0");
        return;
    }
    struct listing *l = calloc(1, sizeof *l + limit * sizeof l->rows[0]);
    size_t *dicts = l != NULL ? calloc(limit, sizeof *dicts) : NULL;
    if (dicts == NULL) {
        free(l);
        api_reply_message(reply, 503, "No memory for a list");
        return;
    }
    l->job = (struct api_job){ step, drop };
    l->api = api;
    l->limit = limit;
    l->dicts = dicts;
    const char *wrong = read_all(request, l);
    if (wrong == NULL) {
        reply->job = &l->job;
        return;
    }
    drop(&l->job);
    api_reply_message(reply, 400, "%s", wrong);
}
