/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns: anchoring, groups, limits, errors. */
#include "conf/regex.h"
#include "loading.h"

static struct conf_regex *compiled(const char *pattern)
{
    char why[128] = "";
    struct conf_regex *re = regex_compile(pattern, strlen(pattern), why, sizeof why);
    assert_string_equal(why, "");
    assert_non_null(re);
    return re;
}

static int match(const char *pattern, const char *subject)
{
    struct regex_span spans[4];
    struct conf_regex *re = compiled(pattern);
    int n = regex_match(re, subject, strlen(subject), spans, 4);
    regex_free(&re);
    assert_null(re);
    return n;
}

static void test_anchored(void **state)
{
    (void)state;
    assert_int_equal(match("/v\\d+/x$", "/v12/x"), 1);
    assert_int_equal(match("/v\\d+/x$", "/a/v12/x"), 0);
    assert_int_equal(match("/v\\d+/x$", "/v12/xy"), 0);
    assert_int_equal(match("/a|/b", "/b"), 1);
    assert_int_equal(match("/a|/b", "x/b"), 0);
    assert_int_equal(match("/x$", "/x\n"), 0);
}

static void test_groups(void **state)
{
    (void)state;
    struct regex_span spans[4];
    struct conf_regex *re = compiled("/(?<user>[a-z]+)(/none)?/(\\d+)");
    assert_int_equal(regex_match(re, "/bob/42/rest", 12, spans, 4), 4);
    assert_int_equal(spans[0].to, 7);
    assert_int_equal(spans[1].from, 1);
    assert_int_equal(spans[1].to, 4);
    assert_true(spans[2].from == (size_t)-1 && spans[2].to == (size_t)-1);
    assert_int_equal(spans[3].from, 5);
    assert_int_equal(regex_match(re, "/bob/42/rest", 12, spans, 2), 2);
    assert_int_equal(regex_match(re, "/bob/42/rest", 12, NULL, 0), 1);
    assert_int_equal(regex_group(re, "user"), 1);
    assert_int_equal(regex_group(re, "nobody"), -1);
    regex_free(&re);
}

/* Exponential without a limit: it ends, and says that it does not know. */
static void test_limits(void **state)
{
    (void)state;
    char subject[64];
    memset(subject, 'a', sizeof subject);
    subject[0] = '/';
    struct conf_regex *re = compiled("/(a*)*(a*)*(a*)*(a*)*[bc]");
    struct regex_span spans[1];
    assert_int_equal(regex_match(re, subject, sizeof subject, spans, 1), REGEX_UNDECIDED);
    regex_free(&re);
}

/* As long as a path can be, and each step leaves something to come back to. */
static void test_long_subject(void **state)
{
    (void)state;
    enum { LONG = 16000 };
    char *subject = malloc(LONG);
    memset(subject, 'a', LONG);
    subject[0] = '/';
    struct conf_regex *re = compiled("/(?:\\w|-)+$");
    struct regex_span spans[1];
    assert_int_equal(regex_match(re, subject, LONG, spans, 1), 1);
    assert_int_equal(spans[0].to, LONG);
    regex_free(&re);
    free(subject);
}

static void test_errors(void **state)
{
    (void)state;
    char why[128], *large = calloc(1, 10001);
    assert_null(regex_compile("/v(", 3, why, sizeof why));
    assert_string_equal(why, "missing closing parenthesis at offset 3");
    assert_null(regex_compile_from("~/v(", 4, 1, why, sizeof why));
    assert_string_equal(why, "missing closing parenthesis at offset 4");
    assert_null(regex_compile("(*UTF)/", 7, why, sizeof why));
    assert_non_null(large);
    memset(large, 'a', 10000);
    assert_null(regex_compile(large, 10000, why, sizeof why));
    assert_string_equal(why, "longer than 8192 bytes");
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anchored), cmocka_unit_test(test_groups),
        cmocka_unit_test(test_limits),   cmocka_unit_test(test_long_subject),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
