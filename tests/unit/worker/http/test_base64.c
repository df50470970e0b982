/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 against OpenSSL's, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/http/base64.h"
#include <openssl/evp.h>
#include <stdlib.h>

/* Removes the padding and changes to the alphabet of URLs. */
static size_t to_url(char *text, size_t n)
{
    while (n > 0 && text[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++)
        text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    return n;
}

static void base64_equals_openssl(void **state)
{
    unsigned char bytes[64];
    char text[128], out[128];
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        size_t length = round % sizeof(bytes);
        for (size_t i = 0; i < length; i++)
            bytes[i] = (unsigned char)random();
        size_t n = (size_t)EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
        assert_int_equal(base64_decode(slice_of(text, n), true, out), length);
        assert_memory_equal(out, bytes, length);
        n = to_url(text, n);
        assert_int_equal(base64_decode(slice_of(text, n), false, out), length);
        assert_memory_equal(out, bytes, length);
    }
}

static ptrdiff_t decode(const char *text, bool any)
{
    char out[64];
    return base64_decode(slice_of(text, strlen(text)), any, out);
}

static void base64_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = { "A",      "AAAAA", "AB",   "AAB",  "A A=", "AA\n",
                                       "AA==AA", "=",     "AA==", "AAA=", "A+/A" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(decode(bad[i], false), -1);
    assert_int_equal(decode("AA==", true), 1);
    assert_int_equal(decode("AAA=", true), 2);
    assert_int_equal(decode("A+/_", true), 3);
    assert_int_equal(decode("A===", true), -1);
    assert_int_equal(decode("AA=", true), -1);
    assert_int_equal(decode("====", true), -1);
    assert_int_equal(decode("", false), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_equals_openssl),
        cmocka_unit_test(base64_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
