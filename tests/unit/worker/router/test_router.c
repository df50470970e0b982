/* SPDX-License-Identifier: Apache-2.0 */
/* The router against Kong's rules, by hand. (test_router_find.c has the random tables.) */
#include "router_fixture.h"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
