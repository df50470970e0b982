/* SPDX-License-Identifier: Apache-2.0 */
/* Which Content-Type values a configured one stands for; lists are cut outside quotes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/http/field.h"
#include "worker/http/media.h"

#define TEXT(t)                                                                                    \
    {                                                                                              \
        (t), sizeof(t) - 1                                                                         \
    }

static const struct conf_mime json = { TEXT("application"), TEXT("json"), TEXT("") };
static const struct conf_mime utf8 = { TEXT("application"), TEXT("json"), TEXT("charset=utf-8") };
static const struct conf_mime two = { TEXT("text"), TEXT("plain"),
                                      TEXT("charset=utf-8;format=flowed") };
static const struct conf_mime any_text = { TEXT("text"), TEXT("*"), TEXT("") };

static const struct {
    const struct conf_mime *m;
    const char *value;
    bool fits;
} rows[] = {
    { &json, "application/json", true },
    { &json, " Application / JSON ", true },
    { &json, "application/json;", true },
    { &json, "application/json; charset=utf-8", false },
    { &json, "application/jsonx", false },
    { &json, "json", false },
    { &json, "", false },
    { &utf8, "application/json; charset=UTF-8", true },
    { &utf8, "application/json;charset=\"utf-8\"", true },
    { &utf8, "application/json", false },
    { &utf8, "application/json; charset=utf-8; v=1", false },
    { &utf8, "application/json; charset=latin1", false },
    { &two, "text/plain; format=flowed; charset=utf-8", true },
    { &two, "text/plain; charset=utf-8", false },
    { &two, "text/plain; charset=utf-8; charset=utf-8", false },
    { &any_text, "text/html", true },
    { &any_text, "image/png", false },
};

static void fits_or_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (media_matches(rows[i].m, slice_of(rows[i].value, strlen(rows[i].value))) !=
            rows[i].fits)
            fail_msg("%s", rows[i].value);
}

static void kinds_have_no_parameters(void **state)
{
    static const struct {
        const char *subtype, *value;
        bool fits;
    } cases[] = {
        { "*", "text/html; charset=utf-8", true },
        { "html", "TEXT/Html ;q=1", true },
        { "html", "text/htm", false },
        { "*+xml", "text/atom+XML; a=b", true },
        { "*+xml", "text/+xml", false },
        { "*+xml", "text/xml", false },
        { "*", "text/", false },
        { "*", "text", false },
        { "*", "image/png", false },
        { "*", "", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct conf_mime m = { .type = { "text", 4 },
                               .subtype = { cases[i].subtype, strlen(cases[i].subtype) } };
        if (media_is_kind(&m, slice_of(cases[i].value, strlen(cases[i].value))) != cases[i].fits)
            fail_msg("%s %s", cases[i].subtype, cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_or_not),
        cmocka_unit_test(kinds_have_no_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
