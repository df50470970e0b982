/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: places, order, quotes, the nearest name. */
#include "conf/report.h"
#include "loading.h"

static struct memory memory;
static jmp_buf no_memory;
static struct report report;
static config_t config;

static int begin(void **state)
{
    (void)state;
    memory = (struct memory){ .no_memory = &no_memory };
    report = (struct report){ .memory = &memory, .file = "f.conf" };
    config_init(&config);
    static const char text[] = "a = 1;\nb = ( { c = [ 1,\n 2 ]; },\n { d = { e = 5; }; } );\n";
    return config_read_string(&config, text) == CONFIG_TRUE ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    config_destroy(&config);
    memory_free(&memory);
    return 0;
}

static char *given(void)
{
    struct conf_errors errors;
    assert_true(report_give(&report, &errors));
    assert_int_equal(errors.n, report.n);
    return errors.text;
}

static void test_places_in_order(void **state)
{
    (void)state;
    report_add(&report, config_lookup(&config, "b.[1].d.e"), "last %d", 5);
    report_add(&report, config_setting_get_elem(config_lookup(&config, "b.[0].c"), 1), "second");
    report_key(&report, config_lookup(&config, "b.[1]"), "x", "is missing");
    report_key(&report, config_lookup(&config, "b.[0]"), "c", "is there");
    report_add(&report, config_lookup(&config, "a"), "first");
    report_add(&report, NULL, "whole");
    report_line(&report, 9, "syntax error");
    char *text = given();
    assert_string_equal(text, "f.conf: whole\n"
                              "f.conf:1: a: first\n"
                              "f.conf:2: b[0].c: is there\n"
                              "f.conf:3: b[0].c: second\n"
                              "f.conf:4: b[1].d.e: last 5\n"
                              "f.conf:4: b[1].x: is missing\n"
                              "f.conf:9: syntax error\n");
    free(text);
}

static void test_other_origins(void **state)
{
    (void)state;
    static char variable[] = "GATEWAY_A", word[] = "default";
    config_setting_set_hook(config_lookup(&config, "a"), variable);
    report_add(&report, config_lookup(&config, "a"), "bad");
    assert_string_equal(report_place(&report, config_lookup(&config, "a")).s, "GATEWAY_A");
    config_setting_set_hook(config_root_setting(&config), word);
    report_add(&report, config_lookup(&config, "b.[0].c"), "bad too");
    char *text = given();
    assert_string_equal(text, "GATEWAY_A: bad\nf.conf: b[0].c (default): bad too\n");
    free(text);
}

static void test_quote(void **state)
{
    (void)state;
    char large[200];
    assert_string_equal(report_quote(&report, "a\nb\x7f\xc3\xa4", 6), "\"a\\x0ab\\x7f\xc3\xa4\"");
    memset(large, 'x', sizeof large);
    static const char *const urls[][2] = { { "https://u:p@ss@h/k@x", "\"https://***@h/k@x\"" },
                                           { "redis://:pw@h", "\"redis://***@h\"" },
                                           { "http://h/a@b", "\"http://h/a@b\"" },
                                           { "://@", "\"://@\"" },
                                           { "u@h", "\"u@h\"" } };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        assert_string_equal(report_quote(&report, urls[i][0], strlen(urls[i][0])), urls[i][1]);
    const char *quoted = report_quote(&report, large, sizeof large);
    assert_int_equal(strlen(quoted), 96 + 3 + 2);
    assert_string_equal(quoted + 96, "x...\"");
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const names[] = { "workers", "user", "prefix", "log_level" };
    assert_string_equal(report_nearest("wrokers", names, 4), "workers");
    assert_string_equal(report_nearest("usr", names, 4), "user");
    assert_string_equal(report_nearest("loglevel", names, 4), "log_level");
    assert_string_equal(report_nearest("refix_", names, 4), "prefix");
    assert_null(report_nearest("x", names, 0));
    char large[300];
    memset(large, 'y', sizeof large - 1);
    large[299] = 0;
    assert_non_null(report_nearest(large, names, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_places_in_order, begin, end),
        cmocka_unit_test_setup_teardown(test_other_origins, begin, end),
        cmocka_unit_test_setup_teardown(test_quote, begin, end),
        cmocka_unit_test_setup_teardown(test_nearest, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
