/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of stored responses: read back as written, different for different parts, matched by URL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/http/cache_key.h"
#include <stdlib.h>

static struct cache_key_parts plain(void)
{
    return (struct cache_key_parts){
        .route_id = SLICE("11111111-1111-4111-8111-111111111111"),
        .method = SLICE("GET"),
        .host = SLICE("h.example"),
        .path = SLICE("/a/b"),
        .query = SLICE("x=1&y=2"),
    };
}

static void assert_slice(struct slice got, struct slice wanted)
{
    assert_int_equal(got.p == NULL, wanted.p == NULL);
    assert_true(slice_equal(got, wanted));
}

static void test_read_back(void **state)
{
    struct cache_key_parts parts = plain(), back;
    char key[256];

    (void)state;
    parts.consumer_id = SLICE("someone");
    parts.vary_n = 3;
    parts.vary[0] = SLICE("gzip");
    parts.vary[2] = SLICE("");
    parts.query_chosen = true;
    ptrdiff_t n = cache_key_write(&parts, key, sizeof key);
    assert_true(n > 0);
    assert_true(cache_key_read(key, (size_t)n, &back));
    assert_slice(back.route_id, parts.route_id);
    assert_slice(back.consumer_id, parts.consumer_id);
    assert_slice(back.method, parts.method);
    assert_slice(back.host, parts.host);
    assert_slice(back.path, parts.path);
    assert_slice(back.query, parts.query);
    assert_int_equal(back.vary_n, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_slice(back.vary[i], parts.vary[i]);
    assert_true(back.query_chosen);
    assert_false(back.case_folded);
}

/* What joined text would mix up. */
static void test_different_parts_differ(void **state)
{
    struct cache_key_parts all[8];
    char keys[8][256];
    ptrdiff_t n[8];

    (void)state;
    for (int i = 0; i < 8; i++)
        all[i] = plain();
    all[1].path = SLICE("/a");
    all[1].query = SLICE("/bx=1&y=2");
    all[2].path = SLICE("/a/b?x=1&y=2");
    all[2].query = (struct slice){ NULL, 0 };
    all[3].query = SLICE("");
    all[4].query = (struct slice){ NULL, 0 };
    all[5].vary_n = 1;
    all[6].vary_n = 1;
    all[6].vary[0] = SLICE("");
    all[7].consumer_id = SLICE("");
    for (int i = 0; i < 8; i++)
        n[i] = cache_key_write(&all[i], keys[i], sizeof keys[i]);
    for (int i = 0; i < 8; i++)
        for (int k = i + 1; k < 8; k++)
            assert_false(n[i] == n[k] && memcmp(keys[i], keys[k], (size_t)n[i]) == 0);
}

static void test_what_does_not_fit(void **state)
{
    struct cache_key_parts parts = plain();
    char key[256];
    ptrdiff_t n = cache_key_write(&parts, key, sizeof key);
    char *large = calloc(1, 70000);

    (void)state;
    assert_int_equal(cache_key_write(&parts, key, (size_t)n), n);
    for (ptrdiff_t cap = 0; cap < n; cap++)
        assert_int_equal(cache_key_write(&parts, key, (size_t)cap), -1);
    parts.path = slice_of(large, 65535);
    char *out = malloc(80000);
    assert_int_equal(cache_key_write(&parts, out, 80000), -1);
    parts.path.n = 65534;
    assert_true(cache_key_write(&parts, out, 80000) > 65534);
    parts.vary_n = CACHE_KEY_VARY_MAX + 1;
    assert_int_equal(cache_key_write(&parts, out, 80000), -1);
    free(out);
    free(large);
}

static void test_bytes_that_are_no_key(void **state)
{
    struct cache_key_parts parts = plain(), back;
    char key[256], *exact;
    ptrdiff_t n = cache_key_write(&parts, key, sizeof key);

    (void)state;
    for (ptrdiff_t cut = 0; cut < n;
         cut++) { /* its own block each time, so that a sanitizer sees a read past it */
        exact = malloc((size_t)cut + 1);
        memcpy(exact, key, (size_t)cut);
        assert_false(cache_key_read(exact, (size_t)cut, &back));
        free(exact);
    }
    key[n] = 'x';
    assert_false(cache_key_read(key, (size_t)n + 1, &back));
    key[0] = 0x40;
    assert_false(cache_key_read(key, (size_t)n, &back));
    key[0] = 0;
    key[1] = CACHE_KEY_VARY_MAX + 1;
    assert_false(cache_key_read(key, (size_t)n, &back));
}

static void assert_chosen(const char *query, const char *wanted)
{
    static const struct conf_text names[] = { { "a", 1 }, { "b c", 3 }, { "lang", 4 } };
    const struct conf_texts texts = { names, 3 };
    char out[128];
    ptrdiff_t n = cache_key_query(slice_of(query, strlen(query)), &texts, out, sizeof out);

    assert_int_equal(n, strlen(wanted));
    assert_memory_equal(out, wanted, strlen(wanted));
}

static void test_chosen_query(void **state)
{
    (void)state;
    assert_chosen("", "");
    assert_chosen("z=1", "");
    assert_chosen("lang=de&z=1&a=2", "a=2&lang=de");
    assert_chosen("a=2&a=1&a", "a=2&a=1&a");
    assert_chosen("%61=2", "%61=2"); /* an upstream reads it as "a" */
    assert_chosen("b+c=1&b%20c=2", "b+c=1&b%20c=2");
    assert_chosen("aa=1&A=1", "");
}

static void test_chosen_query_too_small(void **state)
{
    static const struct conf_text names[] = { { "a", 1 } };
    const struct conf_texts texts = { names, 1 };
    char out[4];

    (void)state;
    assert_int_equal(cache_key_query(SLICE("a=123"), &texts, out, sizeof out), -1);
    assert_int_equal(cache_key_query((struct slice){ NULL, 0 }, &texts, out, sizeof out), 0);
}

static void test_matches(void **state)
{
    struct cache_key_parts parts = plain();
    const struct slice host = SLICE("h.example"), path = SLICE("/a/b"), query = SLICE("x=1&y=2");

    (void)state;
    assert_true(cache_key_matches(&parts, host, path, query));
    assert_false(cache_key_matches(&parts, SLICE("i.example"), path, query));
    assert_false(cache_key_matches(&parts, host, SLICE("/a/B"), query));
    assert_false(cache_key_matches(&parts, host, path, SLICE("y=2&x=1")));
    assert_false(cache_key_matches(&parts, host, path, (struct slice){ NULL, 0 }));
    parts.case_folded = true;
    assert_true(cache_key_matches(&parts, host, SLICE("/A/B"), query));
    assert_false(cache_key_matches(&parts, host, SLICE("/A/B"), SLICE("X=1&y=2")));
    parts.query = SLICE("");
    assert_false(cache_key_matches(&parts, host, path, (struct slice){ NULL, 0 }));
}

static void test_matches_a_chosen_query(void **state)
{
    struct cache_key_parts parts = plain();

    (void)state;
    parts.query_chosen = true;
    parts.query = SLICE("x=1");
    assert_true(cache_key_matches(&parts, parts.host, parts.path, SLICE("z=9&x=1")));
    assert_false(cache_key_matches(&parts, parts.host, parts.path, SLICE("z=9&x=12")));
    assert_false(cache_key_matches(&parts, parts.host, parts.path, (struct slice){ NULL, 0 }));
    parts.query = SLICE("");
    assert_true(cache_key_matches(&parts, parts.host, parts.path, (struct slice){ NULL, 0 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_back),         cmocka_unit_test(test_different_parts_differ),
        cmocka_unit_test(test_what_does_not_fit), cmocka_unit_test(test_bytes_that_are_no_key),
        cmocka_unit_test(test_chosen_query),      cmocka_unit_test(test_chosen_query_too_small),
        cmocka_unit_test(test_matches),           cmocka_unit_test(test_matches_a_chosen_query),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
