/* SPDX-License-Identifier: Apache-2.0 */
/* Forms of single values: what is taken, what is refused. */
#include "conf/value.h"
#include "loading.h"

typedef bool check(const char *s, size_t n, char *why, size_t size);

/* "+text" is taken, "-text" is refused with a reason. */
static void try(check *form, const char *const *cases)
{
    for (; *cases; cases++) {
        char why[256] = "";
        bool ok = form(*cases + 1, strlen(*cases + 1), why, sizeof why);
        if (ok != (**cases == '+'))
            print_error("%s: %s\n", *cases, why);
        assert_int_equal(ok, **cases == '+');
        assert_int_equal(ok, why[0] == '\0');
    }
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *back;
        uint64_t bytes;
    } cases[] = {
        { "0", "0", 0 },
        { "1", "1", 1 },
        { "16k", "16k", 16384 },
        { "1024", "1k", 1024 },
        { "2M", "2m", 2 << 20 },
        { "3g", "3g", 3ull << 30 },
        { "1025", "1025", 1025 },
        { "2048g", "2048g", 2048ull << 30 },
        { "18446744073709551615", "18446744073709551615", UINT64_MAX },
    };
    static const char *const bad[] = {
        "", "k", "-1", "1kb", "1 k", "1.5m", "0x10", "18446744073709551616", "18014398509481984k"
    };
    uint64_t bytes;
    char text[VALUE_SIZE_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(value_size(cases[i].text, &bytes));
        assert_true(bytes == cases[i].bytes);
        value_size_text(bytes, text);
        assert_string_equal(text, cases[i].back);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(value_size(bad[i], &bytes));
}

static void test_modes(void **state)
{
    (void)state;
    int mode;
    assert_true(value_mode("0660", &mode));
    assert_int_equal(mode, 0660);
    assert_true(value_mode("600", &mode));
    assert_int_equal(mode, 0600);
    assert_false(value_mode("0888", &mode));
    assert_false(value_mode("1777", &mode));
    assert_false(value_mode("", &mode));
    assert_false(value_mode("-660", &mode));
    assert_false(value_mode("00660", &mode));
}

static void test_names(void **state)
{
    (void)state;
    try(value_is_name,
        (const char *const[]){ "+orders.v1_A~-", "-a b", "-a/b", "-\xc3\xa4", "-a\"", NULL });
    try(value_is_printable,
        (const char *const[]){ "+J\xc3\xb6rg <a@b>", "+\xe2\x82\xac\xf0\x9f\x98\x80", "-a\nb",
                               "-\x7f", "-\xff", "-\xc0\x80", "-\xed\xa0\x80", "-\xe2\x82",
                               "-\xf4\x90\x80\x80", NULL });
    try(value_is_uuid, (const char *const[]){ "+0123abCD-0000-4000-8000-00000000000f",
                                              "-0123abCD-0000-4000-8000-00000000000",
                                              "-0123abCD-0000-4000-8000-00000000000g",
                                              "-0123abCD00000-4000-8000-00000000000f", NULL });
    try(value_is_token, (const char *const[]){ "+X-Real-IP", "+a!#$%&'*+-.^_`|~9", "-a b",
                                               "-a:", "-", "-\xc3\xa4", NULL });
    try(value_is_route_header, (const char *const[]){ "+version", "-HOST", "-a b", NULL });
    try(value_is_probe_header,
        (const char *const[]){ "+host", "+X-Probe", "-Content-Length", "-te", "-a b", NULL });
    try(value_is_method, (const char *const[]){ "+GET", "-get", "-GE T", "-M-SEARCH", NULL });
}

static void test_hosts(void **state)
{
    (void)state;
    char large[300] = "-";
    memset(large + 1, 'a', 64);
    try(value_is_host,
        (const char *const[]){ "+a", "+api.example.com", "+127.0.0.1", "+a_b.c-d", "+a.", "-",
                               "-.a", "-a..b", "-a:80", "-*.a", "-a b", "-\xc3\xa4", large, NULL });
    try(value_is_wildcard,
        (const char *const[]){ "+*.a.b", "+a.b.*", "+a", "-*", "-*.*", "-*.a.*", "-a.*.b", "-*a.b",
                               "-a.b*", "-*.", "-.*", "-*.a:80", NULL });
    try(value_is_sni, (const char *const[]){ "+*.a.b", "+a", "-a.*", "-*", "-*.", NULL });
    try(value_is_authority,
        (const char *const[]){ "+a", "+a.b:80", "-a:", "-a:x", "-:80", "-a:123456", "-a b",
                               "+[::1]", "+[::1]:80", "-[::1]:", "-[::1]x", "-[::1]x:80", "-[x]",
                               "-[::1", "-::1", "-[]", "-[", NULL });
    try(value_is_route_host,
        (const char *const[]){ "+a", "+*.a", "+a.*", "+[::1]", "-[::1]:80", "-::1", "-[1.2.3.4]",
                               "-[]", "-[::1", "-", NULL });
}

static void test_paths(void **state)
{
    (void)state;
    try(value_is_location, (const char *const[]){ "+/", "+/a//b/../%zz", "-a", "-", "-/a b",
                                                  "-/a?b", "-/a#b", "-/\x01", NULL });
    try(value_is_target,
        (const char *const[]){ "+/", "+/a?b=c?d", "-a", "-/a?b c", "-/a?b#c", NULL });
    try(value_is_prefix,
        (const char *const[]){
            "+/",         "+/a",     "+/a/",     "+/a/.b/..c", "+/%2F%C3%A4%20", "+/a;b=c,d:e@f",
            "+/\xc3\xa4", "-a",      "-//",      "-/a//b",     "-/a//",          "-/.",
            "-/..",       "-/a/./b", "-/a/../b", "-/a/..",     "-/%41",          "-/%2f",
            "-/%7e",      "-/%",     "-/%2",     "-/%zz",      "-/%00",          "-/a b",
            "-/a?b",      NULL });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_modes), cmocka_unit_test(test_names),
        cmocka_unit_test(test_hosts), cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
