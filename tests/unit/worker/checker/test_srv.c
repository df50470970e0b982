/* SPDX-License-Identifier: Apache-2.0 */
/* SRV records out of messages that are whole, compressed, cut at each byte, and hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/checker/srv.h"
#include <stdlib.h>
#include <string.h>

static struct srv_record out[SRV_RECORDS];

/* A question for _a.b, an alias, two SRV records (one with a compressed host, one with "."). */
static const uint8_t whole[] = {
    0x12, 0x34, 0x81, 0x80, 0,    1,  0,    3,  0, 0,  0, 0,            /* head */
    2,    '_',  'a',  1,    'b',  0,  0,    33, 0, 1,                   /* question at 12 */
    0xc0, 12,   0,    5,    0,    1,  0,    0,  0, 9,  0, 2,  0xc0, 15, /* CNAME b */
    0xc0, 12,   0,    33,   0,    1,  0,    0,  0, 30, 0, 12, 0,    10,
    0,    60,   0x1f, 0x90,           /* SRV 10 60 8080 */
    3,    'W',  'e',  'b',  0xc0, 15, /* web.b */
    0xc0, 12,   0,    33,   0,    1,  0x80, 0,  0, 0,  0, 7,  0,    20,
    0,    0,    0,    80,   0, /* SRV 20 0 80 . */
};

static void records_are_read(void **state)
{
    (void)state;
    assert_int_equal(srv_parse(whole, sizeof whole, out), 2);
    assert_int_equal(out[0].priority, 10);
    assert_int_equal(out[0].weight, 60);
    assert_int_equal(out[0].port, 8080);
    assert_int_equal(out[0].ttl, 30);
    assert_string_equal(out[0].host, "web.b");
    assert_int_equal(out[1].priority, 20);
    assert_int_equal(out[1].ttl, 0); /* with the highest bit it is none */
    assert_string_equal(out[1].host, "");
}

static void cut_anywhere_is_malformed(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof whole; n++) {
        uint8_t *copy = malloc(n ? n : 1); /* its end is the end of the memory */
        memcpy(copy, whole, n);
        assert_int_equal(srv_parse(copy, n, out), -1);
        free(copy);
    }
}

/* Whatever a byte becomes, it ends, inside the message. */
static void any_byte_may_be_wrong(void **state)
{
    uint8_t *copy = malloc(sizeof whole);
    (void)state;
    for (size_t i = 0; i < sizeof whole; i++)
        for (int byte = 0; byte < 256; byte++) {
            memcpy(copy, whole, sizeof whole);
            copy[i] = (uint8_t)byte;
            int n = srv_parse(copy, sizeof whole, out);
            assert_in_range(n + 1, 0, SRV_RECORDS + 1);
            for (int k = 0; k < n; k++)
                assert_non_null(memchr(out[k].host, 0, SRV_NAME));
        }
    free(copy);
}

static void pointers_lead_backwards(void **state)
{
    uint8_t copy[sizeof whole];
    (void)state;
    memcpy(copy, whole, sizeof whole);
    copy[58] = 0xc0; /* the pointer of web.b to itself */
    assert_int_equal(whole[58], 0xc0);
    copy[59] = 58;
    assert_int_equal(srv_parse(copy, sizeof copy, out), -1);
    copy[59] = 54; /* to its own begin */
    assert_int_equal(srv_parse(copy, sizeof copy, out), -1);
}

static void hosts_have_the_characters_of_hosts(void **state)
{
    uint8_t copy[sizeof whole];
    static const char bad[] = " \n\"/.:\x01\x7f\xff";
    (void)state;
    for (size_t i = 0; i < sizeof bad - 1; i++) {
        memcpy(copy, whole, sizeof whole);
        copy[56] = (uint8_t)bad[i];
        assert_int_equal(srv_parse(copy, sizeof copy, out), -1);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_read),
        cmocka_unit_test(cut_anywhere_is_malformed),
        cmocka_unit_test(any_byte_may_be_wrong),
        cmocka_unit_test(pointers_lead_backwards),
        cmocka_unit_test(hosts_have_the_characters_of_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
