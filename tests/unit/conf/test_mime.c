/* SPDX-License-Identifier: Apache-2.0 */
/* Media types in the form that is compared. */
#include "conf/mime.h"
#include "loading.h"

static void check(const char *text, const char *type, const char *subtype, const char *parameters)
{
    jmp_buf out;
    struct memory memory = { .no_memory = &out };
    struct conf_mime mime;
    if (setjmp(out))
        fail();
    assert_true(mime_is_valid(text, strlen(text)));
    mime_parse(&memory, (struct conf_text){ text, strlen(text) }, &mime);
    assert_string_equal(mime.type.s, type);
    assert_string_equal(mime.subtype.s, subtype);
    assert_string_equal(mime.parameters.s, parameters);
    memory_free(&memory);
}

static void test_forms(void **state)
{
    (void)state;
    check("text/plain", "text", "plain", "");
    check("Application/JSON; Charset=UTF-8", "application", "json", "charset=utf-8");
    check(" a/b ;z=1;\ta=\"2\" ", "a", "b", "a=2;z=1");
    check("a/b; x=\"c;d e\"; ab=1; a=2", "a", "b", "a=2;ab=1;x=\"c;d e\"");
    check("*/*", "*", "*", "");
    check("application/vnd.x+json", "application", "vnd.x+json", "");
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",     "text",   "/",       "a/",      "/b",         "a/b/c",      "a b/c",
        "a/b;", "a/b; c", "a/b; =d", "a/b; c=", "a/b; c=d e", "a/b; c=\"d", "a/b; c=\"d\\\"\""
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(mime_is_valid(bad[i], strlen(bad[i])));
    char many[200] = "a/b";
    for (int i = 0; i < 17; i++)
        strcat(many, ";c=d");
    assert_false(mime_is_valid(many, strlen(many)));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_forms),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
