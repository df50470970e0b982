/* SPDX-License-Identifier: Apache-2.0 */
/* Digest fields, and bodies that are compared with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/plugins/hmac_digest.h"

/* printf body | openssl dgst -sha256 -binary | base64 */
#define BODY "Iw2DWNyOiJC0xY3utikS7i8gNXrpKlzIYbmOaP4xrLU="

static bool reads(const char *value)
{
    unsigned char wanted[HMAC_DIGEST_SIZE];
    return hmac_digest_read(slice_of(value, strlen(value)), wanted);
}

static void fields(void **state)
{
    (void)state;
    assert_true(reads("SHA-256=" BODY));
    assert_true(reads("sha-256=" BODY));
    assert_true(reads("MD5=x, SHA-256=" BODY ", unixsum=1"));
    static const char *const bad[] = { "",
                                       "SHA-256=",
                                       "SHA-256 =" BODY,
                                       "SHA-512=" BODY,
                                       "SHA-256=" BODY "x",
                                       "SHA-256=" BODY ",SHA-256=" BODY,
                                       "SHA-256=SHA-256=" BODY,
                                       "SHA-256=Iw2DWNyOiJC0xY3utikS7i8gNXrpKlzIYbmOaP4xrL==",
                                       "SHA-256=*w2DWNyOiJC0xY3utikS7i8gNXrpKlzIYbmOaP4xrLU=" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(reads(bad[i]));
}

static void bodies(void **state)
{
    struct hmac_digest d = { 0 };
    (void)state;
    assert_true(hmac_digest_open(&d));
    assert_true(hmac_digest_read(SLICE("SHA-256=" BODY), d.wanted));
    static const struct {
        const char *text;
        bool holds;
    } cases[] = { { "body", true }, { "bodies", false }, { "", false }, { "body", true } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hmac_digest_begin(&d);
        for (const char *c = cases[i].text; *c; c++)
            assert_true(hmac_digest_take(&d, slice_of(c, 1)));
        assert_int_equal(hmac_digest_holds(&d), cases[i].holds);
    }
    d.empty = true;
    hmac_digest_begin(&d);
    assert_true(hmac_digest_take(&d, SLICE("")));
    assert_true(hmac_digest_holds(&d));
    assert_false(hmac_digest_take(&d, SLICE("x")));
    hmac_digest_free(&d);
    hmac_digest_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(fields), cmocka_unit_test(bodies) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
