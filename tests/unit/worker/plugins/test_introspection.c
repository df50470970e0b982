/* SPDX-License-Identifier: Apache-2.0 */
/* Questions and answers of RFC 7662: what is sent, what is believed, how long it holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/plugins/introspection.h"
#include <stdio.h>

enum { NOW = 1700000000 };

static struct conf_oauth2_introspection config;
static struct inquiry_answer out;

static int setup(void **state)
{
    (void)state;
    config = (struct conf_oauth2_introspection){ .ttl = 30, .negative_ttl = 5 };
    return 0;
}

static struct slice text(const char *s)
{
    return slice_of(s, strlen(s));
}

static bool reads(int status, const char *body)
{
    return introspection_read(&config, status, text(body), NOW * INT64_C(1000), &out);
}

static void expect(const char *body, const char *lines, int64_t ms)
{
    assert_true(reads(200, body));
    assert_int_equal(out.n, strlen(lines));
    assert_memory_equal(out.text, lines, out.n);
    assert_int_equal(out.until - NOW * INT64_C(1000), ms);
    assert_int_equal(out.refusal, lines[0] == 'i');
}

static void tokens(void **state)
{
    (void)state;
    static const char *const good[] = { "a", "mF_9.B5f-4.1JqM", "a+/~b==", "x=" };
    static const char *const bad[] = { "", "=", "a b", "a=b", "a,b", "a\r\nb", "\xc3\xa9", "a\"" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(introspection_is_token(text(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(introspection_is_token(text(bad[i])));
    assert_false(introspection_is_token(slice_of("a\0b", 3)));
}

static void forms(void **state)
{
    (void)state;
    char form[256];
    size_t n = introspection_form(text("a+/="), text(""), form);
    assert_true(n <= introspection_form_room(text("a+/="), text("")));
    assert_true(slice_equal(slice_of(form, n), text("token=a%2B%2F%3D")));
    n = introspection_form(text("t"), text("a&b c"), form);
    assert_true(n <= introspection_form_room(text("t"), text("a&b c")));
    assert_true(slice_equal(slice_of(form, n), text("token=t&token_type_hint=a%26b%20c")));
}

static void verdicts(void **state)
{
    (void)state;
    expect("{\"active\":true}", "active\n", 30000);
    expect("{\"active\":false}", "inactive\n", 5000);
    expect("{\"active\":false,\"sub\":\"x\"}", "inactive\n", 5000);
    static const char *const unusable[] = { "",
                                            "x",
                                            "[]",
                                            "true",
                                            "{}",
                                            "{\"active\":1}",
                                            "{\"active\":\"true\"}",
                                            "{\"active\":null}",
                                            "{\"active\":true",
                                            "{\"active\":true}x",
                                            "{\"active\":true,\"active\":true}",
                                            "{\"active\":true,\"exp\":\"1\"}",
                                            "{\"active\":true,\"sub\":\"a\\nb\"}",
                                            "{\"active\":true,\"sub\":\"a\\u0000b\"}",
                                            "{\"active\":true,\"scope\":[\"a\\r\"]}",
                                            "{\"active\":true,\"sub\":\"\\u007f\"}" };
    for (size_t i = 0; i < sizeof unusable / sizeof *unusable; i++)
        assert_false(reads(200, unusable[i]));
    assert_true(reads(201, "{\"active\":true}"));
    for (int status = 300; status < 600; status += 50)
        assert_false(reads(status, "{\"active\":true}"));
    assert_false(reads(401, "{\"active\":false}")); /* it was the gateway that was refused */
}

static void times(void **state)
{
    (void)state;
    expect("{\"active\":true,\"exp\":1700000010}", "active\nexp 1700000010\n", 10000);
    expect("{\"active\":true,\"exp\":1700000031}", "active\nexp 1700000031\n", 30000);
    expect("{\"active\":true,\"exp\":1700000000}", "inactive\n", 5000);
    expect("{\"active\":true,\"exp\":-1}", "inactive\n", 5000);
    expect("{\"active\":true,\"exp\":null}", "active\n", 30000);
    assert_true(reads(200, "{\"active\":true,\"exp\":1e300}") &&
                introspection_is_active(slice_of(out.text, out.n)));
    assert_int_equal(out.until - NOW * INT64_C(1000), 30000);
    config.ttl = 0;
    expect("{\"active\":true,\"exp\":1700003600}", "active\nexp 1700003600\n", 3600000);
    expect("{\"active\":true}", "active\n", 0);
    config.negative_ttl = 0;
    expect("{\"active\":false}", "inactive\n", 0);
}

static void members(void **state)
{
    (void)state;
    struct conf_text names[] = {
        { "team", 4 }, { "roles", 5 }, { "sub", 3 }, { "deep", 4 }, { "on", 2 }
    };
    config.custom_claims_forward = (struct conf_texts){ names, 5 };
    expect("{\"active\":true,\"scope\":[\"a\",\"b\"],\"aud\":[\"x\",\"y\"],\"sub\":\"s\",\"iat\":7,"
           "\"team\":\"\",\"roles\":[],\"deep\":{\"k\":[1,\"\\n\"]},\"on\":true,\"other\":1}",
           "active\nscope a b\niat 7\nsub s\naud x, y\ndeep {\"k\":[1,\"\\n\"]}\non true\n", 30000);
    struct slice lines = slice_of(out.text, out.n), rest = lines, name, value;
    assert_true(introspection_is_active(lines));
    assert_true(slice_equal(introspection_member(lines, "aud"), text("x, y")));
    assert_true(slice_equal(introspection_member(lines, "scope"), text("a b")));
    assert_null(introspection_member(lines, "active").p);
    assert_null(introspection_member(lines, "team").p);
    size_t n = 0;
    while (introspection_next(&rest, &name, &value))
        n++;
    assert_int_equal(n, 6);
}

static void too_much(void **state)
{
    (void)state;
    static char body[INQUIRY_TEXT + 64];
    int n = snprintf(body, sizeof body, "{\"active\":true,\"sub\":\"");
    memset(body + n, 'x', INQUIRY_TEXT);
    strcpy(body + n + INQUIRY_TEXT, "\"}");
    assert_false(reads(200, body));
    strcpy(body + n + INQUIRY_TEXT - 12, "\"}"); /* "active\n" "sub " "\n": all there is room for */
    assert_true(reads(200, body));
    assert_int_equal(out.n, INQUIRY_TEXT);
}

static void by_status(void **state)
{
    (void)state;
    config.way = CONF_INTROSPECTION_STATUS;
    expect("", "active\n", 30000);
    expect("{}", "active\n", 30000);
    expect("{\"sub\":\"s\"}", "active\nsub s\n", 30000);
    expect("{\"valid\":true}", "active\n", 30000);
    expect("{\"valid\":false}", "inactive\n", 5000);
    expect("{\"active\":false,\"valid\":true}", "inactive\n", 5000);
    expect("{\"exp\":1}", "inactive\n", 5000);
    assert_false(reads(200, "ok"));
    assert_false(reads(200, "{\"valid\":\"no\"}"));
    assert_true(reads(401, "no") && out.refusal);
    assert_true(reads(403, "{\"active\":true}") && out.refusal);
    assert_false(reads(404, "") || reads(500, "") || reads(302, ""));
}

static void scopes(void **state)
{
    (void)state;
    struct conf_text v[] = { { "a b", 3 }, { "c", 1 } };
    struct conf_texts required = { v, 2 }, none = { v, 0 };
    assert_true(introspection_suffices(text("b x a"), &required));
    assert_true(introspection_suffices(text("c"), &required));
    assert_true(introspection_suffices(text(" x  c "), &required));
    assert_false(introspection_suffices(text("a"), &required));
    assert_false(introspection_suffices(text("ab c2"), &required));
    assert_false(introspection_suffices(slice_of(NULL, 0), &required));
    assert_true(introspection_suffices(slice_of(NULL, 0), &none));
}

static void lists(void **state)
{
    (void)state;
    struct conf_text names[] = { { "roles", 5 } };
    config.custom_claims_forward = (struct conf_texts){ names, 1 };
    expect("{\"active\":true,\"roles\":[\"user\",\"x\"]}", "active\nroles user, x\n", 30000);
    expect("{\"active\":true,\"roles\":[\"user,admin\"]}", "active\nroles [\"user,admin\"]\n",
           30000);
    expect("{\"active\":true,\"aud\":\"a, b\"}", "active\naud \"a, b\"\n", 30000);
    assert_false(reads(200, "{\"active\":true,\"scope\":[\"read admin\"]}"));
    assert_false(reads(200, "{\"active\":true,\"scope\":{\"admin\":1}}"));
}

static void audiences(void **state)
{
    (void)state;
    struct conf_text v[] = { { "api", 3 }, { "b c", 3 } };
    struct conf_texts required = { v, 2 }, none = { v, 0 };
    assert_true(introspection_is_for(text("api"), &required));
    assert_true(introspection_is_for(text("x, b c"), &required));
    assert_true(introspection_is_for(text("x, api, y"), &required));
    assert_false(introspection_is_for(text("x, apis, y"), &required));
    assert_false(introspection_is_for(text("[\"api, x\"]"), &required));
    assert_false(introspection_is_for(slice_of(NULL, 0), &required));
    assert_true(introspection_is_for(slice_of(NULL, 0), &none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(tokens, setup),    cmocka_unit_test_setup(forms, setup),
        cmocka_unit_test_setup(verdicts, setup),  cmocka_unit_test_setup(times, setup),
        cmocka_unit_test_setup(members, setup),   cmocka_unit_test_setup(too_much, setup),
        cmocka_unit_test_setup(by_status, setup), cmocka_unit_test_setup(scopes, setup),
        cmocka_unit_test_setup(lists, setup),     cmocka_unit_test_setup(audiences, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
