/* SPDX-License-Identifier: Apache-2.0 */
/* hmac-auth: signatures made by another program (openssl dgst -hmac), what they cover, and time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_hmac_auth.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\n"
#define AUTH(algorithm, headers, signature)                                                        \
    "Authorization: hmac username=\"ali\", algorithm=\"" algorithm "\", headers=\"" headers        \
    "\", signature=\"" signature "\"\n"

#define SIGNED_DATE "p79YrRG2QNGDQzI+alD1CuLa+7IXpeCEf6jxVh3EmnQ="
#define SIGNED_SHA1 "U4LcmnhjD9wPR3xZZowYdY/9Exk="

static struct stream s;
static struct conf_consumer alice, nobody;
static struct conf_hmac alice_hmac;
static struct conf_text enforced;
static struct conf_hmac_auth config;

static int setup(void **state)
{
    (void)state;
    alice = (struct conf_consumer){ .username = fake_text("alice"), .id = fake_text("a1") };
    nobody = (struct conf_consumer){ .username = fake_text("nobody"), .id = fake_text("n0") };
    alice_hmac = (struct conf_hmac){ .username = fake_text("ali"),
                                     .secret = fake_text("shared secret"),
                                     .consumer = &alice };
    s.credentials = (struct conf_credentials){ .hmacs = { &alice_hmac }, .hmacs_n = 1 };
    s.now_ms = INT64_C(784111777) * 1000;
    config = (struct conf_hmac_auth){ .clock_skew = 300, .algorithms = 15, .realm = fake_text("") };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    return 0;
}

static void expect_alice(const char *request)
{
    fake_request(&s, request);
    assert_int_equal(hmac_auth_ops.access(&s, &config), STAGE_NEXT);
    assert_ptr_equal(s.consumer, &alice);
    assert_true(slice_equal(s.credential, SLICE("ali")));
}

static void expect_refusal(const char *request, const char *message)
{
    fake_request(&s, request);
    assert_int_equal(hmac_auth_ops.access(&s, &config), STAGE_DONE);
    assert_int_equal(s.status, 401);
    assert_true(slice_equal(s.message, slice_of(message, strlen(message))));
    assert_non_null(fake_response(&s, "WWW-Authenticate"));
    assert_null(s.consumer);
}

static const char unverifiable[] = "HMAC signature cannot be verified";
static const char differs[] = "HMAC signature does not match";
static const char late[] = "HMAC signature cannot be verified, a valid date or x-date header is "
                           "required for HMAC Authentication";

static void what_is_signed(void **state)
{
    (void)state;
    expect_alice("GET /a?b=c\n" DATE "X-List: 1\nX-List: 2\n" AUTH(
        "hmac-sha256", "date request-line @request-target x-list x-none",
        "XA+9coBD06UIZIsH9JFfGfBUYe+NH/9k6dxBTod/diw="));
    expect_alice("GET /\n" DATE AUTH("hmac-sha256", "date", SIGNED_DATE));
    expect_alice("GET /\n" DATE "Proxy-" AUTH("hmac-sha256", "date", SIGNED_DATE));
    expect_alice("GET /\n" DATE AUTH("hmac-sha256", "date Request-Line",
                                     "c/quY23iKOVXxUnj8AXcGTkoIqME9onboiJ2u5jPiSE="));
    expect_refusal("GET /a?b=d\n" DATE "X-List: 1\nX-List: 2\n" AUTH(
                       "hmac-sha256", "date request-line @request-target x-list x-none",
                       "XA+9coBD06UIZIsH9JFfGfBUYe+NH/9k6dxBTod/diw="),
                   differs);
}

static void algorithms(void **state)
{
    (void)state;
    expect_alice("GET /\n" DATE AUTH("hmac-sha1", "host", SIGNED_SHA1));
    expect_alice("GET /\n" DATE AUTH(
        "hmac-sha384", "host", "L1OSwxteuoPtT1k2RcoEmngkHJJEivzw7StxIf94LzCzsplBEtJAXfpXbRem1GBc"));
    expect_alice("GET /\n" DATE AUTH("hmac-sha512", "host",
                                     "nULY4pIJLT4rKrH+er+O+CevHroJsobMo4HtsJtA4VbZZR/"
                                     "afc9aABkFcwAK2c2PrGHnfLLjzByg/IiR1HVrzQ=="));
    config.algorithms = CONF_HMAC_SHA256;
    expect_refusal("GET /\n" DATE AUTH("hmac-sha1", "host", SIGNED_SHA1), unverifiable);
    expect_refusal("GET /\n" DATE AUTH("hmac-md5", "host", SIGNED_SHA1), unverifiable);
}

static void refuses(void **state)
{
    (void)state;
    expect_refusal("GET /\n" DATE, "Unauthorized");
    expect_refusal("GET /\n" DATE "Authorization: Basic eDp5\n", unverifiable);
    expect_refusal("GET /\n" DATE AUTH("hmac-sha256", "date", "AAAA"), differs);
    expect_refusal("GET /\n" DATE AUTH("hmac-sha256", "date", "*"), differs);
    expect_refusal("GET /\n" DATE AUTH("hmac-sha1", "date", SIGNED_DATE), differs);
    expect_refusal("GET /\n" DATE AUTH("hmac-sha256", "date", SIGNED_DATE)
                       AUTH("hmac-sha256", "date", SIGNED_DATE),
                   unverifiable);
    expect_refusal("GET /\n" DATE
                   "Authorization: hmac username=\"bob\", algorithm=\"hmac-sha256\", "
                   "headers=\"date\", signature=\"" SIGNED_DATE "\"\n",
                   unverifiable);
}

static void time_passes(void **state)
{
    (void)state;
    for (int skew = -300; skew <= 300; skew += 300) {
        s.now_ms = (INT64_C(784111777) + skew) * 1000;
        expect_alice("GET /\n" DATE AUTH("hmac-sha256", "date", SIGNED_DATE));
    }
    s.now_ms = (INT64_C(784111777) + 301) * 1000;
    expect_refusal("GET /\n" DATE AUTH("hmac-sha256", "date", SIGNED_DATE), late);
    expect_refusal("GET /\n" DATE "X-Date: Sun, 06 Nov 1994 08:54:38 GMT\n" AUTH(
                       "hmac-sha256", "date", SIGNED_DATE),
                   late); /* a new date that is not signed */
    s.now_ms = (INT64_C(784111777) - 301) * 1000;
    expect_refusal("GET /\n" DATE AUTH("hmac-sha256", "date", SIGNED_DATE), late);
    expect_refusal("GET /\n" AUTH("hmac-sha1", "host", SIGNED_SHA1), late);
    expect_refusal("GET /\nDate: now\n" AUTH("hmac-sha1", "host", SIGNED_SHA1), late);
    config.clock_skew = 301;
    expect_alice("GET /\n" DATE AUTH("hmac-sha256", "date", SIGNED_DATE));
}

static void enforces(void **state)
{
    (void)state;
    enforced = fake_text("date");
    config.enforce_headers = (struct conf_texts){ &enforced, 1 };
    expect_alice("GET /\n" DATE AUTH("hmac-sha256", "date", SIGNED_DATE));
    expect_refusal("GET /\n" DATE AUTH("hmac-sha1", "host", SIGNED_SHA1), unverifiable);
}

static void many_names_are_no_work(void **state)
{
    static char request[8192];
    size_t n = (size_t)sprintf(request,
                               "GET /\n" DATE "X: %0512d\nAuthorization: hmac "
                               "username=\"ali\", algorithm=\"hmac-sha256\", headers=\"",
                               1);
    (void)state;
    for (int i = 0; i < 1000; i++)
        n += (size_t)sprintf(request + n, "x ");
    sprintf(request + n, "date\", signature=\"AAAA\"\n");
    expect_refusal(request, differs);
}

static void hides_and_lets_pass(void **state)
{
    (void)state;
    config.hide_credentials = true;
    expect_alice("GET /\n" DATE AUTH("hmac-sha256", "date", SIGNED_DATE));
    assert_null(fake_upstream(&s, "Authorization")->p);
    config.anonymous = &nobody;
    fake_request(&s, "GET /\n");
    assert_int_equal(hmac_auth_ops.access(&s, &config), STAGE_NEXT);
    assert_ptr_equal(s.consumer, &nobody);
    assert_true(s.anonymous);
}

/* --- bodies --------------------------------------------------------------------------------- */

#define SIGNED AUTH("hmac-sha256", "date", SIGNED_DATE)
/* printf body | openssl dgst -sha256 -binary | base64; the same of nothing */
#define DIGEST_BODY  "Digest: SHA-256=Iw2DWNyOiJC0xY3utikS7i8gNXrpKlzIYbmOaP4xrLU=\n"
#define DIGEST_EMPTY "Digest: SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"

static void bodies_known_at_the_head(void **state)
{
    (void)state;
    config.validate_request_body = true;
    expect_alice("GET /\n" DATE SIGNED);
    expect_alice("POST /\nContent-Length: 0\n" DATE SIGNED);
    expect_alice("GET /\n" DIGEST_EMPTY DATE SIGNED);
    assert_null(s.body_watch);
    expect_refusal("GET /\n" DIGEST_BODY DATE SIGNED, differs);
    expect_refusal("POST /\nContent-Length: 4\n" DATE SIGNED, differs);
    expect_refusal("POST /\nContent-Length: 4\nDigest: SHA-256=x\n" DATE SIGNED, differs);
    expect_refusal("POST /\nContent-Length: 4\n" DIGEST_BODY DIGEST_BODY DATE SIGNED, differs);
    config.anonymous = &nobody;
    fake_request(&s, "POST /\nContent-Length: 4\n" DATE SIGNED);
    assert_int_equal(hmac_auth_ops.access(&s, &config), STAGE_NEXT);
    assert_ptr_equal(s.consumer, &nobody);
    config.validate_request_body = false;
    expect_alice("POST /\nContent-Length: 4\nDigest: x\n" DATE SIGNED);
    assert_null(s.body_watch);
}

static bool body_fits(const char *request, const char *first, const char *second)
{
    expect_alice(request);
    struct body_watch *w = s.body_watch;
    assert_non_null(w);
    bool fits = w->take(w, slice_of(first, strlen(first))) &&
                w->take(w, slice_of(second, strlen(second))) && w->end(w);
    w->begin(w); /* the same again */
    bool again = w->take(w, slice_of(first, strlen(first))) &&
                 w->take(w, slice_of(second, strlen(second))) && w->end(w);
    assert_int_equal(fits, again);
    if (!fits)
        w->refuse(&s, w);
    w->drop(w);
    return fits;
}

static void bodies_as_they_stream(void **state)
{
    (void)state;
    config.validate_request_body = true;
    config.anonymous = &nobody;
    assert_true(body_fits("POST /\nContent-Length: 4\n" DIGEST_BODY DATE SIGNED, "bo", "dy"));
    assert_true(
        body_fits("POST /\nTransfer-Encoding: chunked\n" DIGEST_BODY DATE SIGNED, "body", ""));
    assert_true(body_fits("POST /\nTransfer-Encoding: chunked\n" DATE SIGNED, "", ""));
    assert_int_equal(s.status, 0);
    assert_false(body_fits("POST /\nContent-Length: 4\n" DIGEST_BODY DATE SIGNED, "bo", "dz"));
    assert_int_equal(s.status, 401);
    assert_true(slice_equal(s.message, slice_of(differs, strlen(differs))));
    assert_non_null(fake_response(&s, "WWW-Authenticate"));
    assert_false(body_fits("POST /\nTransfer-Encoding: chunked\n" DATE SIGNED, "", "b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_signed, setup, teardown),
        cmocka_unit_test_setup_teardown(algorithms, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(time_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(enforces, setup, teardown),
        cmocka_unit_test_setup_teardown(many_names_are_no_work, setup, teardown),
        cmocka_unit_test_setup_teardown(hides_and_lets_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(bodies_known_at_the_head, setup, teardown),
        cmocka_unit_test_setup_teardown(bodies_as_they_stream, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
