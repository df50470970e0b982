/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl cache get: one object or several, and the sums that it shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/ctl/ctl_fixture.h"

#define KEY "00112233445566778899aabbccddeeff"
#define OBJECT                                                                                     \
    "{\"key\":\"" KEY "\",\"status\":200,\"hits\":9,\"freshness\":{\"stored\":1800000000,"         \
    "\"age_at_store\":5,\"since_stored\":90,\"age\":95,\"lifetime\":70,\"lifetime_from\":"         \
    "\"s-maxage\",\"state\":\"stale\",\"stale_since\":1800000065,\"stale_while_revalidate\":0,"    \
    "\"stale_if_error\":60,\"stale_error_until\":1800000125,\"kept_until\":1800003600,"            \
    "\"must_revalidate\":false},\"validators\":{\"etag\":\"\\\"e\\\"\"},\"sizes\":{\"key\":1,"     \
    "\"head\":2,\"body\":3,\"overhead\":4,\"total\":10},\"headers\":{\"A\":[\"x\",\"y\"]}}"

static void test_by_key(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(
        ctl_fixture_call(x, ctl_cache_get, ctl_fixture_answer(200, OBJECT), CTL_WORDS(KEY)),
        CTL_OK);
    assert_int_equal(strncmp(x->asked, "GET /proxy-cache/" KEY " ", 50), 0);
    static const char *const wanted[] = {
        KEY,
        "\n  A: x,y\n",
        "\netag            \"e\"\n",
        "\nstored at       2027-01-15 08:00:00 UTC (1m30s ago)\n",
        "\nage             5s at store + 90s since = 95s\n",
        "\nlifetime        70s, from s-maxage\n",
        "\nstate           stale: 70s - 95s = -25s left\n",
        "\nstale since     2027-01-15 08:01:05 UTC (25s ago)\n",
        "\nstale if error  1m00s, until 2027-01-15 08:02:05 UTC (in 35s)\n",
        "\nsize            key 1 + head 2 + body 3 + overhead 4 = 10 bytes\n",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (strstr(x->out, wanted[i]) == NULL)
            fail_msg("%s is not in\n%s", wanted[i], x->out);
    assert_null(strstr(x->out, "stale while"));
}

static void test_by_url(void **state)
{
    struct ctl_fixture *x = *state;

    assert_int_equal(ctl_fixture_call(x, ctl_cache_get,
                                      ctl_fixture_answer(200, "{\"keys\":[" OBJECT "," OBJECT "]}"),
                                      CTL_WORDS("http://h/a?b=c")),
                     CTL_OK);
    assert_non_null(strstr(x->asked, "GET /cache/keys?"));
    assert_non_null(strstr(x->asked, "url=http%3A%2F%2Fh%2Fa%3Fb%3Dc"));
    assert_non_null(strstr(x->asked, "details=true"));
    assert_non_null(strstr(x->out, "--- 2 of 2\n"));
    assert_int_equal(ctl_fixture_call(x, ctl_cache_get, ctl_fixture_answer(200, "{\"keys\":[]}"),
                                      CTL_WORDS("h/b")),
                     CTL_REFUSED);
    assert_string_equal(x->err, "gatewayctl: nothing is stored for h/b\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_by_key, ctl_fixture_make, ctl_fixture_drop),
        cmocka_unit_test_setup_teardown(test_by_url, ctl_fixture_make, ctl_fixture_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
