/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of JSON: each kind, names in every spelling, what is there twice, nested names. */
#include "worker/http/json_edit.h"

#include "editing.h"
#include "worker/http/json_text.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define GIVES(text, wanted, ...)                                                                   \
    editing_gives(json_edit, EDITS(false, __VA_ARGS__), SLICE(text), wanted)
#define NESTED(text, wanted, ...)                                                                  \
    editing_gives(json_edit, EDITS(true, __VA_ARGS__), SLICE(text), wanted)

static void each_kind(void **state)
{
    (void)state;
    GIVES("{\"a\":1,\"b\":2}", "{\"b\":2}", REMOVE("a"));
    GIVES("{\"a\":1}", "{}", REMOVE("a"));
    GIVES("{\"a\":1,\"b\":2}", "{\"c\":1,\"b\":2}", RENAME("a", "c"));
    GIVES("{\"a\":1,\"b\":2}", "{\"b\":1}", RENAME("a", "b"));
    GIVES("{\"a\":{\"x\":1}}", "{\"a\":\"v\"}", REPLACE("a", "v"));
    GIVES("{ }", "{\"a\":\"v\"}", ADD("a", "v"));
    GIVES("{\"a\":null}", "{\"a\":[null,\"v\"]}", APPEND("a", "v"));
    GIVES("{\"a\":[ ]}", "{\"a\":[ \"v\"]}", APPEND("a", "v"));
    GIVES("{\"a\":[1, 2]}", "{\"a\":[1, 2,\"v\",\"w\"]}", APPEND("a", "v"), APPEND("a", "w"));
    GIVES("{}", "{\"a\":[\"v\"]}", APPEND("a", "v"));
    GIVES("{\"a\":1,\"b\":2,\"c\":3}", "{\"b\":2}", ALLOW("b"), ALLOW("d"));
}

static void what_is_not_there_stays_so(void **state)
{
    (void)state;
    GIVES("{\"b\":1}", NULL, REMOVE("a"));
    GIVES("{\"b\":1}", NULL, RENAME("a", "c"));
    GIVES("{\"a\":1}", NULL, RENAME("a", "a"));
    GIVES("{\"b\":1}", NULL, REPLACE("a", "v"));
    GIVES("{\"a\":null}", NULL, ADD("a", "v"));
    GIVES("{\"a\":1}", NULL, ALLOW("a"));
}

static void one_after_the_other(void **state)
{
    (void)state;
    GIVES("{\"a\":1,\"b\":2,\"d\":4}", "{\"a\":\"r\",\"d\":[4,\"x\"],\"b\":\"n\"}", REMOVE("a"),
          RENAME("b", "a"), REPLACE("a", "r"), ADD("b", "n"), APPEND("d", "x"));
}

static void the_rest_stays_as_it_is_written(void **state)
{
    (void)state;
    GIVES(" {\n \"n\" : 12345678901234567890.10e+1 , \"s\":\"\\u00e4\\/\", \"x\" : [ 1 , {} ] ,"
          "\"out\":0}\r\n",
          "{\"n\":12345678901234567890.10e+1,\"s\":\"\\u00e4\\/\",\"x\":[ 1 , {} ]}",
          REMOVE("out"));
}

static void a_name_in_every_spelling(void **state)
{
    (void)state;
    GIVES("{\"\\u0061dmin\":1,\"x\":2}", "{\"x\":2}", REMOVE("admin"));
    GIVES("{\"a\\/b\\n\\\"\":1}", "{}", REMOVE("a/b\n\""));
    GIVES("{\"\\ud83d\\ude00\":1}", "{}", REMOVE("\xf0\x9f\x98\x80"));
    GIVES("{\"\\u20ac\":1}", "{}", REMOVE("\xe2\x82\xac"));
    GIVES("{\"admin\\u0000\":1,\"Admin\":2,\"admi\":3,\"\":4}", NULL, REMOVE("admin"));
}

/* Whichever of them a reader takes, it takes the one that is left. */
static void what_is_there_twice(void **state)
{
    (void)state;
    GIVES("{\"a\":1,\"a\":2,\"\\u0061\":3}", "{}", REMOVE("a"));
    GIVES("{\"a\":1,\"b\":0,\"a\":2}", "{\"b\":0,\"c\":2}", RENAME("a", "c"));
    GIVES("{\"a\":1,\"b\":0,\"b\":3}", "{\"b\":1}", RENAME("a", "b"));
    GIVES("{\"a\":1,\"a\":2}", "{\"a\":\"v\"}", REPLACE("a", "v"));
    GIVES("{\"a\":1,\"a\":2}", "{\"a\":2}", ADD("a", "v"));
    GIVES("{\"a\":1,\"a\":2}", "{\"a\":[2,\"v\"]}", APPEND("a", "v"));
    NESTED("{\"a\":{\"x\":1},\"a\":{\"x\":2,\"y\":3}}", "{\"a\":{\"y\":3}}", REMOVE("a.x"));
}

static void values_break_out_of_nothing(void **state)
{
    (void)state;
    GIVES("{}", "{\"a\":\"\\\",\\\"x\\\":\\\"\"}", ADD("a", "\",\"x\":\""));
    GIVES("{}", "{\"a\\\"\":\"\\r\\n\\u0000\\\\\"}", ADD("a\"", "\r\n\0\\"));
    GIVES("{}", "{\"a\":\"\\ufffd\"}", ADD("a", "\xff"));
}

static void types(void **state)
{
    const struct edit number = { CONF_CHANGE_ADD, CONF_JSON_NUMBER, SLICE("n"), SLICE("-1.5e3") };
    const struct edit none = { CONF_CHANGE_ADD, CONF_JSON_NUMBER, SLICE("m.x"), SLICE("1,2") };
    const struct edit yes = { CONF_CHANGE_APPEND, CONF_JSON_BOOLEAN, SLICE("y"), SLICE("true") };
    const struct edit no = { CONF_CHANGE_ADD, CONF_JSON_BOOLEAN, SLICE("o"), SLICE("x") };
    (void)state;
    NESTED("{}", "{\"n\":-1.5e3,\"y\":[true],\"o\":false}", number, none, yes, no);
    NESTED("{}", NULL, none);
}

static void nested_names(void **state)
{
    (void)state;
    GIVES("{\"a.b\":1,\"a\":{\"b\":2}}", "{\"a\":{\"b\":2}}", REMOVE("a.b"));
    NESTED("{\"a.b\":1,\"a\":{\"b\":2,\"c\":3}}", "{\"a.b\":1,\"a\":{\"c\":3}}", REMOVE("a.b"));
    NESTED("{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{\"b\":{\"d\":1}}}", RENAME("a.b.c", "d"));
    NESTED("{\"a\":{\"b\":1}}", "{\"a\":{\"b\":\"v\",\"c\":\"w\"}}", REPLACE("a.b", "v"),
           ADD("a.c", "w"));
    NESTED("{\"x\":1}", "{\"x\":1,\"a\":{\"b\":{\"c\":\"v\",\"d\":[\"w\"]}}}", ADD("a.b.c", "v"),
           APPEND("a.b.d", "w"));
    NESTED("{\"a\":{\"b\":1}}", "{\"a\":[{\"b\":\"v\"},\"w\"]}", REPLACE("a.b", "v"),
           APPEND("a", "w"));
    NESTED("{\"a\":[{\"b\":1}]}", NULL, REMOVE("a.b"), ADD("a.c", "v"), REPLACE("a.b", "v"));
    NESTED("{}", NULL, REMOVE("a.b"), REPLACE("a.b", "v"), RENAME("a.b", "c"));
    NESTED("{\"a\":{\"b\":1},\"b\":2}", "{\"a\":{\"b\":1}}", ALLOW("a"));
}

static void elements_of_arrays(void **state)
{
    (void)state;
    NESTED("{\"a\":[{\"b\":1},2, {\"b\":3,\"c\":4}]}", "{\"a\":[{},2,{\"c\":4}]}",
           REMOVE("a[*].b"));
    NESTED("{\"a\":[{\"b\":1}, {\"b\":2}]}", "{\"a\":[{\"b\":1},{}]}", REMOVE("a[2].b"));
    NESTED("{\"a\":[1,2,3]}", "{\"a\":[1,3]}", REMOVE("a[2]"));
    NESTED("{\"a\":[1,2,3]}", "{\"a\":[3]}", REMOVE("a[1]"), REMOVE("a[1]")); /* one by one */
    NESTED("{\"a\":[1,2,3]}", "{\"a\":[]}", REMOVE("a[*]"));
    NESTED("{\"a\":[ ]}", NULL, REMOVE("a[*]"), REPLACE("a[1]", "v"), REMOVE("a[*].b"));
    NESTED("{\"a\":[1,2]}", "{\"a\":[\"v\",\"v\"]}", REPLACE("a[*]", "v"));
    NESTED("{\"a\":[[1,2],[3]]}", "{\"a\":[[2],[]]}", REMOVE("a[*][1]"));
    NESTED("{\"a\":[[{\"b\":[0,{\"c\":1}]}]]}", "{\"a\":[[{\"b\":[0,{\"c\":\"v\"}]}]]}",
           REPLACE("a[1][*].b[2].c", "v"));
    NESTED("{\"a\":[{\"b\":1},{\"c\":2}]}", "{\"a\":[{\"x\":1},{\"c\":2}]}", RENAME("a[*].b", "x"));
    NESTED("{\"a\":[{\"b\":1},{},3]}",
           "{\"a\":[{\"b\":1,\"c\":{\"d\":\"v\"}},{\"b\":\"w\",\"c\":{\"d\":\"v\"}},3]}",
           ADD("a[*].b", "w"), ADD("a[*].c.d", "v"));
    NESTED("{\"a\":[{\"t\":[1]},{\"t\":[ ]},{}]}",
           "{\"a\":[{\"t\":[1,\"v\"]},{\"t\":[ \"v\"]},{\"t\":[\"v\"]}]}", APPEND("a[*].t", "v"));
    NESTED("{\"a\":[{\"b\":1},{}]}", "{\"a\":[{\"b\":\"v\"},{},\"w\"]}", REPLACE("a[1].b", "v"),
           APPEND("a", "w"));
    NESTED("{\"a\":[1,[2]]}", "{\"a\":[[1,\"v\"],[2,\"v\"]]}", APPEND("a[*]", "v"));
    NESTED("{\"a\":{\"b\":1},\"c\":\"[1]\"}", NULL, REMOVE("a[1]"), REMOVE("a[*].b"),
           REMOVE("c[1]"));
    NESTED("{\"a\":[1]}", NULL, REMOVE("a[2]"), ADD("a[1]", "v"), ADD("a[2]", "v"),
           RENAME("a[1]", "x"), REMOVE("a[0]"), REMOVE("a[99999999999]"));
    NESTED("{}", NULL, ADD("a[1]", "v"), ADD("a[*].b", "v"), APPEND("a[1].b", "v"));
}

/* Brackets that lead nowhere are a part of the name, and so are all where dots are. */
static void brackets_in_names(void **state)
{
    (void)state;
    GIVES("{\"a[1]\":1,\"a\":[2]}", "{\"a\":[2]}", REMOVE("a[1]"));
    NESTED("{\"a[x]\":1,\"b[]\":2,\"[1]\":3,\"c[1]d\":4,\"e[\":5,\"f[0]\":6,\"g\":7}", "{\"g\":7}",
           REMOVE("a[x]"), REMOVE("b[]"), REMOVE("[1]"), REMOVE("c[1]d"), REMOVE("e["),
           REMOVE("f[0]"));
}

/* A little in each of many elements is much. */
static void what_would_grow_too_much(void **state)
{
    enum { ELEMENTS = 60000, VALUE = 200 };
    static char text[4 * ELEMENTS + 8], value[VALUE];
    (void)state;
    size_t n = (size_t)snprintf(text, sizeof text, "{\"a\":[{}");
    for (int i = 1; i < ELEMENTS; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, ",{}");
    n += (size_t)snprintf(text + n, sizeof text - n, "]}");
    memset(value, 'v', sizeof value);
    struct edit edit = { CONF_CHANGE_ADD, CONF_JSON_STRING, SLICE("a[*].b"), { value, 1 } };
    struct edits edits = { &edit, 1, true };
    struct arena arena;
    struct slice out;
    arena_init(&arena, NULL, 0);
    assert_int_equal(json_edit(slice_of(text, n), &edits, &arena, &out), EDIT_DONE);
    assert_int_equal(out.n, n + ELEMENTS * strlen("\"b\":\"v\""));
    edit.value.n = VALUE;
    assert_int_equal(json_edit(slice_of(text, n), &edits, &arena, &out), EDIT_NO_MEMORY);
    edit.kind = CONF_CHANGE_APPEND;
    assert_int_equal(json_edit(slice_of(text, n), &edits, &arena, &out), EDIT_NO_MEMORY);
    arena_reset(&arena);
}

static void what_is_no_object_stays(void **state)
{
    (void)state;
    static const char *const texts[] = { "[{\"a\":1}]", "1",      "\"a\"",         "null",
                                         "{\"a\":1",    "{a:1}",  "{\"a\":1,}",    "{\"a\":1}x",
                                         " ",           "{\"a\"", "{\"a\":01}",    "\xef\xbb\xbf{}",
                                         "{\"a\":NaN}", "{,}",    "{\"a\":\"\n\"}" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        editing_gives(json_edit, EDITS(false, REMOVE("a"), ADD("b", "v"), ALLOW("c")),
                      slice_of(texts[i], strlen(texts[i])), NULL);
}

static void nothing_is_an_object_to_be_filled(void **state)
{
    (void)state;
    GIVES("", "{\"a\":\"v\"}", REMOVE("x"), ADD("a", "v"));
    GIVES("", NULL, REMOVE("x"), REPLACE("a", "v"));
}

/* Many members, and levels as deep as they may be. */
static void large_and_deep(void **state)
{
    enum { MEMBERS = 20000, ROOM = 20 * MEMBERS };
    char *text = malloc(ROOM);
    (void)state;
    assert_non_null(text);
    size_t n = 0;
    text[n++] = '{';
    for (int i = 0; i < MEMBERS; i++)
        n += (size_t)snprintf(text + n, ROOM - n, "%s\"m%d\":%d", i ? "," : "", i, i);
    text[n++] = '}';
    struct arena arena;
    struct slice out;
    const struct edits edits = EDITS(false, REMOVE("m19999"), ADD("new", "v"));
    arena_init(&arena, NULL, 0);
    assert_int_equal(json_edit(slice_of(text, n), &edits, &arena, &out), EDIT_DONE);
    json_t *json = json_loadb(out.p, out.n, 0, NULL);
    assert_int_equal(json_object_size(json), MEMBERS);
    assert_null(json_object_get(json, "m19999"));
    assert_string_equal(json_string_value(json_object_get(json, "new")), "v");
    json_decref(json);
    arena_reset(&arena);
    for (size_t deep = JSON_TEXT_DEPTH - 1; deep <= JSON_TEXT_DEPTH; deep++) {
        n = 0;
        memcpy(text, "{\"a\":", 5);
        n = 5;
        memset(text + n, '[', deep);
        memset(text + n + deep, ']', deep);
        n += 2 * deep;
        text[n++] = '}';
        arena_init(&arena, NULL, 0);
        assert_int_equal(json_edit(slice_of(text, n), &edits, &arena, &out),
                         deep < JSON_TEXT_DEPTH ? EDIT_DONE : EDIT_SAME);
        arena_reset(&arena);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind),
        cmocka_unit_test(what_is_not_there_stays_so),
        cmocka_unit_test(one_after_the_other),
        cmocka_unit_test(the_rest_stays_as_it_is_written),
        cmocka_unit_test(a_name_in_every_spelling),
        cmocka_unit_test(what_is_there_twice),
        cmocka_unit_test(values_break_out_of_nothing),
        cmocka_unit_test(types),
        cmocka_unit_test(nested_names),
        cmocka_unit_test(elements_of_arrays),
        cmocka_unit_test(brackets_in_names),
        cmocka_unit_test(what_would_grow_too_much),
        cmocka_unit_test(what_is_no_object_stays),
        cmocka_unit_test(nothing_is_an_object_to_be_filled),
        cmocka_unit_test(large_and_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
