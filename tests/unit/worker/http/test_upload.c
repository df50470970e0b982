/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks of a request's body: each alone, together, and what does not run them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/http/upload.h"
#include <string.h>

#define MS INT64_C(1000)

static struct conf_client_body limits;
static struct upload u;
static int64_t now;

static int setup(void **state)
{
    (void)state;
    limits = (struct conf_client_body){ .timeout = 1000, .min_rate_grace = 500 };
    now = 77;
    upload_begin(&u, &limits);
    return 0;
}

/* The client is waited for so long; then `bytes` come, or nothing and it is still waited for. */
static void wait_for(int64_t ms, uint64_t bytes)
{
    (void)upload_wait(&u, now);
    now += ms * MS;
    if (bytes) {
        upload_pause(&u, now);
        upload_got(&u, bytes);
    }
}

static void late(const char *name)
{
    const char *is = upload_late(&u, now);
    if (name) {
        assert_non_null(is);
        assert_string_equal(is, name);
    } else {
        assert_null(is);
    }
}

static void between_two_reads(void **state)
{
    (void)state;
    late(NULL); /* nobody waits */
    assert_int_equal(upload_wait(&u, now), 1000);
    now += 999 * MS + 1;
    assert_int_equal(upload_wait(&u, now), 1); /* asking again buys no time */
    late(NULL);
    now += MS;
    late("client_body_timeout");
    assert_int_equal(upload_wait(&u, now), 1);
    wait_for(0, 1);
    for (int i = 0; i < 100; i++) {
        wait_for(999, 1);
        late(NULL);
    }
    assert_int_equal(upload_wait(&u, now), 1000);
}

static void what_others_take_is_not_counted(void **state)
{
    (void)state;
    limits.total_timeout = 1500;
    limits.min_rate = 1000;
    upload_begin(&u, &limits);
    wait_for(100, 10);
    now += 3600 * 1000 * MS; /* a slow upstream */
    late(NULL);
    assert_int_equal(upload_wait(&u, now), 410);
    upload_pause(&u, now);
    upload_pause(&u, now + 5000 * MS); /* it was not waited for */
    assert_int_equal(upload_wait(&u, now), 410);
}

static void in_all(void **state)
{
    (void)state;
    limits.total_timeout = 1500;
    for (int i = 0; i < 14; i++)
        wait_for(100, 1000000);
    late(NULL);
    assert_int_equal(upload_wait(&u, now), 100);
    now += 100 * MS;
    late("client_body_total_timeout");
}

static void slower_than_the_rate_for_longer_than_the_grace(void **state)
{
    (void)state;
    limits.min_rate = 1000;
    for (int i = 0; i < 100; i++) { /* exactly the rate */
        wait_for(100, 100);
        late(NULL);
    }
    assert_int_equal(upload_wait(&u, now), 500);
    for (int i = 0; i < 9; i++) { /* half of it: 50 ms of 100 are lost each time */
        wait_for(100, 50);
        assert_int_equal(upload_wait(&u, now), 500 - 50 * (i + 1));
    }
    (void)upload_wait(&u, now);
    now += 50 * MS;
    late("client_body_min_rate");
}

/* A gigabyte at once does not pay for hours of nothing. */
static void a_fast_beginning_buys_no_more_than_the_grace(void **state)
{
    (void)state;
    limits.min_rate = 1000;
    wait_for(1, UINT64_C(1) << 40);
    wait_for(1, UINT64_MAX);
    assert_int_equal(upload_wait(&u, now), 500);
    wait_for(499, 1);
    late(NULL);
    (void)upload_wait(&u, now);
    now += 2 * MS;
    late("client_body_min_rate");
    limits.min_rate = 1; /* a byte brings more back than was lost */
    upload_begin(&u, &limits);
    wait_for(400, 1);
    assert_int_equal(upload_wait(&u, now), 500);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(between_two_reads, setup),
        cmocka_unit_test_setup(what_others_take_is_not_counted, setup),
        cmocka_unit_test_setup(in_all, setup),
        cmocka_unit_test_setup(slower_than_the_rate_for_longer_than_the_grace, setup),
        cmocka_unit_test_setup(a_fast_beginning_buys_no_more_than_the_grace, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
