/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of routes made on the spot, and questions to the router, for the tests of
 * worker/router*.c. */
#ifndef TESTS_ROUTER_FIXTURE_H
#define TESTS_ROUTER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/router/router.h"
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

static inline struct conf_text text(const char *s)
{
    return (struct conf_text){ s, strlen(s) };
}

/* "a b c" as three texts; NULL as none. The string is cut in place and has to stay. */
static inline struct conf_texts texts(struct table *t, const char *words)
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

static inline struct conf_route *add(struct table *t, const char *name)
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

static inline void add_path(struct table *t, const char *path)
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

static inline void add_header(struct table *t, const char *name, const char *values)
{
    t->headers[t->headers_n++] = (struct conf_route_header){ text(name), texts(t, values) };
    t->routes[t->conf.routes_n - 1].headers_n++;
}

static inline struct table *table_new(void)
{
    struct table *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    t->service.enabled = true;
    t->conf.routes = t->routes;
    return t;
}

static inline void table_ready(struct table *t)
{
    t->router = router_make(&t->conf);
    assert_non_null(t->router);
}

static inline void table_free(struct table *t)
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

static inline struct router_query ask(const char *host, const char *path)
{
    return (struct router_query){ .method = SLICE("GET"),
                                  .host = slice_of(host, strlen(host)),
                                  .path = slice_of(path, strlen(path)),
                                  .protocol = CONF_HTTP,
                                  .head = &no_fields };
}

static inline void expect_query(const struct table *t, const struct router_query *q,
                                const char *name)
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

static inline void expect(const struct table *t, const char *host, const char *path,
                          const char *name)
{
    struct router_query q = ask(host, path);
    expect_query(t, &q, name);
}

static inline void add_field(struct head *h, const char *name, const char *value)
{
    h->fields[h->fields_n++] = (struct field){ .name = name,
                                               .name_n = (uint16_t)strlen(name),
                                               .value = value,
                                               .value_n = (uint32_t)strlen(value) };
}

#endif
