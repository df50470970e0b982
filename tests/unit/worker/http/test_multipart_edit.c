/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of multipart forms: each kind, names in every spelling, and what is left alone. */
#include "worker/http/multipart_edit.h"

#include "editing.h"

#define PART(name, text)                                                                           \
    "--B\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" text "\r\n"
#define FILE_PART(name, text)                                                                      \
    "--B\r\nContent-Type: image/png\r\ncontent-disposition: form-data; filename=\"name=\"; "       \
    "name=\"" name "\"\r\n\r\n" text "\r\n"
#define END "--B--\r\n"

static enum edit_result engine(struct slice text, const struct edits *edits, struct arena *arena,
                               struct slice *out)
{
    return multipart_edit(text, SLICE("B"), edits, arena, out);
}
#define GIVES(text, wanted, ...)                                                                   \
    editing_gives(engine, EDITS(false, __VA_ARGS__), SLICE(text), wanted)

static void each_kind(void **state)
{
    (void)state;
    GIVES(PART("a", "1") PART("b", "2") FILE_PART("a", "") END, PART("b", "2") END, REMOVE("a"));
    GIVES(PART("a", "1") END, END, REMOVE("a"));
    GIVES(FILE_PART("a", "\r\n\r\n--\0x") PART("b", "2") END, NULL, REMOVE("c"), RENAME("c", "a"),
          REPLACE("c", "v"), ADD("a", "v"));
    GIVES(FILE_PART("a", "x\r\n--") PART("b", "2") END, FILE_PART("b", "x\r\n--") END,
          RENAME("a", "b"));
    GIVES(FILE_PART("a", "x") PART("b", "2") PART("a", "3") END, PART("a", "v") PART("b", "2") END,
          REPLACE("a", "v"));
    GIVES(PART("b", "2") END, PART("b", "2") PART("a", "v\r\nw") END, ADD("a", "v\r\nw"));
    GIVES("", PART("a", "v") END, ADD("a", "v"));
    GIVES(PART("a", "1") END, PART("a", "1") PART("a", "v") END, APPEND("a", "v"));
    GIVES(PART("a", "1") PART("b", "2") PART("c", "3") END, PART("b", "2") END, ALLOW("b"));
}

static void a_name_in_every_spelling(void **state)
{
    (void)state;
    GIVES(PART("a\\\"b", "1") PART("a%22b", "2") PART("a'b", "3") END, PART("a'b", "3") END,
          REMOVE("a\"b"));
    GIVES("--B\r\nCONTENT-DISPOSITION:form-data;name=a;x\r\n\r\n1\r\n" END, END, REMOVE("a"));
    GIVES("--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" END, PART("b", "1") END,
          RENAME("a", "b"));
}

static void names_and_values_break_out_of_nothing(void **state)
{
    struct arena arena;
    struct slice out;
    (void)state;
    GIVES("", PART("a%22%0D%0A%5C", "v") END, ADD("a\"\r\n\\", "v"));
    static const char *const evil[] = {
        "--B\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1", "x\r\n--B--", "--B"
    };
    for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
        const struct edit add = { CONF_CHANGE_ADD, CONF_JSON_STRING, SLICE("a"),
                                  slice_of(evil[i], strlen(evil[i])) };
        arena_init(&arena, NULL, 0);
        assert_int_equal(engine(SLICE(""), &(struct edits){ &add, 1, false }, &arena, &out),
                         EDIT_REFUSED);
        arena_reset(&arena);
    }
}

static void around_the_parts(void **state)
{
    (void)state;
    GIVES("preamble\r\n" PART("a", "1") PART("b", "2") "--B--\r\nepilogue", PART("b", "2") END,
          REMOVE("a"));
    GIVES(
        "--B \t\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n" PART("b", "2") "--B--",
        PART("b", "2") END, REMOVE("a"));
}

static void what_is_malformed_stays(void **state)
{
    static const char *const texts[] = {
        "x",
        "--B",
        "--B\r\n",
        "--C--",
        PART("a", "1"),
        PART("a", "1") "--Bx\r\n" END,
        "--B\nContent-Disposition: form-data; name=\"a\"\n\n1\n" END,
        "--B\r\n\r\n1\r\n" END,
        "--B\r\nContent-Type: text/plain\r\n\r\n1\r\n" END,
        "--B\r\nContent-Disposition: form-data\r\n\r\n1\r\n" END,
        "--B\r\nContent-Disposition: form-data; name=\"a\"; name=\"b\"\r\n\r\n1\r\n" END,
        "--B\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n" END,
        "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n1\r\n" END,
        "--B\r\nContent-Disposition: form-data;\r\n name=\"a\"\r\n\r\n1\r\n" END,
        "--B\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; "
        "name=\"b\"\r\n\r\n1\r\n" END,
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        editing_gives(engine, EDITS(false, REMOVE("a"), ADD("x", "v"), ALLOW("c")),
                      slice_of(texts[i], strlen(texts[i])), NULL);
}

static void boundary_is(const char *type, const char *wanted)
{
    struct slice b = multipart_edit_boundary(slice_of(type, strlen(type)));
    assert_int_equal(b.n, wanted ? strlen(wanted) : 0);
    if (wanted)
        assert_memory_equal(b.p, wanted, b.n);
}

static void boundaries(void **state)
{
    (void)state;
    boundary_is("multipart/form-data; boundary=----x'()+_,-./:=?9", "----x'()+_,-./:=?9");
    boundary_is("multipart/form-data; charset=utf-8 ;Boundary=\"a:b\"", "a:b");
    boundary_is("multipart/form-data", NULL);
    boundary_is("multipart/form-data; boundary=", NULL);
    boundary_is("multipart/form-data; boundary=\"\"", NULL);
    boundary_is("multipart/form-data; boundary=a b", NULL);
    boundary_is("multipart/form-data; boundary=\"a\\\"b\"", NULL);
    boundary_is("multipart/form-data; boundary=a; boundary=b", NULL);
    boundary_is("multipart/form-data; x=\"; boundary=b\"", NULL);
    boundary_is("multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901"
                "234567890123456789x",
                NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_kind),
                                        cmocka_unit_test(a_name_in_every_spelling),
                                        cmocka_unit_test(names_and_values_break_out_of_nothing),
                                        cmocka_unit_test(around_the_parts),
                                        cmocka_unit_test(what_is_malformed_stays),
                                        cmocka_unit_test(boundaries) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
