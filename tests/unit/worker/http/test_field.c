/* SPDX-License-Identifier: Apache-2.0 */
/* The table of names: every one is found in any case and no other is; lists and trimming. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>

#include "worker/http/field.h"

static void every_name_in_any_case(void **state)
{
    (void)state;
    for (unsigned id = 1; id < FIELD_IDS; id++) {
        struct slice name = field_name((enum field_id)id);
        char lower[32], upper[32];
        assert_true(name.n > 1 && name.n < sizeof(lower));
        for (size_t i = 0; i < name.n; i++) {
            lower[i] = (char)tolower(name.p[i]);
            upper[i] = (char)toupper(name.p[i]);
        }
        assert_int_equal(field_lookup(name.p, name.n), id);
        assert_int_equal(field_lookup(lower, name.n), id);
        assert_int_equal(field_lookup(upper, name.n), id);
    }
}

static void one_byte_off_is_another_name(void **state)
{
    (void)state;
    for (unsigned id = 1; id < FIELD_IDS; id++) {
        struct slice name = field_name((enum field_id)id);
        char other[32];
        for (size_t i = 0; i < name.n; i++)
            for (unsigned c = 0; c < 256; c++) {
                memcpy(other, name.p, name.n);
                other[i] = (char)c;
                enum field_id found = field_lookup(other, name.n);
                if (slice_equal_nocase(slice_of(other, name.n), name))
                    assert_int_equal(found, id);
                else
                    assert_int_not_equal(found, id);
            }
    }
}

static void longer_shorter_and_empty(void **state)
{
    (void)state;
    char text[40];
    assert_int_equal(field_lookup("", 0), FIELD_OTHER);
    assert_int_equal(field_lookup("T", 1), FIELD_OTHER);
    for (unsigned id = 1; id < FIELD_IDS; id++) {
        struct slice name = field_name((enum field_id)id);
        memcpy(text, name.p, name.n);
        text[name.n] = 'x';
        assert_int_equal(field_lookup(text, name.n + 1), FIELD_OTHER);
        assert_int_not_equal(field_lookup(text, name.n - 1), id);
    }
    memset(text, 'a', sizeof(text));
    assert_int_equal(field_lookup(text, sizeof(text)), FIELD_OTHER);
}

static void flags_are_those_of_the_table(void **state)
{
    (void)state;
    assert_int_equal(field_flags(FIELD_HOST), FIELD_OURS | FIELD_SINGLE);
    assert_int_equal(field_flags(FIELD_TRANSFER_ENCODING), FIELD_HOP | FIELD_OURS);
    assert_int_equal(field_flags(FIELD_CONNECTION), FIELD_HOP);
    assert_int_equal(field_flags(FIELD_ACCEPT), 0);
    assert_int_equal(field_flags(FIELD_OTHER), 0);
}

static bool who(const char *name)
{
    size_t n = strlen(name);
    return field_tells_who(field_lookup(name, n), slice_of(name, n));
}

static void who_asks_is_not_the_clients_to_say(void **state)
{
    (void)state;
    static const char *const ours[] = { "X-Consumer-ID",           "x-consumer-username",
                                        "X-CONSUMER-GROUPS",       "X-Consumer-X",
                                        "X-Credential-Identifier", "x-credential-sub",
                                        "X-Anonymous-Consumer",    "X-Consumer-" };
    static const char *const theirs[] = { "X-Consumer",    "X-Consumers-ID",
                                          "X-Credentials", "X-Custom-Header",
                                          "Content-Type",  "X",
                                          "Accept",        "X-Anonymous-Consumers" };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        assert_true(who(ours[i]));
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
        assert_false(who(theirs[i]));
}

static struct field line(const char *name)
{
    return (struct field){ .name = name, .name_n = (uint16_t)strlen(name), .id = 99 };
}

static void identify_finds_first_lines_and_doubles(void **state)
{
    (void)state;
    struct field fields[] = { line("X-A"), line("accept"), line("HOST"), line("Accept"),
                              line("y") };
    uint8_t first[FIELD_IDS] = { 0 };
    assert_int_equal(field_identify(fields, 5, first), FIELD_OTHER);
    assert_int_equal(first[FIELD_ACCEPT], 2);
    assert_int_equal(first[FIELD_HOST], 3);
    assert_int_equal(first[FIELD_OTHER], 0);
    assert_int_equal(fields[0].id, FIELD_OTHER);
    assert_int_equal(fields[3].id, FIELD_ACCEPT);
    fields[4] = line("Host");
    memset(first, 0, sizeof(first));
    assert_int_equal(field_identify(fields, 5, first), FIELD_HOST);
}

static void check_list(const char *text, const char *joined)
{
    struct slice rest = slice_of(text, strlen(text)), member;
    char out[100];
    size_t n = 0;
    while (field_list_next(&rest, &member)) {
        memcpy(out + n, member.p, member.n);
        n += member.n;
        out[n++] = '|';
    }
    out[n] = 0;
    assert_string_equal(out, joined);
}

static void cuts(void **state)
{
    struct slice rest = SLICE("a;\"b;\\\";c\"; d;");
    (void)state;
    assert_true(slice_equal(field_cut(&rest, ';'), SLICE("a")));
    assert_true(slice_equal(field_cut(&rest, ';'), SLICE("\"b;\\\";c\"")));
    assert_true(slice_equal(field_cut(&rest, ';'), SLICE(" d")));
    assert_int_equal(rest.n, 0);
    assert_int_equal(field_cut(&rest, ';').n, 0);
    rest = SLICE("\"a\\\",W/\"b,c\"");
    assert_true(slice_equal(field_cut_tag(&rest), SLICE("\"a\\\"")));
    assert_true(slice_equal(field_cut_tag(&rest), SLICE("W/\"b,c\"")));
    assert_int_equal(rest.n, 0);
    rest = slice_of(NULL, 0);
    assert_int_equal(field_cut(&rest, ',').n, 0);
}

static void lists(void **state)
{
    (void)state;
    check_list("", "");
    check_list(" ,\t, ", "");
    check_list("a", "a|");
    check_list("a,b ,\tc d,", "a|b|c d|");
    check_list("a=\"x,y\", b", "a=\"x,y\"|b|");
    check_list("\"a\\\",b\",c", "\"a\\\",b\"|c|");
    check_list("\"open, c", "\"open, c|");
    check_list("\"\\", "\"\\|");
}

static void trimming(void **state)
{
    (void)state;
    assert_true(slice_equal(field_trim(SLICE(" \t a b\t ")), SLICE("a b")));
    assert_int_equal(field_trim(SLICE(" \t ")).n, 0);
    assert_int_equal(field_trim(slice_of(NULL, 0)).n, 0);
}

static void names_that_are_read_alike(void **state)
{
    static const struct {
        const char *name, *alike;
    } cases[] = {
        { "X_Consumer-ID", "X-Consumer-ID" }, { "_", "-" }, { "Accept", "Accept" }, { "", "" }
    };
    char room[FIELD_ALIKE_MAX], name[FIELD_ALIKE_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice alike = field_alike(slice_of(cases[i].name, strlen(cases[i].name)), room);
        assert_true(slice_equal(alike, slice_of(cases[i].alike, strlen(cases[i].alike))));
    }
    memset(name, '_', sizeof name);
    assert_ptr_equal(field_alike(slice_of(name, FIELD_ALIKE_MAX), room).p, room);
    assert_ptr_equal(field_alike(slice_of(name, FIELD_ALIKE_MAX + 1), room).p, name);
}

static void credentials(void **state)
{
    static const struct {
        const char *value, *found;
    } cases[] = { { "Basic YQ==", "YQ==" },     { "bASIC \t YQ== \t", "YQ==" },
                  { "basic a b, c", "a b, c" }, { "Basic", NULL },
                  { "Basic ", NULL },           { "BasicYQ==", NULL },
                  { "Bearer YQ==", NULL },      { "", NULL },
                  { "Basi c", NULL },           { " Basic YQ==", NULL } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *value = cases[i].value, *found = cases[i].found;
        struct slice got = field_credentials(slice_of(value, strlen(value)), SLICE("basic"));
        assert_true(found ? slice_equal(got, slice_of(found, strlen(found))) : !got.p && !got.n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_in_any_case),
        cmocka_unit_test(one_byte_off_is_another_name),
        cmocka_unit_test(longer_shorter_and_empty),
        cmocka_unit_test(flags_are_those_of_the_table),
        cmocka_unit_test(who_asks_is_not_the_clients_to_say),
        cmocka_unit_test(identify_finds_first_lines_and_doubles),
        cmocka_unit_test(cuts),
        cmocka_unit_test(lists),
        cmocka_unit_test(names_that_are_read_alike),
        cmocka_unit_test(trimming),
        cmocka_unit_test(credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
