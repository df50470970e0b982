/* SPDX-License-Identifier: Apache-2.0 */
/* The manual names every field with its default, and no line begins with a dot by chance. */
#include "conf/load.h"
#include "loading.h"

static void expect_rows(const char *page, const struct fields_table *table)
{
    for (size_t i = 0; i < table->rows_n; i++) {
        char line[256], *out = line;
        out += sprintf(out, "\n.B ");
        for (const char *p = table->rows[i].key; *p; p++)
            out += sprintf(out, *p == '-' ? "\\-" : "%c", *p);
        strcpy(out, "\n");
        if (!strstr(page, line))
            print_error("%s is missing\n", table->rows[i].key);
        assert_non_null(strstr(page, line));
        if (table->rows[i].table)
            expect_rows(page, table->rows[i].table);
    }
}

static void test_page(void **state)
{
    (void)state;
    static const char *const macros[] = {
        "TH", "SH", "SS", "PP", "TP", "B", "BR", "BI", "IR", "br"
    };
    char *page = NULL;
    size_t n;
    FILE *out = open_memstream(&page, &n);
    conf_print_manual(out);
    fclose(out);
    expect_rows(page, &fields_top);
    for (int kind = 0; kind < CONF_PLUGIN_KINDS; kind++)
        expect_rows(page, plugin_table((enum conf_plugin_kind)kind));
    assert_non_null(strstr(page, "(integer, 0 to 120; default 0)\n"));
    assert_non_null(strstr(page, "(size, 1k to 1m; default \"16k\")\n"));
    for (const char *p = page; (p = strstr(p, "\n.")) != NULL; p += 2) {
        bool known = false;
        for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
            known |= strncmp(p + 2, macros[i], strlen(macros[i])) == 0;
        assert_true(known);
    }
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_page) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
