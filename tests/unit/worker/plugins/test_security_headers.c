/* SPDX-License-Identifier: Apache-2.0 */
/* security-headers: each field, and HSTS over TLS alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_security_headers.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"

static struct stream s;

static void fields(void **state)
{
    (void)state;
    struct conf_security_headers config = { .hsts = fake_text("max-age=1"),
                                            .content_type_nosniff = true,
                                            .frame_options = fake_text("DENY"),
                                            .content_security_policy =
                                                fake_text("default-src 'self'"),
                                            .referrer_policy = fake_text(""),
                                            .permissions_policy = fake_text("camera=()"),
                                            .cross_origin_opener_policy = fake_text("same-origin"),
                                            .cross_origin_resource_policy =
                                                fake_text("same-site") };
    fake_request(&s, "GET /\n");
    security_headers_ops.header_filter(&s, &config);
    assert_null(fake_response(&s, "Strict-Transport-Security"));
    assert_null(fake_response(&s, "Referrer-Policy"));
    assert_true(slice_equal(*fake_response(&s, "X-Content-Type-Options"), SLICE("nosniff")));
    assert_true(slice_equal(*fake_response(&s, "X-Frame-Options"), SLICE("DENY")));
    assert_true(
        slice_equal(*fake_response(&s, "Content-Security-Policy"), SLICE("default-src 'self'")));
    assert_true(slice_equal(*fake_response(&s, "Permissions-Policy"), SLICE("camera=()")));
    assert_true(
        slice_equal(*fake_response(&s, "Cross-Origin-Opener-Policy"), SLICE("same-origin")));
    assert_true(
        slice_equal(*fake_response(&s, "Cross-Origin-Resource-Policy"), SLICE("same-site")));
    fake_request(&s, "GET /\n");
    s.request.secure = true;
    security_headers_ops.header_filter(&s, &config);
    assert_true(slice_equal(*fake_response(&s, "Strict-Transport-Security"), SLICE("max-age=1")));
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test_teardown(fields, teardown) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
