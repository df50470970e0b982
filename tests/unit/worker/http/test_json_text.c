/* SPDX-License-Identifier: Apache-2.0 */
/* What is JSON and what is not, beside jansson; and that a walk finds what the check let pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guarded.h"
#include "worker/http/json_text.h"
#include <jansson.h>
#include <stdio.h>

static char *map;

static bool is_json(const char *text, size_t n, struct slice *value)
{
    return json_text_check(slice_of(guarded_tail(map, text, n), n), value);
}

static bool is_json_elsewhere(const char *text, size_t n)
{
    json_t *json = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    json_decref(json);
    return json != NULL;
}

static void texts(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        { "{}", true },
        { " [ ] ", true },
        { "0", true },
        { "-0.0e-0", true },
        { "1E+2", true },
        { "true", true },
        { "[true,false,null]", true },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00fF\"", true },
        { "{\"a\":{\"b\":[{},[],\"]}\"]}}", true },
        { "[1,2 , 3]\n", true },
        { "", false },
        { " ", false },
        { "{", false },
        { "}", false },
        { "[}", false },
        { "{]", false },
        { "[1,]", false },
        { "[,1]", false },
        { "[1 2]", false },
        { "{\"a\" 1}", false },
        { "{\"a\":}", false },
        { "{\"a\":1,}", false },
        { "{1:2}", false },
        { "{\"a\":1}}", false },
        { "01", false },
        { "1.", false },
        { ".5", false },
        { "1e", false },
        { "+1", false },
        { "-", false },
        { "tru", false },
        { "True", false },
        { "\"\\x\"", false },
        { "\"\\u12g4\"", false },
        { "\"\\u12\"", false },
        { "\"a", false },
        { "\"\\", false },
        { "\"\t\"", false },
        { "'a'", false },
        { "[1]//", false },
    };
    struct slice value;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].text);
        assert_int_equal(is_json(cases[i].text, n, &value), cases[i].good);
        assert_int_equal(is_json_elsewhere(cases[i].text, n), cases[i].good);
    }
    assert_true(is_json(" [1] ", 5, &value));
    assert_true(slice_equal(value, SLICE("[1]")));
}

static void numbers(void **state)
{
    (void)state;
    assert_true(json_text_is_number(SLICE("-12.5e+7")));
    assert_false(json_text_is_number(SLICE("")));
    assert_false(json_text_is_number(SLICE("1 ")));
    assert_false(json_text_is_number(SLICE("1,\"a\":2")));
    assert_false(json_text_is_number(SLICE("true")));
}

static void members(void **state)
{
    struct slice rest = SLICE("{ \"a\" : \"}\\\"{\" , \"b\":[1,{\"x\":2}] ,\"\":{ } , \"c\" :-1 }");
    static const char *const wanted[][2] = { { "\"a\"", "\"}\\\"{\"" },
                                             { "\"b\"", "[1,{\"x\":2}]" },
                                             { "\"\"", "{ }" },
                                             { "\"c\"", "-1" } };
    struct json_text_member m;
    size_t n = 0;
    (void)state;
    for (; json_text_next(&rest, &m); n++) {
        assert_true(n < sizeof wanted / sizeof *wanted);
        assert_true(slice_equal(m.name, slice_of(wanted[n][0], strlen(wanted[n][0]))));
        assert_true(slice_equal(m.value, slice_of(wanted[n][1], strlen(wanted[n][1]))));
    }
    assert_int_equal(n, sizeof wanted / sizeof *wanted);
    rest = SLICE("{ }");
    assert_false(json_text_next(&rest, &m));
}

/* Texts put together by chance out of what JSON is made of: the verdicts are one. */
static void as_elsewhere(void **state)
{
    static const char *const pieces[] = { "{",     "}",    "[",    "]",     ",",  ":", "\"",
                                          "\"a\"", "\\",   "1",    "0",     "-",  ".", "e",
                                          " ",     "true", "null", "u0041", "\\n" };
    unsigned long long seed = 7;
    unsigned good = 0;
    struct slice value;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[64];
        size_t n = 0;
        for (unsigned k = 1 + guarded_random(&seed) % 7; k > 0; k--) {
            const char *piece = pieces[guarded_random(&seed) % (sizeof pieces / sizeof *pieces)];
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", piece);
        }
        bool is = is_json(text, n, &value);
        assert_int_equal(is, is_json_elsewhere(text, n));
        good += is;
    }
    assert_true(good > 1000);
}

int main(void)
{
    map = guarded_map();
    const struct CMUnitTest tests[] = { cmocka_unit_test(texts), cmocka_unit_test(numbers),
                                        cmocka_unit_test(members), cmocka_unit_test(as_elsewhere) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
