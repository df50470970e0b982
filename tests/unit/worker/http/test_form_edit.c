/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of forms: each kind, names in every spelling. */
#include "worker/http/form_edit.h"

#include "editing.h"

#define GIVES(text, wanted, ...)                                                                   \
    editing_gives(form_edit, EDITS(false, __VA_ARGS__), SLICE(text), wanted)

static void each_kind(void **state)
{
    (void)state;
    GIVES("a=1&b=2&a", "b=2", REMOVE("a"));
    GIVES("a=1", "", REMOVE("a"));
    GIVES("a=1&b=%20&a&c=0", "b=1&b&c=0", RENAME("a", "b"));
    GIVES("a=1&b=2&a=3", "a=v%26&b=2", REPLACE("a", "v&"));
    GIVES("b=2", "b=2&a%20b=v", ADD("a b", "v"));
    GIVES("", "a=v", ADD("a", "v"));
    GIVES("a=1&b=2", "a=1&b=2&a=v", APPEND("a", "v"));
    GIVES("a=1&b=2&c", "b=2", ALLOW("b"), ALLOW("d"));
    GIVES("a=1&b=2", "a=r&b=n&d=x", REMOVE("a"), RENAME("b", "a"), REPLACE("a", "r"), ADD("b", "n"),
          APPEND("d", "x"));
}

static void what_is_not_there_stays_so(void **state)
{
    (void)state;
    GIVES("b=1&&c", NULL, REMOVE("a"), RENAME("a", "x"), REPLACE("a", "v"), ADD("b", "v"));
    GIVES("a=1", NULL, RENAME("a", "a"), ALLOW("a"));
    GIVES("", NULL, REMOVE("a"));
}

static void a_name_in_every_spelling(void **state)
{
    (void)state;
    GIVES("%61dmi%6e=1&x=2", "x=2", REMOVE("admin"));
    GIVES("a+b=1&a%20b=2&a%2Bb=3", "a%2Bb=3", REMOVE("a b"));
    GIVES("%zz=1&%=2&%4=3", "%=2&%4=3", REMOVE("%zz"));
    assert_true(form_edit_means(SLICE("%c3%A4"), SLICE("\xc3\xa4")));
    assert_false(form_edit_means(SLICE("a%00"), SLICE("a")));
    assert_false(form_edit_means(SLICE("a+b"), SLICE("a+b")));
    assert_false(form_edit_means(SLICE("%41"), SLICE("%41")));
    assert_false(form_edit_means(SLICE("A"), SLICE("a")));
    assert_true(form_edit_means(SLICE(""), SLICE("")));
    assert_true(form_edit_means(SLICE("a+%"), SLICE("a+%"))); /* malformed: itself */
}

static void values_break_out_of_nothing(void **state)
{
    (void)state;
    GIVES("", "a%26=x%26b%3Dc%0D%0A%00%2B%25", ADD("a&", "x&b=c\r\n\0+%"));
}

static void encodes(void **state)
{
    char out[64];
    (void)state;
    size_t n = (size_t)(form_edit_encode(out, SLICE("aZ09-._~ /\x80%")) - out);
    assert_true(slice_equal(slice_of(out, n), SLICE("aZ09-._~%20%2F%80%25")));
}

static void joins(void **state)
{
    static const struct {
        struct slice query, form;
        const char *wanted;
    } cases[] = {
        { SLICE("a=1"), SLICE("b=2&c"), "a=1&b=2&c" },
        { SLICE(""), SLICE("b+c=%2B%20&x=%zz%2"), "b+c=%2B%20&x=%25zz%252" },
        { SLICE("q"), SLICE(""), "q" },
        { SLICE("a"), SLICE("x y#?/\r\nZ: 1\xc3\xa4"), "a&x%20y%23%3F%2F%0D%0AZ%3A%201%C3%A4" },
    };
    struct arena arena;
    (void)state;
    arena_init(&arena, NULL, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice out = form_edit_join(cases[i].query, cases[i].form, &arena);
        assert_true(slice_equal(out, slice_of(cases[i].wanted, strlen(cases[i].wanted))));
    }
    assert_null(form_edit_join(SLICE(""), SLICE(""), &arena).p);
    arena_reset(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_kind),
                                        cmocka_unit_test(what_is_not_there_stays_so),
                                        cmocka_unit_test(a_name_in_every_spelling),
                                        cmocka_unit_test(values_break_out_of_nothing),
                                        cmocka_unit_test(encodes),
                                        cmocka_unit_test(joins) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
