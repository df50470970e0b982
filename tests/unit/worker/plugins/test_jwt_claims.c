/* SPDX-License-Identifier: Apache-2.0 */
/* Claims: issuers and audiences in every form, and what becomes of values in fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/plugins/jwt_claims.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static const struct conf_text names[] = { { "one", 3 }, { "https://two", 11 } };
static const struct conf_texts none = { NULL, 0 }, two = { names, 2 };

static struct jwt_token with(const char *claims)
{
    json_error_t error;
    struct jwt_token token = { .claims = json_loads(claims, JSON_DECODE_ANY, &error) };
    assert_non_null(token.claims);
    return token;
}

static bool issuer(const char *claims, const struct conf_texts *allowed)
{
    struct jwt_token token = with(claims);
    bool is = jwt_claims_issuer(&token, allowed);
    json_decref(token.claims);
    return is;
}

static bool audience(const char *claims, const struct conf_texts *required)
{
    struct jwt_token token = with(claims);
    bool is = jwt_claims_audience(&token, required);
    json_decref(token.claims);
    return is;
}

static void issuers(void **state)
{
    (void)state;
    assert_true(issuer("{}", &none));
    assert_true(issuer("{\"iss\":7}", &none));
    assert_true(issuer("{\"iss\":\"https://two\"}", &two));
    static const char *const strangers[] = { "{}",
                                             "{\"iss\":\"\"}",
                                             "{\"iss\":\"https://two/\"}",
                                             "{\"iss\":[\"one\"]}",
                                             "{\"iss\":\"ONE\"}",
                                             "{\"iss\":null}" };
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        assert_false(issuer(strangers[i], &two));
}

static void audiences(void **state)
{
    (void)state;
    assert_true(audience("{}", &none));
    assert_true(audience("{\"aud\":\"one\"}", &two));
    assert_true(audience("{\"aud\":[\"x\",\"https://two\"]}", &two));
    static const char *const others[] = { "{}",
                                          "{\"aud\":\"\"}",
                                          "{\"aud\":[]}",
                                          "{\"aud\":7}",
                                          "{\"aud\":[\"x\",7,null,[\"one\"]]}",
                                          "{\"aud\":{\"one\":\"one\"}}",
                                          "{\"aud\":\"one two\"}" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(audience(others[i], &two));
}

static void expect(const char *claims, const char *claim, const char *wanted)
{
    char out[JWT_CLAIMS_VALUE_MAX];
    struct jwt_token token = with(claims);
    ptrdiff_t n = jwt_claims_value(&token, claim, out);
    json_decref(token.claims);
    if (!wanted) {
        assert_int_equal(n, -1);
        return;
    }
    assert_int_equal(n, strlen(wanted));
    assert_memory_equal(out, wanted, (size_t)n);
}

static void values(void **state)
{
    (void)state;
    expect("{\"a\":\"x y\"}", "a", "x y");
    expect("{\"a\":\"gr\xc3\xbc\xc3\x9f\"}", "a", "gr\xc3\xbc\xc3\x9f");
    expect("{\"a\":-7}", "a", "-7");
    expect("{\"a\":1.5}", "a", "1.5");
    expect("{\"a\":true}", "a", "true");
    expect("{\"a\":false}", "a", "false");
    expect("{\"a\":null}", "a", "");
    expect("{\"a\":\"\"}", "a", "");
    expect("{}", "a", "");
    expect("{\"a\":[]}", "a", "");
    expect("{\"a\":[\"x\",\"y z\",3,true]}", "a", "x, y z, 3, true");
    expect("{\"a\":{\"b\":[1,\"x\"]}}", "a", "{\"b\":[1,\"x\"]}");
    expect("{\"a\":{\"b\":\"x\\ny\"}}", "a", "{\"b\":\"x\\ny\"}");
}

static void paths(void **state)
{
    (void)state;
    expect("{\"a\":{\"b\":{\"c\":\"deep\"}}}", "a.b.c", "deep");
    expect("{\"a\":{\"b\":\"deep\"},\"a.b\":\"flat\"}", "a.b", "flat");
    expect("{\"a\":\"x\"}", "a.b", "");
    expect("{\"a\":{\"b\":1}}", "a.", "");
    expect("{\"a\":{\"b\":1}}", ".b", "");
    expect("{\"https://x.org/role\":\"r\"}", "https://x.org/role", "r");
}

static void what_a_field_cannot_say(void **state)
{
    (void)state;
    expect("{\"a\":\"x\\r\\nX-Admin: true\"}", "a", NULL);
    expect("{\"a\":\"x\\ny\"}", "a", NULL);
    expect("{\"a\":\"x\\ty\"}", "a", NULL);
    expect("{\"a\":\"x\\u007fy\"}", "a", NULL);
    expect("{\"a\":[\"x\",\"y\\r\"]}", "a", NULL);
    expect("{\"a\":[\"user,admin\"]}", "a", NULL);
    expect("{\"a\":[\"x\",\"\"]}", "a", NULL);
    expect("{\"a\":[[\"x\"]]}", "a", NULL);
    expect("{\"a\":[{}]}", "a", NULL);
}

/* A value of n bytes, as a text, a list of one and an object. */
static void lengths(void **state)
{
    static const struct {
        const char *before, *after;
        size_t frame; /* of what is said */
    } forms[] = { { "{\"a\":\"", "\"}", 0 },
                  { "{\"a\":[\"", "\"]}", 0 },
                  { "{\"a\":[1,\"", "\"]}", 3 },
                  { "{\"a\":{\"b\":\"", "\"}}", 8 } };
    static char text[JWT_CLAIMS_VALUE_MAX + 64], out[JWT_CLAIMS_VALUE_MAX];
    (void)state;
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++)
        for (size_t n = JWT_CLAIMS_VALUE_MAX - 9; n < JWT_CLAIMS_VALUE_MAX + 3; n++) {
            size_t at = strlen(forms[f].before);
            memcpy(text, forms[f].before, at);
            memset(text + at, 'x', n);
            strcpy(text + at + n, forms[f].after);
            struct jwt_token token = with(text);
            bool fits = n + forms[f].frame <= JWT_CLAIMS_VALUE_MAX;
            assert_int_equal(jwt_claims_value(&token, "a", out),
                             fits ? (ptrdiff_t)(n + forms[f].frame) : -1);
            json_decref(token.claims);
        }
}

static void texts(void **state)
{
    (void)state;
    struct jwt_token token = with("{\"sub\":\"x\",\"n\":7,\"e\":\"\"}");
    assert_true(slice_equal(jwt_claims_text(&token, "sub"), SLICE("x")));
    assert_null(jwt_claims_text(&token, "n").p);
    assert_null(jwt_claims_text(&token, "e").p);
    assert_null(jwt_claims_text(&token, "none").p);
    json_decref(token.claims);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(issuers), cmocka_unit_test(audiences),
        cmocka_unit_test(values),  cmocka_unit_test(paths),
        cmocka_unit_test(lengths), cmocka_unit_test(what_a_field_cannot_say),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
