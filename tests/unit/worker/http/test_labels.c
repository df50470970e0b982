/* SPDX-License-Identifier: Apache-2.0 */
/* Which objects a purge reaches: labels read out of keys, tags and meta against labels named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugin.h"
#include "conf/plugins/plugin_proxy_cache.h"
#include "shm/region.h"
#include "worker/http/cache_key.h"
#include "worker/http/labels.h"
#include "worker/http/reuse.h"

enum { NOW = 1000 };

static struct zone zone;
static struct cache *cache;
static const struct labels_queries none;

static int open_zone(void **state)
{
    (void)state;
    if (!region_make(&zone, ZONE_CACHE, CACHE_VERSION, "test", 2 << 20) || !cache_format(&zone))
        return -1;
    cache = cache_attach(&zone, 1);
    purges_use(cache, labels_see);
    return cache ? 0 : -1;
}

static int close_zone(void **state)
{
    (void)state;
    cache_detach(&cache);
    region_drop(&zone);
    return 0;
}

struct object {
    struct cache_key_parts parts;
    const char *head;
    uint32_t service;
    bool variant;
};

static const struct object plain = {
    .parts = { .route_id = { "route-1", 7 },
               .method = { "GET", 3 },
               .host = { "h.example", 9 },
               .path = { "/a/b", 4 },
               .query = { "x=1", 3 } },
    .head = "Cache-Tag: one, two\r\nSurrogate-Key: three\r\n",
    .service = 99,
};

static bool carries(const struct object *o, const struct labels *labels)
{
    const struct cache_meta meta = { .service = o->service, .flags = REUSE_TAGGED };
    char key[CACHE_KEY_MAX];
    uint8_t id[CACHE_ID_SIZE];
    size_t n = (size_t)cache_key_write(&o->parts, key, sizeof key);
    if (o->variant)
        n = cache_key_variant(slice_of(key, n), 5, 6, key);
    const struct cache_hit hit = { .meta = &meta,
                                   .key = key,
                                   .key_n = (uint32_t)n,
                                   .head = o->head,
                                   .head_n = (uint32_t)strlen(o->head) };
    cache_id(cache, key, n, id);
    return purges_carries(cache, id, &hit, labels->v, labels->n);
}

static bool url(const struct object *o, const char *host, const char *path, const char *query,
                const struct labels_queries *queries)
{
    struct labels labels;
    struct slice q = query ? slice_of(query, strlen(query)) : (struct slice){ NULL, 0 };
    labels_url(cache, queries, slice_of(host, strlen(host)), slice_of(path, strlen(path)), q,
               &labels);
    return carries(o, &labels);
}

static bool prefix(const struct object *o, const char *text)
{
    struct labels labels;
    assert_true(labels_prefix(cache, slice_of(text, strlen(text)), &labels));
    return carries(o, &labels);
}

static bool tag(const struct object *o, const char *text)
{
    struct labels labels;
    assert_true(labels_tags(cache, slice_of(text, strlen(text)), &labels));
    return carries(o, &labels);
}

static void a_url_is_host_path_and_query(void **state)
{
    struct object o = plain;
    (void)state;
    assert_true(url(&o, "h.example", "/a/b", "x=1", &none));
    assert_false(url(&o, "h.example", "/a/b", "x=2", &none));
    assert_false(url(&o, "h.example", "/a/b", NULL, &none));
    assert_false(url(&o, "h.example", "/a/B", "x=1", &none));
    assert_false(url(&o, "h", ".example/a/b", "x=1", &none));
    o.parts.method = SLICE("POST");
    o.parts.route_id = SLICE("another");
    o.parts.consumer_id = SLICE("somebody");
    o.variant = true;
    assert_true(url(&o, "h.example", "/a/b", "x=1", &none));
    o.parts.query = SLICE("");
    assert_true(url(&o, "h.example", "/a/b", "", &none));
    assert_false(url(&o, "h.example", "/a/b", NULL, &none));
}

static void keys_without_case(void **state)
{
    struct object o = plain;
    (void)state;
    o.parts.case_folded = true;
    assert_true(url(&o, "h.example", "/A/b", "x=1", &none));
    assert_true(url(&o, "h.example", "/a/b", "x=1", &none));
    assert_false(url(&o, "h.example", "/A/b", "X=1", &none)); /* a query keeps its case */
    assert_true(prefix(&o, "/A") && prefix(&o, "H.EXAMPLE/A") && prefix(&o, "/A/B?x"));
    assert_false(prefix(&o, "/A/B?X"));
    o.parts.case_folded = false;
    assert_false(prefix(&o, "/A") || prefix(&o, "h.example/A"));
    assert_true(prefix(&o, "H.Example/a"));
}

static void keys_with_chosen_parameters(void **state)
{
    static const struct conf_text names[] = { { "x", 1 } };
    static const struct conf_texts list = { names, 1 };
    const struct labels_queries queries = { .v = { &list }, .n = 1 };
    struct object o = plain;
    (void)state;
    o.parts.query_chosen = true;
    assert_true(url(&o, "h.example", "/a/b", "z=3&x=1&y=2", &queries));
    assert_false(url(&o, "h.example", "/a/b", "z=3&x=2", &queries));
    assert_false(url(&o, "h.example", "/a/b", NULL, &queries));
    assert_false(url(&o, "h.example", "/a/b", "x=1", &none));
    o.parts.query = (struct slice){ NULL, 0 };
    assert_true(url(&o, "h.example", "/a/b", "z=3", &queries));
    assert_true(url(&o, "h.example", "/a/b", NULL, &queries));
    assert_true(url(&plain, "h.example", "/a/b", "x=1", &queries));
}

static void keys_without_case_with_chosen_parameters(void **state)
{
    static const struct conf_text names[] = { { "Page", 4 } };
    static const struct conf_texts list = { names, 1 };
    const struct labels_queries queries = { .v = { &list }, .n = 1 };
    struct object o = plain;
    (void)state;
    o.parts.query_chosen = o.parts.case_folded = true;
    o.parts.query = SLICE("Page=1");
    assert_true(url(&o, "h.example", "/A/b", "z=3&Page=1", &queries));
    assert_true(url(&o, "h.example", "/a/b", "z=3&Page=1", &queries));
    assert_false(url(&o, "h.example", "/a/b", "z=3&Page=2", &queries));
    assert_false(url(&o, "h.example", "/a/b", "z=3&page=1", &queries));
}

static void more_lists_of_parameters_than_room(void **state)
{
    struct conf_text names[LABELS_QUERIES_MAX + 2];
    char text[LABELS_QUERIES_MAX + 2][2];
    struct conf_proxy_cache config[LABELS_QUERIES_MAX + 2];
    struct conf_plugin plugins[LABELS_QUERIES_MAX + 2];
    struct labels_queries queries;
    struct object o = plain;
    (void)state;
    for (size_t i = 0; i < LABELS_QUERIES_MAX + 2; i++) {
        text[i][0] = (char)('a' + i);
        text[i][1] = '\0';
        names[i] = (struct conf_text){ text[i], 1 };
        config[i] = (struct conf_proxy_cache){ .vary_query_params = { &names[i], 1 } };
        plugins[i] = (struct conf_plugin){ .kind = CONF_PLUGIN_PROXY_CACHE, .config = &config[i] };
    }
    struct conf conf = { .plugins = plugins, .plugins_n = LABELS_QUERIES_MAX };
    plugins[3].config = &config[2]; /* the same once more */
    labels_queries(&conf, &queries);
    assert_true(queries.n == LABELS_QUERIES_MAX - 1 && !queries.more);
    plugins[3].config = &config[3];
    conf.plugins_n += 2;
    labels_queries(&conf, &queries);
    assert_true(queries.n == LABELS_QUERIES_MAX && queries.more);
    o.parts.query_chosen = true; /* q=... of the last: with any query */
    assert_true(url(&o, "h.example", "/a/b", "q=7", &queries));
    assert_true(url(&o, "h.example", "/a/b", "Q=7", &queries));
}

static void prefixes_of_any_length(void **state)
{
    static const char whole[] = "h.example/a/b?x=1";
    char text[sizeof whole];
    (void)state;
    for (size_t n = sizeof "h.example"; n < sizeof whole; n++) {
        memcpy(text, whole, n);
        text[n] = '\0';
        assert_true(prefix(&plain, text));
        assert_true(prefix(&plain, text + sizeof "h.example" - 1));
    }
    assert_false(prefix(&plain, "h.example/a/b?x=12") || prefix(&plain, "/b") ||
                 prefix(&plain, "g.example/a"));
    struct labels labels;
    assert_false(labels_prefix(cache, SLICE("h.example"), &labels));
    assert_false(labels_prefix(cache, SLICE(""), &labels));
}

static void tags_of_both_fields(void **state)
{
    struct object o = plain;
    char many[8192];
    size_t n = 0;
    (void)state;
    assert_true(tag(&o, "one") && tag(&o, "two") && tag(&o, "three"));
    assert_false(tag(&o, "on") || tag(&o, "One") || tag(&o, "four, five"));
    assert_true(tag(&o, "four, one"));
    struct labels labels;
    assert_false(labels_tags(cache, SLICE(" , "), &labels));
    for (size_t i = 0; i < 2 * LABELS_MAX + 2; i += 2)
        memcpy(many + i, "a,", 2);
    assert_true(labels_tags(cache, slice_of(many, 2 * (size_t)LABELS_MAX), &labels));
    assert_false(labels_tags(cache, slice_of(many, 2 * (size_t)LABELS_MAX + 2), &labels));
    n = (size_t)snprintf(many, sizeof many, "Cache-Tag: ");
    for (int i = 0; i <= 1024; i++)
        n += (size_t)snprintf(many + n, sizeof many - n, "%d,", i);
    snprintf(many + n, sizeof many - n, "\r\n");
    o.head = many;
    assert_true(tag(&o, "0") && tag(&o, "no such"));
}

static void the_others(void **state)
{
    struct object o = plain;
    struct labels labels;
    uint8_t id[CACHE_ID_SIZE];
    char key[256];
    (void)state;
    labels_host(cache, SLICE("h.example"), &labels);
    assert_true(carries(&o, &labels));
    labels_route(cache, SLICE("route-1"), &labels);
    assert_true(carries(&o, &labels));
    labels_route(cache, SLICE("h.example"), &labels);
    assert_false(carries(&o, &labels));
    o.service = labels_id(SLICE("service-1"));
    labels_service(cache, SLICE("service-1"), &labels);
    assert_true(carries(&o, &labels) && !carries(&plain, &labels));
    labels_all(&labels);
    assert_true(carries(&o, &labels));
    size_t n = (size_t)cache_key_write(&o.parts, key, sizeof key);
    cache_id(cache, key, n, id);
    labels_key(cache, id, &labels);
    assert_true(carries(&o, &labels));
    o.variant = true; /* goes with the key of its URL */
    assert_true(carries(&o, &labels));
    id[3] ^= 1;
    labels_key(cache, id, &labels);
    assert_false(carries(&o, &labels));
}

static void an_id_is_the_same_however_written(void **state)
{
    uint32_t id = labels_id(SLICE("abababab-abab-abab-abab-abababababab"));
    (void)state;
    assert_int_equal(labels_id(SLICE("ABABABABABABABABABABABABABABABAB")), id);
    assert_int_not_equal(labels_id(SLICE("abababab-abab-abab-abab-abababababac")), id);
    assert_int_not_equal(labels_id(SLICE("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_host_path_and_query),
        cmocka_unit_test(keys_without_case),
        cmocka_unit_test(keys_with_chosen_parameters),
        cmocka_unit_test(keys_without_case_with_chosen_parameters),
        cmocka_unit_test(more_lists_of_parameters_than_room),
        cmocka_unit_test(prefixes_of_any_length),
        cmocka_unit_test(tags_of_both_fields),
        cmocka_unit_test(the_others),
        cmocka_unit_test(an_id_is_the_same_however_written),
    };
    return cmocka_run_group_tests(tests, open_zone, close_zone);
}
