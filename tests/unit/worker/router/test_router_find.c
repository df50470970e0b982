/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router against a slow twin that looks at every route: random tables and requests over few
 * names, so that many routes fit at once and every tie is met.
 */
#include "router_fixture.h"

/* --- the slow twin -------------------------------------------------------------------------------
 */

static bool twin_wild(const struct conf_text *pattern, struct slice name)
{
    char copy[256];
    snprintf(copy, sizeof(copy), "%.*s", (int)name.n, name.p);
    const char *star = strchr(pattern->s, '*');
    if (!star)
        return strcmp(copy, pattern->s) == 0;
    if (strlen(copy) < pattern->n)
        return false;
    if (star == pattern->s)
        return strcmp(copy + strlen(copy) - (pattern->n - 1), pattern->s + 1) == 0;
    return strncmp(copy, pattern->s, pattern->n - 1) == 0;
}

static bool twin_any(const struct conf_texts *list, struct slice name)
{
    for (size_t i = 0; i < list->n; i++)
        if (twin_wild(&list->v[i], name))
            return true;
    return list->n == 0;
}

static bool twin_headers(const struct conf_route *r, const struct head *head)
{
    for (size_t i = 0; i < r->headers_n; i++) {
        bool fits = false;
        for (size_t j = 0; j < head->fields_n; j++)
            for (size_t k = 0; k < r->headers[i].values.n; k++)
                fits |= strcasecmp(head->fields[j].name, r->headers[i].name.s) == 0 &&
                        strcasecmp(head->fields[j].value, r->headers[i].values.v[k].s) == 0;
        if (!fits)
            return false;
    }
    return true;
}

/* Bytes of the path that are matched, -1: it does not fit. */
static long twin_path(const struct conf_path *path, struct slice s)
{
    struct regex_span span[1];
    if (!path)
        return 0;
    if (path->regex)
        return regex_match(path->regex, s.p, s.n, span, 1) ? (long)span[0].to : -1;
    return s.n >= path->text.n && memcmp(s.p, path->text.s, path->text.n) == 0 ? (long)path->text.n
                                                                               : -1;
}

/* What decides, most important first; larger wins. */
enum { RANKS = 8 };
static void twin_rank(const struct conf_route *r, const struct conf_path *path, long rank[RANKS])
{
    bool regex = path && path->regex, plain = r->hosts.n > 0;
    for (size_t i = 0; i < r->hosts.n; i++)
        plain &= !strchr(r->hosts.v[i].s, '*');
    rank[0] = !!r->hosts.n + !!r->paths_n + !!r->methods.n + !!r->headers_n + !!r->snis.n;
    rank[1] = plain;
    rank[2] = (long)r->headers_n;
    rank[3] = regex;
    rank[4] = regex ? r->regex_priority : 0;
    rank[5] = path && !regex ? (long)path->text.n : 0;
    rank[6] = -(long)r->index;
    rank[7] = path ? -(path - r->paths) : 0;
}

static bool twin_better(const long a[RANKS], const long b[RANKS])
{
    for (int i = 0; i < RANKS; i++)
        if (a[i] != b[i])
            return a[i] > b[i];
    return false;
}

struct twin {
    bool found;
    long rank[RANKS];
    struct router_match match;
};

static void twin_offer(struct twin *best, const struct conf_route *r, const struct conf_path *path,
                       long stripped)
{
    struct twin offer = { .found = true };
    offer.match = (struct router_match){ .route = r, .path = path, .stripped = (size_t)stripped };
    twin_rank(r, path, offer.rank);
    if (!best->found || twin_better(offer.rank, best->rank))
        *best = offer;
}

static struct twin twin_find(const struct table *t, const struct router_query *q)
{
    struct twin best = { 0 }, wrong = { 0 };
    for (size_t i = 0; i < t->conf.routes_n; i++) {
        const struct conf_route *r = &t->routes[i];
        bool sni =
            q->protocol == CONF_HTTP || (q->sni.p ? twin_any(&r->snis, q->sni) : r->snis.n == 0);
        if (!twin_any(&r->hosts, q->host) || !twin_any(&r->methods, q->method) ||
            !twin_headers(r, q->head) || !sni)
            continue;
        for (size_t j = 0; j < (r->paths_n ? r->paths_n : 1); j++) {
            const struct conf_path *path = r->paths_n ? &r->paths[j] : NULL;
            long stripped = twin_path(path, q->path);
            if (stripped >= 0 && (r->protocols & q->protocol))
                twin_offer(&best, r, path, stripped);
            else if (stripped >= 0 && q->protocol == CONF_HTTP)
                twin_offer(&wrong, r, path, 0);
        }
    }
    wrong.match.wrong_protocol = true;
    return best.found ? best : wrong;
}

static uint32_t seed = 1;
static uint32_t below(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)seed * n) >> 32);
}
#define PICK(list) (list)[below(sizeof(list) / sizeof(*(list)))]

static const char *const host_sets[] = { "a.com",       "b.a.com", "*.a.com",     "a.*",
                                         "a.com *.com", "*.com",   "b.a.com b.*", "b.*" };
static const char *const hosts[] = { "a.com",     "b.a.com", "x.a.com", "a.org", "b.org",
                                     "c.b.a.com", "",        "com",     "zzz" };
static const char *const prefixes[] = { "/",   "/a", "/a/",     "/a/b",    "/a/b/c",
                                        "/ab", "/b", "~/a/\\w", "~/[ab]+", "~/.*c$" };
static const char *const paths[] = { "/",    "/a", "/a/b/c", "/a/bc", "/abc",
                                     "/b/a", "/c", "/a/b/",  "/aab",  "/x/c" };
static const char *const methods[] = { "GET", "PUT", "GET PUT", "DELETE" };
static const char *const words[] = { "1", "2", "1 2", "3" };

static void random_route(struct table *t)
{
    struct conf_route *r = add(t, "random");
    if (below(3))
        r->hosts = texts(t, PICK(host_sets));
    if (below(4) == 0)
        r->methods = texts(t, PICK(methods));
    if (below(6) == 0)
        r->snis = texts(t, PICK(host_sets));
    r->protocols = 1 + below(3);
    r->regex_priority = (int)below(3);
    for (uint32_t i = below(VALUES_MAX); i > 0; i--)
        add_path(t, PICK(prefixes));
    if (below(4) == 0)
        add_header(t, "x-one", PICK(words));
    if (below(4) == 0)
        add_header(t, "x-two", PICK(words));
}

static void compare(const struct table *t)
{
    struct head h = { 0 };
    struct router_match m;
    struct router_query q = ask(PICK(hosts), PICK(paths));
    const char *method = PICK(methods);
    q.method = slice_of(method, strcspn(method, " "));
    q.protocol = below(2) ? CONF_HTTP : CONF_HTTPS;
    q.head = &h;
    if (q.protocol == CONF_HTTPS && below(3)) {
        const char *name = PICK(hosts);
        q.sni = slice_of(name, strlen(name));
    }
    if (below(2))
        add_field(&h, "X-One", PICK(words));
    if (below(2))
        add_field(&h, "x-two", PICK(words));
    struct twin twin = twin_find(t, &q);
    bool found = router_find(t->router, &q, &m);
    assert_int_equal(found, twin.found);
    if (!found)
        return;
    assert_ptr_equal(m.route, twin.match.route);
    assert_int_equal(m.wrong_protocol, twin.match.wrong_protocol);
    assert_ptr_equal(m.path, twin.match.path);
    assert_int_equal(m.stripped, m.wrong_protocol ? m.stripped : twin.match.stripped);
}

static void equals_the_slow_twin(void **state)
{
    (void)state;
    for (int i = 0; i < 400; i++) {
        struct table *t = table_new();
        for (uint32_t n = below(ROUTES_MAX); n > 0; n--)
            random_route(t);
        table_ready(t);
        for (int j = 0; j < 200; j++)
            compare(t);
        table_free(t);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(equals_the_slow_twin) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
