/* SPDX-License-Identifier: Apache-2.0 */
/* What was found to be true: by whom, for how long, by which version, within bounds; and SipHash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/verified.h"
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>

static struct verified v;
static int who, other;

static int teardown(void **state)
{
    (void)state;
    verified_free(&v);
    return 0;
}

static struct verified_mark mark_of(const void *by, const char *text)
{
    struct verified_mark mark;
    assert_true(verified_mark(&v, by, slice_of(text, strlen(text)), &mark));
    return mark;
}

static void keep(const char *text, int64_t now, int64_t until, uint64_t version)
{
    struct verified_mark mark = mark_of(&who, text);
    struct verified_truth truth = { now, until, version, strdup(text), strlen(text) + 1 };
    verified_keep(&v, &mark, &truth);
}

static const char *find(const char *text, int64_t now, uint64_t version)
{
    struct verified_mark mark = mark_of(&who, text);
    return verified_find(&v, &mark, now, version);
}

static void for_a_time_and_a_version(void **state)
{
    (void)state;
    assert_null(find("a", 100, 1));
    keep("a", 100, 200, 1);
    assert_string_equal(find("a", 100, 1), "a");
    assert_string_equal(find("a", 199, 1), "a");
    assert_null(find("a", 200, 1));
    assert_null(find("a", 99, 1));
    assert_null(find("a", 150, 2));
    assert_null(find("b", 150, 1));
    struct verified_mark mark = mark_of(&other, "a");
    assert_null(verified_find(&v, &mark, 150, 1));
    keep("a", 150, 300, 2);
    assert_null(find("a", 160, 1));
    assert_string_equal(find("a", 250, 2), "a");
    keep("c", 100, 100, 1); /* over already */
    assert_null(find("c", 100, 1));
}

static void within_bounds(void **state)
{
    (void)state;
    struct verified_mark mark;
    for (int i = 0; i < 40000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        mark = mark_of(&who, text);
        struct verified_truth truth = { 1, 1000, 1, malloc(1000), 1000 };
        assert_non_null(truth.data);
        verified_keep(&v, &mark, &truth);
        assert_true(v.bytes <= VERIFIED_BYTES);
        assert_ptr_equal(verified_find(&v, &mark, 5, 1), truth.data);
    }
    assert_true(v.bytes > VERIFIED_BYTES / 2);
    struct verified_truth large = { 1, 1000, 1, malloc(VERIFIED_MAX + 1), VERIFIED_MAX + 1 };
    mark = mark_of(&who, "large");
    verified_keep(&v, &mark, &large);
    assert_null(verified_find(&v, &mark, 5, 1));
}

static void what_ran_out_goes_first(void **state)
{
    (void)state;
    struct verified_mark marks[VERIFIED_WAYS + 1];
    for (uint64_t i = 0; i <= VERIFIED_WAYS; i++) {
        marks[i] = (struct verified_mark){ { VERIFIED_SETS * (i + 1), 1 } }; /* of one set */
        struct verified_truth truth = { 10, i == 2 ? 20 : 1000, 1, malloc(8), 8 };
        if (i == VERIFIED_WAYS)
            truth.now = 30;
        verified_keep(&v, &marks[i], &truth);
    }
    for (int i = 0; i <= VERIFIED_WAYS; i++)
        assert_int_equal(verified_find(&v, &marks[i], 31, 1) != NULL, i != 2);
}

/* OpenSSL's SipHash-2-4, over the text with `who` before it. */
static void is_siphash(void **state)
{
    (void)state;
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    assert_non_null(mac);
    unsigned char text[8 + 64], out[16];
    (void)mark_of(&who, "key");
    for (size_t n = 0; n <= 64; n++) {
        uint64_t first = (uint64_t)(uintptr_t)&who;
        struct verified_mark mark;
        size_t made, size = 16;
        memcpy(text, &first, 8);
        for (size_t i = 0; i < n; i++)
            text[8 + i] = (unsigned char)random();
        EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
        OSSL_PARAM params[] = { OSSL_PARAM_construct_size_t("size", &size),
                                OSSL_PARAM_construct_end() };
        assert_int_equal(EVP_MAC_init(ctx, (unsigned char *)v.key, 16, params), 1);
        assert_int_equal(EVP_MAC_update(ctx, text, 8 + n), 1);
        assert_int_equal(EVP_MAC_final(ctx, out, &made, sizeof out), 1);
        EVP_MAC_CTX_free(ctx);
        assert_true(verified_mark(&v, &who, slice_of((char *)text + 8, n), &mark));
        assert_memory_equal(mark.half, out, 16);
    }
    EVP_MAC_free(mac);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(for_a_time_and_a_version, teardown),
        cmocka_unit_test_teardown(within_bounds, teardown),
        cmocka_unit_test_teardown(what_ran_out_goes_first, teardown),
        cmocka_unit_test_teardown(is_siphash, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
