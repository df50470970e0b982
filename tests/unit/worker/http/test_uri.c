/* SPDX-License-Identifier: Apache-2.0 */
/* Normal forms, what is refused, that a second normalisation changes nothing, and the walks over
 * queries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guarded.h"
#include "worker/http/uri.h"

static char *map;

static bool parse(const char *text, size_t n, char *out, struct uri *uri)
{
    return uri_parse(slice_of(guarded_tail(map, text, n), n), out, 3 * n, uri);
}

static const struct {
    const char *target, *path, *query; /* path NULL: refused */
} rows[] = {
    { "/", "/", NULL },
    { "/a/b", "/a/b", NULL },
    { "/a/b?", "/a/b", "" },
    { "/a?b/../c?d//%", "/a", "b/../c?d//%" },
    { "/?/..", "/", "/.." },
    { "//", "/", NULL },
    { "//a///b//", "/a/b/", NULL },
    { "/.", "/", NULL },
    { "/./", "/", NULL },
    { "/..", "/", NULL },
    { "/../../a", "/a", NULL },
    { "/a/..", "/", NULL },
    { "/a/../", "/", NULL },
    { "/a/../b", "/b", NULL },
    { "/a/b/../../c", "/c", NULL },
    { "/a/b/..", "/a/", NULL },
    { "/a/b/.", "/a/b/", NULL },
    { "/a/./b", "/a/b", NULL },
    { "/a//../b", "/b", NULL },
    { "/a/..//..//b", "/b", NULL },
    { "/...", "/...", NULL },
    { "/a/.../b", "/a/.../b", NULL },
    { "/.a/..b/c.", "/.a/..b/c.", NULL },
    { "/.well-known/x", "/.well-known/x", NULL },
    { "/%2e", "/", NULL },
    { "/a/%2E%2e/b", "/b", NULL },
    { "/a/.%2e/b", "/b", NULL },
    { "/a/%2e./b?%2e", "/b", "%2e" },
    { "/%41%7a%30%2d%5F%7e", "/Az0-_~", NULL },
    { "/a%2fb", "/a%2Fb", NULL },
    { "/a%2F..%2fb", "/a%2F..%2Fb", NULL },
    { "/%2F/", "/%2F/", NULL },
    { "/%252e%252e/", "/%252e%252e/", NULL },
    { "/a%20b%3a", "/a%20b%3A", NULL },
    { "/a%20b", "/a%20b", NULL },
    { "/a\\..\\b", "/a\\..\\b", NULL },
    { "/a+b|c", "/a+b|c", NULL },
    { "/\xc3\xbc", "/%C3%BC", NULL },
    { "/%c3%bc", "/%C3%BC", NULL },
    { "/%0d%0A", "/%0D%0A", NULL },
    { "", NULL, NULL },
    { "*", NULL, NULL },
    { "a/b", NULL, NULL },
    { "?a", NULL, NULL },
    { "/%", NULL, NULL },
    { "/%4", NULL, NULL },
    { "/%4?1", NULL, NULL },
    { "/%zz", NULL, NULL },
    { "/a%g0", NULL, NULL },
    { "/a%0", NULL, NULL },
    { "/a%00b", NULL, NULL },
    { "/a b", NULL, NULL },
    { "/a\x01", NULL, NULL },
    { "/./\x7f", NULL, NULL },
    { "/./ ", NULL, NULL },
    { "%2Fa", NULL, NULL },
};

static void normal_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[300];
        struct uri u;
        bool ok = parse(rows[i].target, strlen(rows[i].target), out, &u);
        if (ok != (rows[i].path != NULL))
            fail_msg("%s: %d", rows[i].target, ok);
        if (!ok)
            continue;
        if (!slice_equal(u.path, slice_of(rows[i].path, strlen(rows[i].path))))
            fail_msg("%s: %.*s", rows[i].target, (int)u.path.n, u.path.p);
        assert_int_equal(u.query.p != NULL, rows[i].query != NULL);
        if (rows[i].query)
            assert_true(slice_equal(u.query, slice_of(rows[i].query, strlen(rows[i].query))));
    }
}

static void a_normal_path_is_not_copied(void **state)
{
    (void)state;
    static const char *const normal[] = { "/", "/a/b.c?d", "/.well-known/..x/", "/%2F%C3%BC" };
    for (size_t i = 0; i < 4; i++) {
        char out[100];
        struct uri u;
        assert_true(uri_parse(slice_of(normal[i], strlen(normal[i])), out, sizeof(out), &u));
        assert_ptr_equal(u.path.p, normal[i]);
    }
}

static void room(void **state)
{
    (void)state;
    char out[8];
    struct uri u;
    assert_true(uri_parse(SLICE("/a//bcde"), out, 7, &u));
    assert_false(uri_parse(SLICE("/a//bcde"), out, 6, &u));
    assert_true(uri_parse(SLICE("/\xfc"), out, 4, &u));
    assert_false(uri_parse(SLICE("/\xfc"), out, 3, &u));
    assert_false(uri_parse(SLICE("/./a"), out, 0, &u));
    assert_true(uri_parse(SLICE("/a"), NULL, 0, &u));
}

static void idempotent_and_clean(void **state)
{
    (void)state;
    static const char *const pieces[] = { "/", "//",  ".",    "..",   "%2e", "%2F",
                                          "a", "%61", "b%20", "\xe9", "%c3", "\\",
                                          "?", "~",   "%41",  "/.",   "/..", "%2E%2E" };
    unsigned long long seed = 3;
    for (int round = 0; round < 100000; round++) {
        char text[120] = "/", out[400], again[400];
        for (unsigned k = guarded_random(&seed) % 14; k; k--)
            strcat(text, pieces[guarded_random(&seed) % 18]);
        struct uri u, v;
        assert_true(parse(text, strlen(text), out, &u));
        assert_true(u.path.n >= 1 && u.path.p[0] == '/');
        assert_true(uri_parse(u.path, again, sizeof(again), &v));
        assert_true(slice_equal(u.path, v.path));
        assert_null(v.query.p);
        assert_null(memmem(u.path.p, u.path.n, "//", 2));
        assert_null(memmem(u.path.p, u.path.n, "/./", 3));
        assert_null(memmem(u.path.p, u.path.n, "/../", 4));
    }
}

static void queries(void **state)
{
    (void)state;
    struct slice rest = SLICE("&a=b&&c&d==e&=f&g="), name, value;
    static const char *const want[][2] = {
        { "a", "b" }, { "c", NULL }, { "d", "=e" }, { "", "f" }, { "g", "" }
    };
    for (size_t i = 0; i < 5; i++) {
        assert_true(uri_query_next(&rest, &name, &value));
        assert_true(slice_equal(name, slice_of(want[i][0], strlen(want[i][0]))));
        assert_int_equal(value.p != NULL, want[i][1] != NULL);
        if (want[i][1])
            assert_true(slice_equal(value, slice_of(want[i][1], strlen(want[i][1]))));
    }
    assert_false(uri_query_next(&rest, &name, &value));
    rest = slice_of(NULL, 0);
    assert_false(uri_query_next(&rest, &name, &value));
}

static void decoding(void **state)
{
    (void)state;
    char out[20];
    assert_int_equal(uri_decode(SLICE("a%20b+%c3"), true, out, sizeof(out)), 5);
    assert_memory_equal(out, "a b \xc3", 5);
    assert_int_equal(uri_decode(SLICE("a+"), false, out, sizeof(out)), 2);
    assert_memory_equal(out, "a+", 2);
    assert_int_equal(uri_decode(SLICE("%00"), false, out, 1), 1);
    assert_int_equal(uri_decode(SLICE("abc"), false, out, 2), -1);
    assert_int_equal(uri_decode(SLICE("%"), false, out, 9), -1);
    assert_int_equal(uri_decode(SLICE("%2"), false, out, 9), -1);
    assert_int_equal(uri_decode(SLICE("%2x"), false, out, 9), -1);
    assert_int_equal(uri_decode(SLICE(""), false, out, 0), 0);
}

static void hosts(void **state)
{
    (void)state;
    char out[40];
    struct slice name;
    int port;
    assert_true(uri_host(SLICE("ExAmple.COM.:8080"), out, sizeof(out), &name, &port));
    assert_true(slice_equal(name, SLICE("example.com")));
    assert_int_equal(port, 8080);
    assert_true(uri_host(SLICE("[::FF]"), out, sizeof(out), &name, &port));
    assert_true(slice_equal(name, SLICE("[::ff]")));
    assert_int_equal(port, 0);
    assert_true(uri_host(SLICE("[0:0::a0A:B0B]:80"), out, sizeof(out), &name, &port));
    assert_true(slice_equal(name, SLICE("[::10.10.11.11]")));
    assert_false(uri_host(SLICE("[::a0a:a0a]"), out, 13, &name, &port));
    char exact[5];
    assert_true(uri_host(SLICE("[::1]:8"), exact, sizeof exact, &name, &port));
    assert_true(slice_equal(name, SLICE("[::1]")) && port == 8);
    assert_false(uri_host(SLICE("a b"), out, sizeof(out), &name, &port));
    assert_false(uri_host(SLICE("abc"), out, 2, &name, &port));
}

static int set_up(void **state)
{
    (void)state;
    map = guarded_map();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_forms), cmocka_unit_test(a_normal_path_is_not_copied),
        cmocka_unit_test(room),         cmocka_unit_test(idempotent_and_clean),
        cmocka_unit_test(queries),      cmocka_unit_test(decoding),
        cmocka_unit_test(hosts),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
