/* SPDX-License-Identifier: Apache-2.0 */
/* Single values at the edges of their ranges, as int, int64 and fraction. */
#include "conf/scalar.h"
#include "conf/value.h"
#include "loading.h"

static jmp_buf no_memory;
static struct memory memory;
static struct report report;
static struct reader reader;
static config_t config;

static int begin(void **state)
{
    (void)state;
    memory = (struct memory){ .no_memory = &no_memory };
    report = (struct report){ .memory = &memory, .file = "f" };
    reader = (struct reader){ .memory = &memory, .scratch = &memory, .report = &report };
    config_init(&config);
    static const char text[] =
        "five = 5; long = 5L; big = 99999999999L; low = -2147483649L; half = 0.5; five_text = "
        "\"5\"; "
        "kilo = \"1k\"; minus = -1; empty = \"\"; word = \"two\"; mode = \"0755\"; yes = true;";
    return config_read_string(&config, text) == CONFIG_TRUE ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    config_destroy(&config);
    memory_free(&memory);
    return 0;
}

static const config_setting_t *setting(const char *key)
{
    const config_setting_t *s = config_lookup(&config, key);
    assert_non_null(s);
    return s;
}

static void test_ints(void **state)
{
    (void)state;
    struct fields_row row = { .type = FIELDS_INT, .min = -1, .max = 5 };
    int out = 77;
    assert_true(scalar_int(&reader, &row, setting("five"), &out));
    assert_int_equal(out, 5);
    assert_true(scalar_int(&reader, &row, setting("minus"), &out));
    assert_int_equal(out, -1);
    assert_true(scalar_int(&reader, &row, setting("long"), &out));
    assert_false(scalar_int(&reader, &row, setting("big"), &out));
    assert_false(scalar_int(&reader, &row, setting("low"), &out));
    assert_false(scalar_int(&reader, &row, setting("half"), &out));
    assert_false(scalar_int(&reader, &row, setting("five_text"), &out));
    row.max = 4;
    assert_false(scalar_int(&reader, &row, setting("five"), &out));
    assert_int_equal(out, 5);
    assert_int_equal(report.n, 5);
}

static void test_sizes(void **state)
{
    (void)state;
    struct fields_row row = { .type = FIELDS_SIZE, .min = 5, .max = 99999999999 };
    uint64_t out = 77;
    scalar_size(&reader, &row, setting("five"), &out);
    assert_true(out == 5);
    scalar_size(&reader, &row, setting("kilo"), &out);
    assert_true(out == 1024);
    scalar_size(&reader, &row, setting("big"), &out);
    assert_true(out == 99999999999);
    assert_int_equal(report.n, 0);
    scalar_size(&reader, &row, setting("minus"), &out);
    scalar_size(&reader, &row, setting("empty"), &out);
    scalar_size(&reader, &row, setting("half"), &out);
    assert_int_equal(report.n, 3);
    assert_true(out == 99999999999);
    row.flags = FIELDS_UNSET;
    scalar_size(&reader, &row, setting("empty"), &out);
    assert_true(out == UINT64_MAX);
}

static void test_numbers(void **state)
{
    (void)state;
    struct fields_row row = { .type = FIELDS_NUMBER, .min = 0, .max = 5 };
    double out = 77;
    scalar_number(&reader, &row, setting("half"), &out);
    assert_true(out > 0.49 && out < 0.51);
    scalar_number(&reader, &row, setting("five"), &out);
    assert_true(out > 4.9 && out < 5.1);
    assert_int_equal(report.n, 0);
    scalar_number(&reader, &row, setting("minus"), &out);
    scalar_number(&reader, &row, setting("big"), &out);
    scalar_number(&reader, &row, setting("yes"), &out);
    assert_int_equal(report.n, 3);
}

static void test_texts_and_names(void **state)
{
    (void)state;
    static const struct fields_name names[] = { { "one", 1 }, { "two", 2 }, { 0 } };
    struct fields_row row = { .type = FIELDS_ENUM, .names = names, .flags = FIELDS_FILLED };
    struct conf_text text = { "before", 6 };
    int out = 0;
    assert_true(scalar_name(&reader, &row, setting("word"), &out));
    assert_int_equal(out, 2);
    assert_false(scalar_name(&reader, &row, setting("kilo"), &out));
    assert_false(scalar_name(&reader, &row, setting("yes"), &out));
    assert_true(scalar_text(&reader, &row, setting("kilo"), &text));
    assert_string_equal(text.s, "1k");
    assert_false(scalar_text(&reader, &row, setting("empty"), &text));
    assert_false(scalar_text(&reader, &row, setting("five"), &text));
    assert_string_equal(text.s, "1k");
    row.flags = 0;
    row.check = value_is_method;
    assert_true(scalar_text(&reader, &row, setting("empty"), &text));
    assert_false(scalar_text(&reader, &row, setting("word"), &text));
    scalar_mode(&reader, setting("mode"), &out);
    assert_int_equal(out, 0755);
    assert_int_equal(report.n, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ints, begin, end),
        cmocka_unit_test_setup_teardown(test_sizes, begin, end),
        cmocka_unit_test_setup_teardown(test_numbers, begin, end),
        cmocka_unit_test_setup_teardown(test_texts_and_names, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
