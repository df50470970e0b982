/* SPDX-License-Identifier: Apache-2.0 */
/* ip-restriction: who passes, and what the others hear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_ip_restriction.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"

static struct stream s;

static struct conf_ip_restriction config;
static const struct conf_cidr ten = { { [10] = 0xff, [11] = 0xff, [12] = 10 }, 104 };
static const struct conf_cidr ten_one = { { [10] = 0xff, [11] = 0xff, [12] = 10, [13] = 1 }, 112 };

static enum stage_result from(uint8_t a, uint8_t b)
{
    fake_request(&s, "GET /\n");
    memcpy(s.request.client_ip, (uint8_t[16]){ [10] = 0xff, [11] = 0xff, [12] = a, [13] = b }, 16);
    return ip_restriction_ops.access(&s, &config);
}

static void allow_and_deny(void **state)
{
    (void)state;
    config = (struct conf_ip_restriction){ .allow = { &ten, 1 },
                                           .status = 403,
                                           .message = fake_text("no") };
    assert_int_equal(from(10, 1), STAGE_NEXT);
    assert_int_equal(from(11, 1), STAGE_DONE);
    assert_int_equal(s.status, 403);
    assert_true(slice_equal(s.message, SLICE("no")));
    config.deny = (struct conf_networks){ &ten_one, 1 };
    assert_int_equal(from(10, 1), STAGE_DONE);
    assert_int_equal(from(10, 2), STAGE_NEXT);
    config.allow.n = 0;
    config.status = 451;
    assert_int_equal(from(11, 1), STAGE_NEXT);
    assert_int_equal(from(10, 1), STAGE_DONE);
    assert_int_equal(s.status, 451);
    config.message.n = 0;
    assert_int_equal(from(10, 1), STAGE_DONE);
    assert_true(slice_equal(s.message, SLICE("IP address not allowed: 192.0.2.7")));
    fake_request(&s, "GET /\n"); /* by a Unix socket */
    memset(s.request.client_ip, 0, 16);
    assert_int_equal(ip_restriction_ops.access(&s, &config), STAGE_DONE);
    assert_int_equal(s.status, 403);
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test_teardown(allow_and_deny,
                                                                         teardown) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
