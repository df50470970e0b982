/* SPDX-License-Identifier: Apache-2.0 */
/* redirect: where to, with and without the path that was asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_redirect.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"

static struct stream s;

static void locations(void **state)
{
    (void)state;
    struct conf_redirect config = { .status_code = 308,
                                    .location = fake_text("https://n.example/x?y"),
                                    .origin = { "https://n.example/x", 17 } };
    fake_request(&s, "GET /a/../b?q=1\n");
    assert_int_equal(redirect_ops.access(&s, &config), STAGE_DONE);
    assert_int_equal(s.status, 308);
    assert_true(slice_equal(*fake_response(&s, "Location"), SLICE("https://n.example/x?y")));
    config.keep_incoming_path = true;
    fake_request(&s, "GET /a/../b?q=1\n");
    assert_int_equal(redirect_ops.access(&s, &config), STAGE_DONE);
    assert_true(slice_equal(*fake_response(&s, "Location"), SLICE("https://n.example/b?q=1")));
    fake_request(&s, "GET //evil.example/\n");
    assert_int_equal(redirect_ops.access(&s, &config), STAGE_DONE);
    assert_true(
        slice_equal(*fake_response(&s, "Location"), SLICE("https://n.example/evil.example/")));
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test_teardown(locations, teardown) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
