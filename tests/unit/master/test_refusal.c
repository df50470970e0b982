/* SPDX-License-Identifier: Apache-2.0 */
/* Reasons: false each time, cut to fit, errno in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/refusal.h"
#include <errno.h>
#include <string.h>

static void says_why_and_is_false(void **state)
{
    struct refusal r;

    (void)state;
    assert_false(refusal_say(&r, "%d of %s", 3, "them"));
    assert_string_equal(r.text, "3 of them");
}

static void names_the_error(void **state)
{
    struct refusal r;

    (void)state;
    errno = EADDRINUSE;
    assert_false(refusal_errno(&r, "cannot listen on %s", "127.0.0.1:80"));
    assert_string_equal(r.text, "cannot listen on 127.0.0.1:80: Address already in use");
}

static void is_cut_to_fit(void **state)
{
    struct refusal r;
    char longer[3000];

    (void)state;
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    errno = ENOENT;
    assert_false(refusal_errno(&r, "%s", longer));
    assert_int_equal(strlen(r.text), sizeof r.text - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_why_and_is_false),
        cmocka_unit_test(names_the_error),
        cmocka_unit_test(is_cut_to_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
