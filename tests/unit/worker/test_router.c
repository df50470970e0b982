/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router against Kong's rules by hand, and against a slow twin that looks at every route:
 * random tables and requests over few names, so that many routes fit at once and every tie is met.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/router.h"
#include <stdio.h>
#include <stdlib.h>

enum { ROUTES_MAX = 64, VALUES_MAX = 4 };

/* --- tables of routes ----------------------------------------------------------------------------
 */

struct table {
    struct conf conf;
    struct conf_service service, off;
    struct conf_route routes[ROUTES_MAX];
    struct conf_text texts[ROUTES_MAX * 8 * VALUES_MAX];
    struct conf_path paths[ROUTES_MAX * VALUES_MAX];
    struct conf_route_header headers[ROUTES_MAX * VALUES_MAX];
    size_t texts_n, paths_n, headers_n;
    struct router *router;
};

static struct conf_text text(const char *s)
{
    return (struct conf_text){ s, strlen(s) };
}

/* "a b c" as three texts; NULL as none. The string is cut in place and has to stay. */
static struct conf_texts texts(struct table *t, const char *words)
{
    struct conf_texts list = { &t->texts[t->texts_n], 0 };
    while (words && *words) {
        size_t n = strcspn(words, " ");
        t->texts[t->texts_n++] = (struct conf_text){ strndup(words, n), n };
        list.n++;
        words += n + strspn(words + n, " ");
    }
    return list;
}

static struct conf_route *add(struct table *t, const char *name)
{
    assert_true(t->conf.routes_n < ROUTES_MAX);
    uint32_t index = (uint32_t)t->conf.routes_n++;
    t->routes[index] = (struct conf_route){ .name = text(name),
                                            .index = index,
                                            .service = &t->service,
                                            .protocols = CONF_HTTP | CONF_HTTPS,
                                            .paths = &t->paths[t->paths_n],
                                            .headers = &t->headers[t->headers_n] };
    return &t->routes[index];
}

static void add_path(struct table *t, const char *path)
{
    char why[128];
    struct conf_path *p = &t->paths[t->paths_n++];
    *p = (struct conf_path){ .text = text(path[0] == '~' ? path + 1 : path) };
    if (path[0] == '~') {
        p->regex = regex_compile(p->text.s, p->text.n, why, sizeof(why));
        assert_non_null(p->regex);
    }
    t->routes[t->conf.routes_n - 1].paths_n++;
}

static void add_header(struct table *t, const char *name, const char *values)
{
    t->headers[t->headers_n++] = (struct conf_route_header){ text(name), texts(t, values) };
    t->routes[t->conf.routes_n - 1].headers_n++;
}

static struct table *table_new(void)
{
    struct table *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    t->service.enabled = true;
    t->conf.routes = t->routes;
    return t;
}

static void table_ready(struct table *t)
{
    t->router = router_make(&t->conf);
    assert_non_null(t->router);
}

static void table_free(struct table *t)
{
    for (size_t i = 0; i < t->paths_n; i++) {
        struct conf_regex *re = (struct conf_regex *)(uintptr_t)t->paths[i].regex;
        regex_free(&re);
    }
    for (size_t i = 0; i < t->texts_n; i++)
        free((void *)(uintptr_t)t->texts[i].s);
    router_free(&t->router);
    assert_null(t->router);
    free(t);
}

/* --- questions -----------------------------------------------------------------------------------
 */

static struct head no_fields;

static struct router_query ask(const char *host, const char *path)
{
    return (struct router_query){ .method = SLICE("GET"),
                                  .host = slice_of(host, strlen(host)),
                                  .path = slice_of(path, strlen(path)),
                                  .protocol = CONF_HTTP,
                                  .head = &no_fields };
}

static void expect_query(const struct table *t, const struct router_query *q, const char *name)
{
    struct router_match m;
    bool found = router_find(t->router, q, &m);
    if (!name) {
        assert_false(found);
        return;
    }
    assert_true(found);
    assert_string_equal(m.route->name.s, name);
    assert_false(m.wrong_protocol);
}

static void expect(const struct table *t, const char *host, const char *path, const char *name)
{
    struct router_query q = ask(host, path);
    expect_query(t, &q, name);
}

static void add_field(struct head *h, const char *name, const char *value)
{
    h->fields[h->fields_n++] = (struct field){ .name = name,
                                               .name_n = (uint16_t)strlen(name),
                                               .value = value,
                                               .value_n = (uint32_t)strlen(value) };
}

/* --- rules by hand -------------------------------------------------------------------------------
 */

static void and_over_kinds_or_over_values(void **state)
{
    struct table *t = table_new();
    (void)state;
    struct conf_route *r = add(t, "r");
    r->hosts = texts(t, "example.com foo-service.com");
    r->methods = texts(t, "GET PUT");
    add_path(t, "/foo");
    add_path(t, "/bar");
    table_ready(t);
    expect(t, "example.com", "/foo", "r");
    expect(t, "foo-service.com", "/bar/x", "r");
    expect(t, "example.com", "/", NULL);
    expect(t, "other.com", "/foo", NULL);
    expect(t, "", "/foo", NULL);
    struct router_query q = ask("example.com", "/bar");
    q.method = SLICE("PUT");
    expect_query(t, &q, "r");
    q.method = SLICE("POST");
    expect_query(t, &q, NULL);
    q.method = SLICE("get");
    expect_query(t, &q, NULL);
    table_free(t);
}

static void wildcard_hosts_and_plain_hosts_before_them(void **state)
{
    struct table *t = table_new();
    (void)state;
    add(t, "left")->hosts = texts(t, "*.example.com");
    add(t, "right")->hosts = texts(t, "shop.*");
    add(t, "both")->hosts = texts(t, "a.example.com *.other.org");
    add(t, "plain")->hosts = texts(t, "a.example.com");
    add(t, "any");
    table_ready(t);
    expect(t, "a.example.com", "/", "plain");
    expect(t, "b.example.com", "/", "left");
    expect(t, "x.y.example.com", "/", "left");
    expect(t, "example.com", "/", "any");
    expect(t, ".example.com", "/", "any");
    expect(t, "xexample.com", "/", "any");
    expect(t, "shop.de", "/", "right");
    expect(t, "shop.co.uk", "/", "right");
    expect(t, "shop.", "/", "any");
    expect(t, "workshop.de", "/", "any");
    expect(t, "x.other.org", "/", "both");
    expect(t, "shop.example.com", "/", "left"); /* earlier of two wildcards */
    expect(t, "", "/", "any");
    table_free(t);
}

static void longer_prefix_first_whatever_the_order(void **state)
{
    struct table *t = table_new();
    (void)state;
    add(t, "root");
    add_path(t, "/");
    add(t, "short");
    add_path(t, "/service");
    add_path(t, "/a/very/long/path/that/would/win");
    add(t, "long");
    add_path(t, "/service/resource");
    table_ready(t);
    expect(t, "h", "/service", "short");
    expect(t, "h", "/services", "short");
    expect(t, "h", "/service/resource/1", "long");
    expect(t, "h", "/service/resourc", "short");
    expect(t, "h", "/a/very/long/path/that/would/win!", "short");
    expect(t, "h", "/a/very/long", "root");
    table_free(t);
}

static void more_kinds_beat_longer_paths(void **state)
{
    struct table *t = table_new();
    (void)state;
    add(t, "path");
    add_path(t, "/a/b/c");
    add(t, "host and path")->hosts = texts(t, "h");
    add_path(t, "/");
    add(t, "host, path and method")->hosts = texts(t, "h");
    t->routes[2].methods = texts(t, "PUT");
    add_path(t, "/a");
    table_ready(t);
    expect(t, "h", "/a/b/c", "host and path");
    expect(t, "g", "/a/b/c", "path");
    struct router_query q = ask("h", "/a/b/c");
    q.method = SLICE("PUT");
    expect_query(t, &q, "host, path and method");
    table_free(t);
}

static void regexes_before_prefixes_by_their_priority(void **state)
{
    struct table *t = table_new();
    (void)state;
    add(t, "prefix");
    add_path(t, "/version/1/service");
    add(t, "digits");
    add_path(t, "~/version/\\d+/service");
    add(t, "any word")->regex_priority = 5;
    add_path(t, "~/version/[a-z1]+/service$");
    table_ready(t);
    expect(t, "h", "/version/1/service", "any word");
    expect(t, "h", "/version/1/service/x", "digits");
    expect(t, "h", "/version/22/service", "digits");
    expect(t, "h", "/x/version/22/service", NULL); /* anchored */
    table_free(t);
}

static void header_names_and_values(void **state)
{
    struct table *t = table_new();
    struct head h = { 0 };
    (void)state;
    add(t, "none");
    add_path(t, "/");
    add(t, "one");
    add_path(t, "/");
    add_header(t, "version", "v1 v2");
    add(t, "two");
    add_path(t, "/");
    add_header(t, "version", "v1 v2");
    add_header(t, "x-beta", "yes");
    table_ready(t);
    struct router_query q = ask("h", "/");
    q.head = &h;
    add_field(&h, "Version", "v3");
    expect_query(t, &q, "none");
    add_field(&h, "VERSION", "V2"); /* the second line of that name; case does not matter */
    expect_query(t, &q, "one");
    add_field(&h, "X-Beta", "yes");
    expect_query(t, &q, "two");
    q.head = NULL;
    expect_query(t, &q, "none");
    table_free(t);
}

static void snis_count_only_over_tls(void **state)
{
    struct table *t = table_new();
    (void)state;
    add(t, "sni")->snis = texts(t, "a.example.com *.wild.com");
    add(t, "any");
    table_ready(t);
    struct router_query q = ask("h", "/");
    expect_query(t, &q, "sni");
    q.protocol = CONF_HTTPS;
    expect_query(t, &q, "any");
    q.sni = SLICE("a.example.com");
    expect_query(t, &q, "sni");
    q.sni = SLICE("x.wild.com");
    expect_query(t, &q, "sni");
    q.sni = SLICE(".wild.com");
    expect_query(t, &q, "any");
    q.sni = SLICE("b.example.com");
    expect_query(t, &q, "any");
    table_free(t);
}

static void https_only_routes_are_hinted_at(void **state)
{
    struct table *t = table_new();
    struct router_match m;
    (void)state;
    add(t, "secure")->protocols = CONF_HTTPS;
    add_path(t, "/secure");
    add(t, "secure regex")->protocols = CONF_HTTPS;
    add_path(t, "~/s\\w+/more");
    add(t, "plain")->protocols = CONF_HTTP;
    add_path(t, "/secure/plain");
    table_ready(t);
    struct router_query q = ask("h", "/secure/x");
    assert_true(router_find(t->router, &q, &m));
    assert_true(m.wrong_protocol);
    assert_string_equal(m.route->name.s, "secure");
    q = ask("h", "/secure/more");
    assert_true(router_find(t->router, &q, &m));
    assert_true(m.wrong_protocol);
    assert_string_equal(m.route->name.s, "secure regex");
    assert_int_equal(m.captures_n, 0);
    expect(t, "h", "/secure/plain", "plain");
    q = ask("h", "/secure/plain");
    q.protocol = CONF_HTTPS;
    expect_query(t, &q, "secure");
    table_free(t);
}

static void what_is_stripped_and_captured(void **state)
{
    struct table *t = table_new();
    struct router_match m;
    (void)state;
    add(t, "prefix");
    add_path(t, "/mixed/prefix");
    add_path(t, "~/mixed/(\\d+)/(\\w+)");
    add(t, "bare")->hosts = texts(t, "bare");
    table_ready(t);
    struct router_query q = ask("h", "/mixed/prefix/rest");
    assert_true(router_find(t->router, &q, &m));
    assert_int_equal(m.stripped, strlen("/mixed/prefix"));
    assert_ptr_equal(m.path, &t->paths[0]);
    assert_int_equal(m.captures_n, 0);
    q = ask("h", "/mixed/42/abc/path/to/resource");
    assert_true(router_find(t->router, &q, &m));
    assert_int_equal(m.stripped, strlen("/mixed/42/abc"));
    assert_ptr_equal(m.path, &t->paths[1]);
    assert_int_equal(m.captures_n, 3);
    assert_int_equal(m.captures[1].from, 7);
    assert_int_equal(m.captures[1].to, 9);
    assert_int_equal(m.captures[2].to, 13);
    q = ask("bare", "/x");
    assert_true(router_find(t->router, &q, &m));
    assert_null(m.path);
    assert_int_equal(m.stripped, 0);
    table_free(t);
}

static void disabled_services_have_no_routes(void **state)
{
    struct table *t = table_new();
    (void)state;
    add(t, "off")->service = &t->off;
    add_path(t, "/a");
    add(t, "on");
    add_path(t, "/");
    table_ready(t);
    expect(t, "h", "/a", "on");
    table_free(t);
}

static void no_routes_at_all(void **state)
{
    struct table *t = table_new();
    (void)state;
    table_ready(t);
    expect(t, "h", "/", NULL);
    table_free(t);
}

static void collect(void *arg, const struct conf_route *route)
{
    char *names = arg;
    strcat(names, route->name.s);
}

static void order_names_each_route_once(void **state)
{
    struct table *t = table_new();
    char names[64] = "";
    (void)state;
    add(t, "a");
    add_path(t, "/a");
    add_path(t, "/a/long/one");
    add(t, "b")->hosts = texts(t, "*.x.com");
    add_path(t, "/");
    add(t, "c");
    add_path(t, "/abc");
    add_path(t, "~/x");
    add(t, "d")->hosts = texts(t, "x.com");
    add_path(t, "/");
    add(t, "e");
    table_ready(t);
    router_order(t->router, collect, names);
    assert_string_equal(names, "dbcae");
    table_free(t);
}

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
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(and_over_kinds_or_over_values),
        cmocka_unit_test(wildcard_hosts_and_plain_hosts_before_them),
        cmocka_unit_test(longer_prefix_first_whatever_the_order),
        cmocka_unit_test(more_kinds_beat_longer_paths),
        cmocka_unit_test(regexes_before_prefixes_by_their_priority),
        cmocka_unit_test(header_names_and_values),
        cmocka_unit_test(snis_count_only_over_tls),
        cmocka_unit_test(https_only_routes_are_hinted_at),
        cmocka_unit_test(what_is_stripped_and_captured),
        cmocka_unit_test(disabled_services_have_no_routes),
        cmocka_unit_test(no_routes_at_all),
        cmocka_unit_test(order_names_each_route_once),
        cmocka_unit_test(equals_the_slow_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
