/* SPDX-License-Identifier: Apache-2.0 */
/* basic-auth: where it looks, what it refuses, what it keeps from the upstream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_basic_auth.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"

static struct stream s;
static struct conf_consumer alice, nobody;
static struct conf_basic alice_basic;
static struct conf_basic_auth config;

static int setup(void **state)
{
    (void)state;
    alice = (struct conf_consumer){ .username = fake_text("alice"), .id = fake_text("a1") };
    nobody = (struct conf_consumer){ .username = fake_text("nobody"), .id = fake_text("n0") };
    alice_basic = (struct conf_basic){ .username = fake_text("Aladdin"),
                                       .password = fake_text("open:sesame"),
                                       .format = CONF_PASSWORD_PLAIN,
                                       .consumer = &alice };
    s.credentials = (struct conf_credentials){ .basics = { &alice_basic }, .basics_n = 1 };
    config = (struct conf_basic_auth){ .realm = fake_text("service") };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    memo_free(&s.memo);
    return 0;
}

static void expect_alice(const char *request)
{
    fake_request(&s, request);
    assert_int_equal(basic_auth_ops.access(&s, &config), STAGE_NEXT);
    assert_ptr_equal(s.consumer, &alice);
    assert_true(slice_equal(s.credential, SLICE("Aladdin")));
}

static void expect_refusal(const char *request)
{
    fake_request(&s, request);
    assert_int_equal(basic_auth_ops.access(&s, &config), STAGE_DONE);
    assert_int_equal(s.status, 401);
    assert_true(slice_equal(s.message, SLICE("Unauthorized")));
    assert_true(
        slice_equal(*fake_response(&s, "WWW-Authenticate"), SLICE("Basic realm=\"service\"")));
    assert_null(s.consumer);
}

/* "Aladdin:open:sesame" */
#define RIGHT "QWxhZGRpbjpvcGVuOnNlc2FtZQ=="

static void finds(void **state)
{
    (void)state;
    expect_alice("GET /\nAuthorization: Basic " RIGHT "\n");
    expect_alice("GET /\nauthorization: bASIC   " RIGHT "\n");
    expect_alice("GET /\nProxy-Authorization: Basic " RIGHT "\n");
    expect_alice("GET /\nProxy-Authorization: Basic eDp5\nAuthorization: Basic " RIGHT "\n");
}

static void refuses(void **state)
{
    (void)state;
    expect_refusal("GET /\n");
    expect_refusal("GET /\nAuthorization: Basic\n");
    expect_refusal("GET /\nAuthorization: Bearer " RIGHT "\n");
    expect_refusal("GET /\nAuthorization: Basic" RIGHT "\n");
    expect_refusal("GET /\nAuthorization: Basic *\n");
    expect_refusal("GET /\nAuthorization: Basic QWxhZGRpbg==\n");         /* no colon */
    expect_refusal("GET /\nAuthorization: Basic QWxhZGRpbjpvcGVu\n");     /* another password */
    expect_refusal("GET /\nAuthorization: Basic eDpvcGVuOnNlc2FtZQ==\n"); /* another name */
    expect_refusal(
        "GET /\nAuthorization: Basic YWxhZGRpbjpvcGVuOnNlc2FtZQ==\n"); /* in lower case */
    expect_refusal("GET /\nAuthorization: Basic " RIGHT "\nAuthorization: Basic " RIGHT "\n");
}

static void hides(void **state)
{
    (void)state;
    expect_alice("GET /\nAuthorization: Basic " RIGHT "\n");
    assert_null(fake_upstream(&s, "Authorization"));
    config.hide_credentials = true;
    expect_alice("GET /\nAuthorization: Basic " RIGHT "\n");
    assert_non_null(fake_upstream(&s, "Authorization"));
    assert_null(fake_upstream(&s, "Authorization")->p);
}

static void anonymous(void **state)
{
    (void)state;
    config.anonymous = &nobody;
    fake_request(&s, "GET /\nAuthorization: Basic eDp5\n");
    assert_int_equal(basic_auth_ops.access(&s, &config), STAGE_NEXT);
    assert_ptr_equal(s.consumer, &nobody);
    assert_true(s.anonymous);
    assert_null(fake_response(&s, "WWW-Authenticate"));
    expect_alice("GET /\nAuthorization: Basic " RIGHT "\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(hides, setup, teardown),
        cmocka_unit_test_setup_teardown(anonymous, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
