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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
