/* SPDX-License-Identifier: Apache-2.0 */
/* Authorization: Basic. What is a claim, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/plugins/basic_claim.h"
#include <string.h>

static char text[256];

static bool read_it(const char *value, struct basic_claim *claim)
{
    assert_true(strlen(value) < sizeof text);
    return basic_claim_read(slice_of(value, strlen(value)), text, claim);
}

static void expect(const char *value, const char *name, const char *password)
{
    struct basic_claim claim;
    assert_true(read_it(value, &claim));
    assert_true(slice_equal(claim.username, slice_of(name, strlen(name))));
    assert_true(slice_equal(claim.password, slice_of(password, strlen(password))));
}

static void claims(void **state)
{
    (void)state;
    expect("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame");
    expect("bAsIc \t QWxhZGRpbjpvcGVuIHNlc2FtZQ==  ", "Aladdin", "open sesame");
    expect("Basic YTpiOmM=", "a", "b:c");
    expect("Basic YTo=", "a", "");
    expect("Basic OmI=", "", "b");
    expect("Basic Og==", "", "");
}

static void others(void **state)
{
    (void)state;
    static const char *const values[] = { "",
                                          "Basic",
                                          "Basic ",
                                          "BasicYTpi",
                                          "Basic YQ==" /* no colon */,
                                          "Bearer YTpi",
                                          "Basic YT pi",
                                          "Basic Y",
                                          "Basic ====",
                                          "Basic YTpi,Basic YTpi" };
    struct basic_claim claim;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_false(read_it(values[i], &claim));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(claims), cmocka_unit_test(others) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
