/* SPDX-License-Identifier: Apache-2.0 */
/* request-size-limiting: by Content-Length, without one, and what is left to the reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_request_size_limiting.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"

static struct stream s;
static struct conf_request_size_limiting config;

static int run(const char *request)
{
    fake_request(&s, request);
    enum stage_result r = request_size_limiting_ops.access(&s, &config);
    assert_int_equal(r, s.status ? STAGE_DONE : STAGE_NEXT);
    assert_int_equal(s.body_limit, s.status ? 0 : config.allowed);
    return s.status;
}

static void by_length(void **state)
{
    (void)state;
    config = (struct conf_request_size_limiting){ .allowed = 10 };
    assert_int_equal(run("GET /\n"), 0);
    assert_int_equal(run("POST /\nContent-Length: 10\n"), 0);
    assert_int_equal(run("POST /\nContent-Length: 11\n"), 413);
    assert_true(slice_equal(s.message, SLICE("Request size limit exceeded")));
    assert_int_equal(run("POST /\nContent-Length: 11\nExpect: 100-continue\n"), 417);
    assert_int_equal(run("POST /\nContent-Length: 10\nExpect: 100-continue\n"), 0);
    config.allowed = 0;
    assert_int_equal(run("POST /\nContent-Length: 0\n"), 0);
    assert_int_equal(run("POST /\nContent-Length: 1\n"), 413);
}

static void without_length(void **state)
{
    (void)state;
    config = (struct conf_request_size_limiting){ .allowed = 10 };
    assert_int_equal(run("POST /\nTransfer-Encoding: chunked\n"), 0);
    assert_string_equal(s.body_message, "Request size limit exceeded");
    config.require_content_length = true;
    assert_int_equal(run("POST /\nTransfer-Encoding: chunked\n"), 411);
    assert_true(slice_equal(s.message, SLICE("A valid Content-Length header is required")));
    assert_int_equal(run("POST /\n"), 0);
    assert_int_equal(run("POST /\nContent-Length: 10\n"), 0);
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(by_length),
                                        cmocka_unit_test(without_length) };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
