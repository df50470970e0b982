/* SPDX-License-Identifier: Apache-2.0 */
/* What of a URL a log may have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/http/masking.h"

static const struct conf_text v[] = { { "apikey", 6 }, { "a b", 3 }, { "k", 1 } };
static const struct conf_texts names = { v, 3 }, none = { NULL, 0 };

static void gives(const char *url, const char *wanted)
{
    struct slice in = slice_of(url, strlen(url));
    char out[256];
    assert_true(masking_room(in) <= sizeof out);
    size_t n = masking_url(in, &names, out);
    assert_true(n <= masking_room(in) || n == 0);
    assert_int_equal(n, strlen(wanted));
    assert_memory_equal(out, wanted, n);
}

static void values_are_hidden(void **state)
{
    (void)state;
    gives("/p?apikey=secret", "/p?apikey=***");
    gives("/p?x=1&apikey=secret&y=2&apikey=other", "/p?x=1&apikey=***&y=2&apikey=***");
    gives("/p?%61pi%6Bey=s&a+b=s&a%20b=s", "/p?%61pi%6Bey=***&a+b=***&a%20b=***");
    gives("http://h/p?apikey=a=b?c&z", "http://h/p?apikey=***&z");
    gives("?k=1&k=1&k=1", "?k=***&k=***&k=***");
    gives("k?k=1", "k?k=***");
}

static void all_else_stays(void **state)
{
    (void)state;
    static const char *const same[] = {
        "",      "/",          "/apikey=secret", "?",
        "/p?",   "/p?apikey",  "/p?apikey=",     "/p?apikeys=1&ap=2&&=&x=%zz",
        "/p?&&", "/p?APIKEY=1"
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        gives(same[i], same[i]);
}

static void needed(void **state)
{
    (void)state;
    assert_true(masking_needed(SLICE("/?"), &names));
    assert_false(masking_needed(SLICE("/apikey"), &names));
    assert_false(masking_needed(SLICE("/?apikey=1"), &none));
    assert_false(masking_needed(slice_of(NULL, 0), &names));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(values_are_hidden),
                                        cmocka_unit_test(all_else_stays),
                                        cmocka_unit_test(needed) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
