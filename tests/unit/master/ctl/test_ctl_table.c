/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: columns aligned, values in units, nothing that a terminal would obey. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/ctl/ctl_table.h"
#include <stdbool.h>
#include <stdlib.h>

static void assert_cell(const char *json, enum ctl_table_kind kind, const char *wanted)
{
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    char *text = ctl_table_cell(value, kind);

    assert_string_equal(text, wanted);
    free(text);
    json_decref(value);
}

static void test_cells(void **state)
{
    (void)state;
    assert_cell("\"a\"", CTL_TABLE_TEXT, "a");
    assert_cell("\"\"", CTL_TABLE_TEXT, "-");
    assert_cell("null", CTL_TABLE_NUMBER, "-");
    assert_cell("[]", CTL_TABLE_TEXT, "-");
    assert_cell("[\"a\",\"b\"]", CTL_TABLE_TEXT, "a,b");
    assert_cell("true", CTL_TABLE_TEXT, "yes");
    assert_cell("12345678901", CTL_TABLE_NUMBER, "12345678901");
    assert_cell("1023", CTL_TABLE_BYTES, "1023");
    assert_cell("1536", CTL_TABLE_BYTES, "1.5K");
    assert_cell("134217728", CTL_TABLE_BYTES, "128M");
    assert_cell("999", CTL_TABLE_MS, "999ms");
    assert_cell("61000", CTL_TABLE_MS, "1m01s");
    assert_cell("59", CTL_TABLE_S, "59s");
    assert_cell("-61", CTL_TABLE_S, "-1m01s");
    assert_cell("11520", CTL_TABLE_S, "3h12m");
    assert_cell("180000", CTL_TABLE_S, "2d02h");
}

static void test_nothing_for_the_terminal_to_obey(void **state)
{
    (void)state;
    assert_cell("\"a\\u001b[2Jb\\u007f\\u009bc\\u00e9\"", CTL_TABLE_TEXT, "a?[2Jb??c\xc3\xa9");
    assert_cell("[\"\\n\",\"\\r\"]", CTL_TABLE_TEXT, "?,?");
}

static char *table(const char *json, bool facts)
{
    static const struct ctl_table_column columns[] = {
        { "NAME", "name", CTL_TABLE_TEXT },
        { "SIZE", "in.size", CTL_TABLE_BYTES },
        { "URL", "url", CTL_TABLE_TEXT },
    };
    json_t *value = json_loads(json, 0, NULL);
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    if (facts)
        ctl_table_facts(out, columns, 3, value);
    else
        ctl_table_print(out, columns, 3, value);
    fclose(out);
    json_decref(value);
    return text;
}

static void test_table(void **state)
{
    char *text = table("[{\"name\":\"\xc3\xa9\",\"in\":{\"size\":5},\"url\":\"/x\"},"
                       "{\"name\":\"longer\",\"in\":{\"size\":2048}}]",
                       false);

    (void)state;
    assert_string_equal(text, "NAME    SIZE  URL\n"
                              "\xc3\xa9          5  /x\n"
                              "longer  2.0K  -\n");
    free(text);
}

static void test_table_of_nothing(void **state)
{
    char *text = table("[]", false);

    (void)state;
    assert_string_equal(text, "NAME  SIZE  URL\n");
    free(text);
}

static void test_facts(void **state)
{
    char *text = table("{\"name\":\"a\",\"in\":{\"size\":5}}", true);

    (void)state;
    assert_string_equal(text, "NAME  a\nSIZE  5\nURL   -\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells), cmocka_unit_test(test_nothing_for_the_terminal_to_obey),
        cmocka_unit_test(test_table), cmocka_unit_test(test_table_of_nothing),
        cmocka_unit_test(test_facts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
