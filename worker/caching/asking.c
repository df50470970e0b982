/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and variants. Where responses to a URL vary, the object under its key is none of them but
 * names the fields that select one, and holds a number, made anew each time, that is a part of the
 * variants' keys: who removes that object removes all variants at once, whatever happens later.
 */
#include "worker/caching/asking.h"

#include "shm/assert.h"
#include "worker/http/build.h"
#include "worker/http/cache_key.h"
#include "worker/http/field.h"
#include "worker/http/labels.h"
#include "worker/http/lines.h"
#include "worker/http/reuse.h"
#include "worker/http/tags.h"
#include "worker/http/vary.h"
#include <stdio.h>

enum { SNAPSHOT_MAX = 8192, SALT = 8, KEEP_NAMES = 86400 };

/* --- the key -------------------------------------------------------------------------------- */

static struct slice folded(struct stream *s, struct slice text)
{
    struct slice copy = arena_copy(&s->arena, text);

    for (size_t i = 0; copy.p && i < copy.n; i++) {
        char *c = (char *)(uintptr_t)&copy.p[i];
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    }
    return copy.p ? copy : text;
}

/* The next line with that name that is forwarded, after `f` or, NULL, from the first on. */
static const struct field *next_line(const struct stream *s, const struct field *f,
                                     struct slice name)
{
    f = f ? head_next(&s->head, f) : head_find(&s->head, name);
    while (f && f->drop)
        f = head_next(&s->head, f);
    return f;
}

bool asking_value(struct stream *s, struct slice name, struct slice *value)
{
    for (const struct extra_field *e = s->request.extra; e; e = e->next)
        if (slice_equal_nocase(e->name, name)) {
            *value = e->value;
            return true;
        }
    const struct field *f = next_line(s, NULL, name);
    *value = field_value(f);
    while (f && (f = next_line(s, f, name))) {
        *value = arena_print(&s->arena, "%.*s, %.*s", (int)value->n, value->p, (int)f->value_n,
                             f->value);
        if (!value->p)
            return false;
    }
    return true;
}

static bool add_part(struct stream *s, struct cache_key_parts *parts, const char *what,
                     struct slice value)
{
    struct slice part = arena_print(&s->arena, "%s %.*s", what, (int)value.n, value.p);

    if (!part.p || parts->vary_n == CACHE_KEY_VARY_MAX)
        return false;
    parts->vary[parts->vary_n++] = part;
    return true;
}

/* Who asks, beside the consumer: what the upstream was told of him, and, of one who is no consumer,
 * what he is known by. False: nothing tells him from others. */
static bool add_credential(struct stream *s, struct cache_key_parts *parts)
{
    struct slice credential = s->request.credential;

    if (s->starved) /* something may be missing */
        return false;
    if (s->apart.p && !add_part(s, parts, "apart", s->apart))
        return false;
    if (s->anonymous && !add_part(s, parts, "anonymous", SLICE("true")))
        return false;
    if (!s->authenticated || s->consumer)
        return true;
    return credential.n > 0 && add_part(s, parts, "credential", credential);
}

/* What else the upstream is told of the URL that the client asked for, and may write into its
 * answer: the scheme, the port where Host is passed on, and what a trusted proxy says of them. The
 * usual values add nothing. */
static bool add_context(struct stream *s, struct cache_key_parts *parts)
{
    static const enum field_id told[] = { FIELD_X_FORWARDED_PROTO, FIELD_X_FORWARDED_HOST,
                                          FIELD_X_FORWARDED_PORT, FIELD_X_FORWARDED_PREFIX };
    char port[12];

    if (s->request.chosen.p && !add_part(s, parts, "chosen", s->request.chosen))
        return false;
    if (!add_credential(s, parts))
        return false;
    if (s->request.secure && !add_part(s, parts, "scheme", SLICE("https")))
        return false;
    if (s->route->preserve_host && s->head.host_port) {
        int n = snprintf(port, sizeof port, "%d", s->head.host_port);
        if (!add_part(s, parts, "port", slice_of(port, (size_t)n)))
            return false;
    }
    for (size_t i = 0; s->request.trusted && i < sizeof told / sizeof *told; i++) {
        struct slice value = field_value(head_field(&s->head, told[i]));
        if (value.n && !add_part(s, parts, field_name(told[i]).p, value))
            return false;
    }
    return true;
}

static bool vary_parts(struct stream *s, const struct conf_proxy_cache *conf,
                       struct cache_key_parts *parts)
{
    for (size_t i = 0; i < conf->vary_headers.n; i++) {
        struct slice name = slice_of(conf->vary_headers.v[i].s, conf->vary_headers.v[i].n);
        if (parts->vary_n == CACHE_KEY_VARY_MAX ||
            !asking_value(s, name, &parts->vary[parts->vary_n++]))
            return false;
    }
    if (conf->vary_query_params.n && parts->query.n) {
        char *chosen = arena_take(&s->arena, parts->query.n);
        ptrdiff_t n =
            chosen ? cache_key_query(parts->query, &conf->vary_query_params, chosen, parts->query.n)
                   : -1;
        if (n >= 0) /* none of them is as if there were no query */
            parts->query = slice_of(n > 0 ? chosen : NULL, (size_t)n);
    }
    parts->query_chosen = conf->vary_query_params.n > 0;
    return true;
}

/* The key's text goes to the arena: the fill needs it later. */
bool asking_key(struct stream *s, struct slice method)
{
    const struct conf_proxy_cache *conf = s->cache_config;
    const struct uri *uri = &s->request.uri;
    struct cache_key_parts parts = {
        .route_id = slice_of(s->route->id.s, s->route->id.n),
        .method = method,
        .host = s->request.host,
        .path = uri->path,
        .query = uri->query,
    };

    if (s->consumer)
        parts.consumer_id = slice_of(s->consumer->id.s, s->consumer->id.n);
    if (conf->ignore_uri_case) {
        parts.path = folded(s, parts.path);
        parts.case_folded = true;
    }
    if (!vary_parts(s, conf, &parts) || !add_context(s, &parts))
        return false;
    size_t room = 256 + parts.route_id.n + parts.consumer_id.n + parts.method.n + parts.host.n +
                  parts.path.n + parts.query.n;
    for (unsigned i = 0; i < parts.vary_n; i++)
        room += parts.vary[i].n + 8;
    char *key = arena_take(&s->arena, room);
    ptrdiff_t n = key ? cache_key_write(&parts, key, room) : -1;
    if (n < 0 || n > CACHE_KEY_MAX - CACHE_KEY_VARIANT)
        return false;
    s->cache_key = slice_of(key, (size_t)n);
    cache_id(s->cache, key, (size_t)n, s->cache_id);
    return true;
}

void asking_origin(const struct stream *s, struct cache_meta *meta)
{
    meta->plugin = labels_id(slice_of(s->cache_plugin->id.s, s->cache_plugin->id.n));
    must(s->born > 0); /* an upstream was asked */
    meta->born = s->born;
    meta->service = s->service ? labels_id(slice_of(s->service->id.s, s->service->id.n)) : 0;
}

void asking_directives(const struct stream *s, struct cache_control *out)
{
    freshness_directives(&s->head, out);
    const struct field *pragma = out->any ? NULL : head_field(&s->head, FIELD_PRAGMA);
    if (pragma && slice_equal_nocase(field_value(pragma), SLICE("no-cache")))
        out->no_cache = true;
}

/* --- conditions ----------------------------------------------------------------------------- */

/* "name" or "name=value". */
static bool says(const struct conf_text *wanted, struct slice name, struct slice value)
{
    const char *equals = memchr(wanted->s, '=', wanted->n);
    size_t n = equals ? (size_t)(equals - wanted->s) : wanted->n;

    if (!slice_equal(name, slice_of(wanted->s, n)))
        return false;
    return !equals || slice_equal(value, slice_of(equals + 1, wanted->n - n - 1));
}

static bool field_says(const struct stream *s, const struct conf_text *wanted)
{
    const char *equals = memchr(wanted->s, '=', wanted->n);
    struct slice name = slice_of(wanted->s, equals ? (size_t)(equals - wanted->s) : wanted->n);

    for (const struct field *f = head_find(&s->head, name); f; f = head_next(&s->head, f))
        if (says(wanted, name, field_value(f)))
            return true;
    return false;
}

bool asking_fits(const struct stream *s, const struct conf_cache_condition *condition)
{
    for (size_t i = 0; i < condition->headers.n; i++)
        if (field_says(s, &condition->headers.v[i]))
            return true;
    for (size_t i = 0; i < condition->query.n; i++) {
        struct slice rest = s->request.uri.query, name, value;
        while (rest.p && uri_query_next(&rest, &name, &value))
            if (says(&condition->query.v[i], name, value))
                return true;
    }
    return false;
}

/* --- variants ------------------------------------------------------------------------------- */

/* s->snapshot: what this request has for the names. False: too long. */
static bool take_snapshot(struct stream *s)
{
    struct slice names = s->vary_names;
    char *text = s->w->scratch, *to = text;

    while (names.n && to) {
        struct slice name = field_cut(&names, ','), value;
        to = asking_value(s, name, &value) ? vary_line(to, text + SNAPSHOT_MAX, name, value) : NULL;
    }
    if (!to)
        return false;
    s->snapshot = arena_copy(&s->arena, slice_of(text, (size_t)(to - text)));
    return s->snapshot.p != NULL;
}

static bool variant_key(struct stream *s, uint8_t slot)
{
    char *key = arena_take(&s->arena, s->cache_key.n + CACHE_KEY_VARIANT);

    if (!key)
        return false;
    s->fill_key = slice_of(key, cache_key_variant(s->cache_key, s->vary_salt, slot, key));
    cache_id(s->cache, key, s->fill_key.n, s->fill_id);
    return true;
}

static bool fits(const struct stream *s)
{
    return slice_equal(tags_behind(slice_of(s->hit.head, s->hit.meta->private_n)), s->snapshot);
}

/* Looks in both slots, and leaves the key of the one that a new variant should take. */
static bool find_variant(struct stream *s)
{
    uint8_t slots[2];
    bool taken = false;

    vary_slots(s->snapshot, slots);
    for (int i = 0; i < 2 && variant_key(s, slots[i]); i++) {
        taken = cache_find(s->cache, s->fill_id, s->fill_key.p, s->fill_key.n,
                           s->w->loop.now.real_s, &s->hit);
        if (!taken)
            return false;
        if (fits(s))
            return true;
        cache_unpin(s->cache, &s->hit);
    }
    if (taken)
        (void)variant_key(s, slots[0]);
    return false;
}

static uint64_t read_salt(struct slice hex)
{
    uint64_t salt = 0;

    for (size_t i = 0; i < hex.n; i++)
        salt = salt << 4 | (uint64_t)(hex.p[i] <= '9' ? hex.p[i] - '0' : hex.p[i] - 'a' + 10);
    return salt;
}

/* Takes over what the object under the URL's key says of its variants. */
static bool read_names(struct stream *s)
{
    struct slice lines = slice_of(s->hit.head, s->hit.head_n);

    s->vary_names = arena_copy(&s->arena, lines_find(lines, SLICE("Vary")));
    s->vary_salt = read_salt(lines_find(lines, SLICE("Salt")));
    s->vary_kept = s->hit.meta->keep_until;
    return s->vary_names.p && take_snapshot(s);
}

/* What an earlier look found holds no more: what is stored next is filed anew, by what its response
 * says. */
static void forget_names(struct stream *s)
{
    s->vary_names = s->snapshot = (struct slice){ NULL, 0 };
    s->vary_salt = 0;
    s->vary_kept = 0;
}

enum asking_result asking_find(struct stream *s)
{
    if (__builtin_expect(s->vary_names.p != NULL, 0))
        forget_names(s);
    s->fill_key = s->cache_key;
    memcpy(s->fill_id, s->cache_id, CACHE_ID_SIZE);
    if (!cache_find(s->cache, s->cache_id, s->cache_key.p, s->cache_key.n, s->w->loop.now.real_s,
                    &s->hit))
        return ASKING_NONE;
    uint32_t flags = s->hit.meta->flags;
    if (__builtin_expect(!(flags & REUSE_NO_RESPONSE), 1))
        return ASKING_FOUND;
    bool varies = (flags & REUSE_VARIES) != 0 && read_names(s);
    cache_unpin(s->cache, &s->hit);
    if (!varies) {
        forget_names(s);
        return ASKING_NONE;
    }
    return find_variant(s) ? ASKING_FOUND : ASKING_VARIANT;
}

/* Stores the names under the URL's key. */
static bool store_names(struct stream *s, int64_t keep_until)
{
    int64_t now = s->w->loop.now.real_s;
    struct cache_meta meta = { .stored = now,
                               .keep_until = keep_until + KEEP_NAMES,
                               .fresh_for = UINT32_MAX,
                               .flags = REUSE_VARIES };
    char head[VARY_NAMES_MAX + 64], hex[BUILD_HEX_MAX], *p = head;

    asking_origin(s, &meta);
    p = build_field(p, SLICE("Vary"), s->vary_names);
    p = build_field(p, SLICE("Salt"), slice_of(hex, (size_t)(build_hex(hex, s->vary_salt) - hex)));
    meta.private_n = (uint16_t)(p - head);
    struct cache_fill *fill = cache_fill_begin(s->cache, s->cache_id, s->cache_key.p,
                                               s->cache_key.n, &meta, head, (size_t)(p - head), 0);
    return fill && cache_fill_commit(&fill);
}

static uint64_t new_salt(const struct stream *s)
{
    uint64_t n = s->w->id_random[1] ^ (uint64_t)s->w->loop.now.us;

    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9ull ^ (uint64_t)(uintptr_t)s;
    n = (n ^ (n >> 27)) * 0x94d049bb133111ebull;
    return (n ^ (n >> 31)) | 1;
}

bool asking_place(struct stream *s, const struct head *response, int64_t keep_until)
{
    char text[VARY_NAMES_MAX];
    struct slice known = s->vary_names;

    if (!head_field(response, FIELD_VARY)) { /* for every request: in place of all variants */
        s->fill_key = s->cache_key;
        memcpy(s->fill_id, s->cache_id, CACHE_ID_SIZE);
        s->snapshot = (struct slice){ NULL, 0 };
        return true;
    }
    ptrdiff_t n = vary_names(response, known, text);
    if (n <= 0)
        return n == 0;
    if (known.n == (size_t)n && s->vary_kept >= keep_until)
        return s->fill_key.n > 0;
    s->vary_names = arena_copy(&s->arena, slice_of(text, (size_t)n));
    if (s->vary_salt == 0)
        s->vary_salt = new_salt(s);
    uint8_t slots[2];
    if (!s->vary_names.p || !take_snapshot(s))
        return false;
    vary_slots(s->snapshot, slots);
    return variant_key(s, slots[0]) && store_names(s, keep_until);
}
