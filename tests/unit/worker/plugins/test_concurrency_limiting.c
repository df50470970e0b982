/* SPDX-License-Identifier: Apache-2.0 */
/* concurrency-limiting: whose seat is taken, and what a refusal says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_concurrency_limiting.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"

static struct stream s;
static struct conf_concurrency_limiting config;
static struct conf_consumer alice;

static int ask(const char *request, const struct conf_consumer *consumer)
{
    fake_request(&s, request);
    s.consumer = consumer;
    enum stage_result r = concurrency_limiting_ops.access(&s, &config);
    assert_int_equal(r, s.status ? STAGE_DONE : STAGE_NEXT);
    return s.status;
}

static void seats(void **state)
{
    (void)state;
    alice.id = fake_text("a");
    config = (struct conf_concurrency_limiting){ .limit = 3,
                                                 .scope = 40,
                                                 .retry_after = 2,
                                                 .error_code = 429,
                                                 .error_message = fake_text("Busy") };
    s.seats = 1;
    assert_int_equal(ask("GET /\n", &alice), 0);
    assert_true(slice_equal(s.seat_of, SLICE("a")));
    assert_int_equal(s.seat_scope, 40);
    assert_int_equal(s.seat_limit, 3);
    assert_null(fake_response(&s, "Retry-After"));
    s.seats = 0;
    assert_int_equal(ask("GET /\n", NULL), 429);
    assert_int_equal(s.seat_of.n, 16); /* the address, and not somebody who is called so */
    assert_int_equal(s.seat_scope, 41);
    assert_true(slice_equal(s.message, SLICE("Busy")));
    assert_true(slice_equal(*fake_response(&s, "Retry-After"), SLICE("2")));
    config.retry_after = 0;
    assert_int_equal(ask("GET /\n", NULL), 429);
    assert_null(fake_response(&s, "Retry-After"));
    assert_int_equal(concurrency_limiting_ops.look(&s, &config), STAGE_DONE);
    s.seats = 1;
    assert_int_equal(concurrency_limiting_ops.look(&s, &config), STAGE_NEXT);
    assert_int_equal(s.seats, 1);
    fake_free(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(seats) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
