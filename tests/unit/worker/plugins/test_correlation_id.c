/* SPDX-License-Identifier: Apache-2.0 */
/* correlation-id: the three forms, what is kept, and what is echoed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_correlation_id.h"
#include "conf/regex.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"
#include <unistd.h>

#define UUID "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"

static struct stream s;
static struct conf_correlation_id config;

static int setup(void **state)
{
    (void)state;
    s.now_ms = 1700000000123;
    config = (struct conf_correlation_id){ .header_name = fake_text("Kong-Request-ID") };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    return 0;
}

static struct slice run(const char *request)
{
    fake_request(&s, request);
    assert_int_equal(correlation_id_ops.access(&s, &config), STAGE_NEXT);
    correlation_id_ops.header_filter(&s, &config);
    const struct slice *set = fake_upstream(&s, "kong-request-id");
    return set ? *set : slice_of(NULL, 0);
}

static void expect_form(struct slice id, const char *pattern)
{
    char why[128];
    struct regex_span span[1];
    struct conf_regex *re = regex_compile(pattern, strlen(pattern), why, sizeof(why));
    assert_non_null(re);
    assert_int_equal(regex_match(re, id.p, id.n, span, 1), 1);
    assert_int_equal(span[0].to, id.n);
    regex_free(&re);
}

static void uuid(void **state)
{
    (void)state;
    expect_form(run("GET /\n"), UUID);
}

static void uuid_and_counter(void **state)
{
    (void)state;
    config.generator = CONF_CORRELATION_UUID_COUNTER;
    s.counter = 0;
    struct slice id = run("GET /\n");
    char first[64];
    expect_form(id, UUID "#1$");
    memcpy(first, id.p, 36);
    id = run("GET /\n");
    expect_form(id, UUID "#2$");
    assert_memory_equal(first, id.p, 36);
}

static void tracker(void **state)
{
    char wanted[128];
    (void)state;
    config.generator = CONF_CORRELATION_TRACKER;
    s.counter = 6;
    struct slice id = run("GET /\n");
    int n = snprintf(wanted, sizeof(wanted), "127.0.0.1-8000-%d-7-1-1700000000.123", (int)getpid());
    assert_int_equal(id.n, n);
    assert_memory_equal(id.p, wanted, id.n);
}

static void what_the_client_sent_is_kept(void **state)
{
    (void)state;
    assert_null(run("GET /\nkong-request-id: mine\n").p);
    assert_null(fake_response(&s, "Kong-Request-ID"));
    expect_form(run("GET /\nkong-request-id:\n"), UUID);
    config.echo_downstream = true;
    assert_null(run("GET /\nkong-request-id: mine\n").p);
    assert_true(slice_equal(*fake_response(&s, "Kong-Request-ID"), SLICE("mine")));
}

static void echoed_as_it_went_upstream(void **state)
{
    (void)state;
    config.generator = CONF_CORRELATION_UUID_COUNTER;
    config.echo_downstream = true;
    struct slice id = run("GET /\n");
    assert_true(slice_equal(*fake_response(&s, "Kong-Request-ID"), id));
}

/* An answer may be made before the plugin's turn in the access phase. */
static void echoed_without_an_access_phase(void **state)
{
    (void)state;
    config.echo_downstream = true;
    fake_request(&s, "GET /\n");
    correlation_id_ops.header_filter(&s, &config);
    assert_null(fake_upstream(&s, "Kong-Request-ID"));
    expect_form(*fake_response(&s, "Kong-Request-ID"), UUID);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(uuid, setup, teardown),
        cmocka_unit_test_setup_teardown(uuid_and_counter, setup, teardown),
        cmocka_unit_test_setup_teardown(tracker, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_client_sent_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(echoed_as_it_went_upstream, setup, teardown),
        cmocka_unit_test_setup_teardown(echoed_without_an_access_phase, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
