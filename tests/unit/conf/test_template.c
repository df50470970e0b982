/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: every form of a place to fill in, and every way to get it wrong. */
#include "conf/template.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct memory memory;
static jmp_buf no_memory;
static char why[256];

static const struct conf_template *reading(const char *text)
{
    why[0] = '\0';
    return template_read(&memory, (struct conf_text){ text, strlen(text) }, why, sizeof why);
}

static void piece(const struct conf_template *t, size_t i, enum conf_piece_kind kind,
                  const char *text, int number)
{
    assert_true(i < t->n);
    assert_int_equal(t->pieces[i].kind, kind);
    assert_string_equal(t->pieces[i].text.s ? t->pieces[i].text.s : "", text);
    assert_int_equal(t->pieces[i].number, number);
}

static void test_texts(void **state)
{
    (void)state;
    assert_int_equal(reading("")->n, 0);
    const struct conf_template *t = reading("a $b (c) $");
    assert_int_equal(t->n, 1);
    piece(t, 0, CONF_PIECE_TEXT, "a $b (c) $", -1);
    assert_false(t->by_field);
}

static void test_places(void **state)
{
    (void)state;
    const struct conf_template *t =
        reading("/x$(headers.x_Tenant)$(query_params.user_id)/$(uri_captures.id)$(uri_captures[2])"
                "$( headers[\"a.b\"] )$(query_params['q r'])y");
    assert_int_equal(t->n, 9);
    piece(t, 0, CONF_PIECE_TEXT, "/x", -1);
    piece(t, 1, CONF_PIECE_HEADER, "x-Tenant", -1);
    piece(t, 2, CONF_PIECE_QUERY, "user_id", -1);
    piece(t, 3, CONF_PIECE_TEXT, "/", -1);
    piece(t, 4, CONF_PIECE_CAPTURE, "id", -1);
    piece(t, 5, CONF_PIECE_CAPTURE, "", 2);
    piece(t, 6, CONF_PIECE_HEADER, "a.b", -1);
    piece(t, 7, CONF_PIECE_QUERY, "q r", -1);
    piece(t, 8, CONF_PIECE_TEXT, "y", -1);
    assert_true(t->by_field);
    assert_false(reading("$(query_params.a)")->by_field);
}

static void test_alternatives(void **state)
{
    (void)state;
    const struct conf_template *t = reading("$(headers.a or query_params.b or \"c\")d");
    assert_int_equal(t->n, 4);
    assert_true(t->pieces[0].or_next && t->pieces[1].or_next);
    assert_false(t->pieces[2].or_next || t->pieces[3].or_next);
    piece(t, 2, CONF_PIECE_TEXT, "c", -1);
}

static void test_wrong(void **state)
{
    static const char *const texts[] = { "$(",
                                         "$()",
                                         "$(headers)",
                                         "$(headers.)",
                                         "$(headers.a",
                                         "$(headers.a or )",
                                         "$(headers.a or",
                                         "$(headers.a b)",
                                         "$(headers[1])",
                                         "$(headers[])",
                                         "$(headers[\"a)",
                                         "$(headers[\"a\")",
                                         "$(uri_captures[x])",
                                         "$(os.execute('x'))",
                                         "$(\"a)" };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_null(reading(texts[i]));
        assert_true(strncmp(why, "has ", 4) == 0);
    }
    char many[TEMPLATE_PIECES * 16 + 32] = "";
    for (int i = 0; i <= TEMPLATE_PIECES; i++)
        strcat(many, "$(headers.a)");
    assert_null(reading(many));
    assert_string_equal(why, "has too many $( )");
}

static int setup(void **state)
{
    (void)state;
    memory.no_memory = &no_memory;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    memory_free(&memory);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_texts), cmocka_unit_test(test_places),
                                        cmocka_unit_test(test_alternatives),
                                        cmocka_unit_test(test_wrong) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
