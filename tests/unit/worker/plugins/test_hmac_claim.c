/* SPDX-License-Identifier: Apache-2.0 */
/* The Authorization field of hmac-auth: what is read, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/plugins/hmac_claim.h"

static struct hmac_claim claim;

static bool reads(const char *text)
{
    return hmac_claim_read(slice_of(text, strlen(text)), &claim);
}

static void sound(void **state)
{
    (void)state;
    assert_true(reads("hmac username=\"u\", algorithm=\"hmac-sha1\", headers=\"date x\", "
                      "signature=\"QQ==\""));
    assert_true(slice_equal(claim.username, SLICE("u")));
    assert_true(slice_equal(claim.algorithm, SLICE("hmac-sha1")));
    assert_true(slice_equal(claim.headers, SLICE("date x")));
    assert_true(slice_equal(claim.signature, SLICE("QQ==")));
    assert_true(
        reads("HMAC signature=\"s\",headers=\"h\",,extra=\"\",algorithm=\"a\",username=\"a, "
              "b=c\""));
    assert_true(slice_equal(claim.username, SLICE("a, b=c")));
}

static void refused(void **state)
{
    static const char *const texts[] = {
        "",
        "hmac",
        "hmac ",
        "hmac username",
        "hmac username=",
        "hmac username=u",
        "hmac username=\"u",
        "basic username=\"u\", algorithm=\"a\", headers=\"h\", signature=\"s\"",
        "hmacusername=\"u\", algorithm=\"a\", headers=\"h\", signature=\"s\"",
        "hmac username=\"u\", algorithm=\"a\", headers=\"h\"",
        "hmac username=\"\", algorithm=\"a\", headers=\"h\", signature=\"s\"",
        "hmac username=\"u\", username=\"v\", algorithm=\"a\", headers=\"h\", signature=\"s\"",
        "hmac username=\"u\" algorithm=\"a\", headers=\"h\", signature=\"s\"",
        "hmac username=\"u\\\", algorithm=\"a\", headers=\"h\", signature=\"s\"",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(reads(texts[i]));
}

static void names(void **state)
{
    struct slice rest = SLICE("  a  B c "), name;
    (void)state;
    assert_true(hmac_claim_next(&rest, &name) && slice_equal(name, SLICE("a")));
    assert_true(hmac_claim_next(&rest, &name) && slice_equal(name, SLICE("B")));
    assert_true(hmac_claim_next(&rest, &name) && slice_equal(name, SLICE("c")));
    assert_false(hmac_claim_next(&rest, &name));
    claim.headers = SLICE("date X-Date");
    assert_true(hmac_claim_covers(&claim, SLICE("x-date")));
    assert_true(hmac_claim_covers(&claim, SLICE("Date")));
    assert_false(hmac_claim_covers(&claim, SLICE("dat")));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(sound), cmocka_unit_test(refused),
                                        cmocka_unit_test(names) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
