/* SPDX-License-Identifier: Apache-2.0 */
/* key-auth: every field of its configuration, and each way in which it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_key_auth.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"

static struct stream s;
static struct conf_consumer alice, nobody;
static struct conf_key alice_key;
static struct conf_text names[2];
static struct conf_key_auth config;

static int setup(void **state)
{
    (void)state;
    alice = (struct conf_consumer){ .username = fake_text("alice"), .id = fake_text("a1") };
    nobody = (struct conf_consumer){ .username = fake_text("nobody"), .id = fake_text("n0") };
    alice_key = (struct conf_key){ .key = fake_text("secret key"),
                                   .id = fake_text("k1"),
                                   .consumer = &alice };
    s.credentials = (struct conf_credentials){ .keys = { &alice_key }, .keys_n = 1 };
    names[0] = fake_text("apikey");
    names[1] = fake_text("X-Api-Key");
    config = (struct conf_key_auth){ .key_names = { names, 2 },
                                     .key_in_header = true,
                                     .key_in_query = true,
                                     .run_on_preflight = true,
                                     .realm = fake_text("") };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    return 0;
}

static enum stage_result run(const char *request)
{
    fake_request(&s, request);
    return key_auth_ops.access(&s, &config);
}

static void expect_alice(const char *request)
{
    assert_int_equal(run(request), STAGE_NEXT);
    assert_ptr_equal(s.consumer, &alice);
    assert_true(slice_equal(s.credential, SLICE("k1")));
    assert_false(s.anonymous);
    assert_int_equal(s.status, 0);
}

static void expect_refusal(const char *request, const char *message)
{
    assert_int_equal(run(request), STAGE_DONE);
    assert_int_equal(s.status, 401);
    assert_true(slice_equal(s.message, slice_of(message, strlen(message))));
    assert_null(s.consumer);
    assert_non_null(fake_response(&s, "WWW-Authenticate"));
}

static void finds_keys(void **state)
{
    (void)state;
    expect_alice("GET /\napikey: secret key\n");
    expect_alice("GET /\nAPIKEY: secret key\n");
    expect_alice("GET /\nx-api-key: secret key\n");
    expect_alice("GET /?a=1&apikey=secret+key\n");
    expect_alice("GET /?apikey=secret%20key\n");
    expect_alice("GET /?api%6bey=secret%20key\n");
    expect_alice("GET /?X-Api-Key=secret+key\n");
    expect_alice("GET /?apikey=wrong\napikey: secret key\n");    /* the header goes first */
    expect_alice("GET /?apikey=secret+key\nx-api-key: wrong\n"); /* the first name goes first */
    expect_alice("GET /?apikey\nx-api-key: secret key\n");
}

static void refuses(void **state)
{
    (void)state;
    expect_refusal("GET /\n", "No API key found in request");
    expect_refusal("GET /?x=1\nx: y\n", "No API key found in request");
    expect_refusal("GET /?apikey=\n", "No API key found in request");
    expect_refusal("GET /?apikey\n", "No API key found in request");
    expect_refusal("GET /\napikey:\n", "No API key found in request");
    expect_refusal("GET /\napikey: wrong\n", "Unauthorized");
    expect_refusal("GET /?apikey=secret%2key\n", "Unauthorized");
    expect_refusal("GET /?APIKEY=secret+key\n", "No API key found in request");
    expect_refusal("GET /?apikey=secret+key&apikey=secret+key\n", "Duplicate API key found");
    expect_refusal("GET /?apikey=secret+key&%61pikey\n", "Duplicate API key found");
    expect_refusal("GET /\napikey: secret key\nApikey: secret key\n", "Duplicate API key found");
}

static void says_its_realm(void **state)
{
    (void)state;
    run("GET /\n");
    assert_true(slice_equal(*fake_response(&s, "WWW-Authenticate"), SLICE("Key")));
    config.realm = fake_text("my api");
    run("GET /\n");
    assert_true(slice_equal(*fake_response(&s, "WWW-Authenticate"), SLICE("Key realm=\"my api\"")));
}

static void looks_only_where_it_may(void **state)
{
    (void)state;
    config.key_in_query = false;
    expect_alice("GET /\napikey: secret key\n");
    expect_refusal("GET /?apikey=secret+key\n", "No API key found in request");
    config.key_in_query = true;
    config.key_in_header = false;
    expect_alice("GET /?apikey=secret+key\napikey: wrong\napikey: wrong\n");
    expect_refusal("GET /\napikey: secret key\n", "No API key found in request");
}

static void hides_what_it_found(void **state)
{
    (void)state;
    expect_alice("GET /?apikey=secret+key&b=%20\n");
    assert_true(slice_equal(s.request.query, s.request.uri.query));
    assert_null(fake_upstream(&s, "apikey"));
    config.hide_credentials = true;
    expect_alice("GET /?a=1&apikey=secret+key&b=%20&c&d=\n");
    assert_true(slice_equal(s.request.query, SLICE("a=1&b=%20&c&d=")));
    assert_non_null(fake_upstream(&s, "apikey"));
    assert_null(fake_upstream(&s, "apikey")->p);
    expect_alice("GET /?%61pikey=secret+key\n");
    assert_null(s.request.query.p);
    expect_alice("GET /?apikey=other&b\napikey: secret key\n");
    assert_true(slice_equal(s.request.query, SLICE("b")));
    expect_alice("GET /\napikey: secret key\n");
    assert_null(s.request.query.p);
}

static void preflight(void **state)
{
    (void)state;
    expect_refusal("OPTIONS /\n", "No API key found in request");
    config.run_on_preflight = false;
    assert_int_equal(run("OPTIONS /\n"), STAGE_NEXT);
    assert_null(s.consumer);
    expect_refusal("GET /\n", "No API key found in request");
}

static void anonymous(void **state)
{
    static const char *const failures[] = { "GET /\n", "GET /\napikey: wrong\n",
                                            "GET /?apikey=1&apikey=2\n" };
    (void)state;
    config.anonymous = &nobody;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(run(failures[i]), STAGE_NEXT);
        assert_ptr_equal(s.consumer, &nobody);
        assert_true(s.anonymous);
        assert_null(fake_response(&s, "WWW-Authenticate"));
    }
    expect_alice("GET /\napikey: secret key\n");
}

static void after_another_plugin(void **state)
{
    static struct conf_consumer bob;
    (void)state;
    bob.id = fake_text("b1");
    config.anonymous = &nobody;
    fake_request(&s, "GET /\napikey: secret key\n");
    stream_authenticate(&s, &bob, SLICE("b"), false);
    assert_int_equal(key_auth_ops.access(&s, &config), STAGE_NEXT);
    assert_ptr_equal(s.consumer, &bob); /* optional, and somebody is known */
    fake_request(&s, "GET /\napikey: secret key\n");
    stream_authenticate(&s, &bob, slice_of(NULL, 0), true);
    assert_int_equal(key_auth_ops.access(&s, &config), STAGE_NEXT);
    assert_ptr_equal(s.consumer, &alice); /* an anonymous one does not count */
    config.anonymous = NULL;
    fake_request(&s, "GET /\n");
    stream_authenticate(&s, &bob, SLICE("b"), false);
    assert_int_equal(key_auth_ops.access(&s, &config), STAGE_DONE); /* both have to pass */
    assert_int_equal(s.status, 401);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(says_its_realm, setup, teardown),
        cmocka_unit_test_setup_teardown(looks_only_where_it_may, setup, teardown),
        cmocka_unit_test_setup_teardown(hides_what_it_found, setup, teardown),
        cmocka_unit_test_setup_teardown(preflight, setup, teardown),
        cmocka_unit_test_setup_teardown(anonymous, setup, teardown),
        cmocka_unit_test_setup_teardown(after_another_plugin, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
