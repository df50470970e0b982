/* SPDX-License-Identifier: Apache-2.0 */
/* The look before the parser: long integers, and nothing else, get their L; includes and NUL bytes
 * are refused. */
#include "conf/syntax.h"
#include "loading.h"

static jmp_buf no_memory;
static struct memory memory;
static struct report report;

static const char *prepared(const char *text, size_t n)
{
    memory.no_memory = &no_memory;
    report = (struct report){ .memory = &memory, .file = "f" };
    return syntax_prepare(&memory, &report, text, n);
}

static void check(const char *text, const char *expected)
{
    assert_string_equal(prepared(text, strlen(text)), expected);
    memory_free(&memory);
}

static void same(const char *text)
{
    check(text, text);
}

static void test_long_integers(void **state)
{
    (void)state;
    check("a = 5000000000;", "a = 5000000000L;");
    check("a = 2147483648", "a = 2147483648L");
    check("a = [ -3000000000, 1, 99999999999999999999999999 ];",
          "a = [ -3000000000L, 1, 99999999999999999999999999L ];");
    check("a = 0xfFffFFFF; b = 0x100000000;", "a = 0xfFffFFFFL; b = 0x100000000L;");
}

static void test_left_alone(void **state)
{
    (void)state;
    same("");
    same("a = 2147483647; b = 00000000000001; c = 0x7fffffff; d = 0;");
    same("a = 5000000000L; b = 5000000000LL; c = 0xffffffffL;");
    same("a = 5000000000.5; b = .5000000000; c = 5000000000e3; d = 1.5e5000000000; e = "
         "5000000000.;");
    same("name5000000000 = 1; x-5000000000 = 2;");
    same("a = \"5000000000 \\\" 5000000000\"; # 5000000000 \" \n// 5000000000 \"\n/* 5000000000 \" "
         "*/ b = 1;");
    same("a = \"@include\"; # @include\n");
    same("a = \"open 5000000000");
    same("a = \"open\\");
    same("/* open 5000000000");
}

static void test_refused(void **state)
{
    (void)state;
    struct conf_errors errors;
    assert_null(prepared("a = 1;\n @include \"x\"\n", 20));
    assert_true(report_give(&report, &errors));
    assert_string_equal(errors.text, "f:2: @include is not supported\n");
    conf_errors_free(&errors);
    memory_free(&memory);
    assert_null(prepared("a = 1;\n\n\0", 9));
    assert_true(report_give(&report, &errors));
    assert_string_equal(errors.text, "f:3: a NUL byte\n");
    conf_errors_free(&errors);
    memory_free(&memory);
}

/* What the operator wrote is what is meant, or an error. */
static void test_in_a_file(void **state)
{
    (void)state;
    const struct conf *conf = loaded("request_body_max_size = 5000000000;");
    assert_true(conf->request_body_max_size == 5000000000);
    conf_free(&conf);
    refused("workers = 4294967297;", "t.conf:1: workers: 4294967297 is out of range, 0 to 120\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_integers),
        cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_in_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
