/* SPDX-License-Identifier: Apache-2.0 */
/* oauth2-introspection over inquiries that are made up: what is asked, the way of a request that
 * waits, and what follows each answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_oauth2_introspection.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/inquiry/inquiry.h"
#include "worker/plugins/plugins.h"

static struct stream s;
static struct conf_consumer alice, guest;
static struct conf_text header_names[1];
static struct conf_oauth2_introspection config;

/* --- worker/inquiry/inquiry.h
 * ----------------------------------------------------------------------- */

static const char *known;    /* what is found, or comes when it is asked; NULL: a failure */
static bool is_known, waits; /* at once; for an answer */
static unsigned asked;
static char body[256], shown[256]; /* of the last question: its body, its Authorization */
static struct stream_wait waiting;

bool inquiry_id(struct stream *stream, const struct slice *parts, size_t n, uint8_t id[INQUIRY_ID])
{
    (void)stream, (void)parts;
    memset(id, (int)n, INQUIRY_ID);
    return true;
}

static bool give(struct slice *text)
{
    *text = known ? slice_of(known, strlen(known)) : slice_of(NULL, 0);
    return known != NULL;
}

bool inquiry_find(struct stream *stream, const uint8_t id[INQUIRY_ID], struct slice *text)
{
    (void)stream, (void)id;
    return is_known && give(text);
}

enum inquiry_result inquiry_ask(struct stream *stream, const struct inquiry *inquiry,
                                struct slice *text)
{
    const struct inquiry_question *q = &inquiry->question;
    asked++;
    assert_true(q->body.n < sizeof body);
    sprintf(body, "%.*s", (int)q->body.n, q->body.p ? q->body.p : "");
    shown[0] = '\0';
    for (size_t i = 0; i < q->fields_n; i++)
        if (slice_equal(q->fields[i].name, SLICE("Authorization")))
            sprintf(shown, "%.*s", (int)q->fields[i].value.n, q->fields[i].value.p);
    if (waits) {
        stream_await(stream, &waiting);
        return INQUIRY_WAIT;
    }
    return give(text) ? INQUIRY_KNOWN : INQUIRY_FAILED;
}

enum inquiry_result inquiry_take(struct stream *stream, struct slice *text)
{
    if (waits)
        return INQUIRY_WAIT;
    stream_awaited_end(stream);
    return give(text) ? INQUIRY_KNOWN : INQUIRY_FAILED;
}

/* --- tests ---------------------------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    alice = (struct conf_consumer){ .username = fake_text("alice"),
                                    .custom_id = fake_text("c-1"),
                                    .id = fake_text("a1") };
    guest = (struct conf_consumer){ .username = fake_text("guest"), .id = fake_text("g1") };
    s.credentials = (struct conf_credentials){ .consumers = { &alice }, .consumers_n = 1 };
    header_names[0] = fake_text("authorization");
    config = (struct conf_oauth2_introspection){ .fingerprint = fake_text("f"),
                                                 .path = fake_text("/in"),
                                                 .query = fake_text(""),
                                                 .authorization = fake_text("Basic x"),
                                                 .token_type_hint = fake_text(""),
                                                 .header_names = { header_names, 1 },
                                                 .run_on_preflight = true,
                                                 .realm = fake_text("") };
    known = NULL;
    is_known = waits = false;
    asked = 0;
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
    return oauth2_introspection_ops.access(&s, &config);
}

static void expect(int status, const char *challenge)
{
    assert_int_equal(s.status, status);
    const struct slice *got = fake_response(&s, "WWW-Authenticate");
    assert_true(challenge ? got && slice_equal(*got, slice_of(challenge, strlen(challenge)))
                          : !got);
}

#define GOOD "GET /a\nAuthorization: Bearer t0k\n"

static void asks_and_passes(void **state)
{
    (void)state;
    known = "active\nusername alice\nclient_id x\n";
    assert_int_equal(run(GOOD), STAGE_NEXT);
    assert_string_equal(body, "token=t0k");
    assert_string_equal(shown, "Basic x");
    assert_ptr_equal(s.consumer, &alice);
    assert_true(slice_equal(s.credential, SLICE("alice")));
    assert_true(slice_equal(*fake_upstream(&s, "X-Credential-Client-ID"), SLICE("x")));
    is_known = true;
    assert_int_equal(run(GOOD), STAGE_NEXT);
    assert_int_equal(asked, 1);
    config.consumer_by = CONF_BY_CLIENT_ID;
    known = "active\nusername alice\nclient_id c-1\n";
    assert_int_equal(run(GOOD), STAGE_NEXT);
    assert_ptr_equal(s.consumer, &alice);
    known = "active\nusername c-1\n";
    assert_int_equal(run(GOOD), STAGE_NEXT);
    assert_null(s.consumer);
    assert_true(s.authenticated);
}

static void waits_for_the_answer(void **state)
{
    (void)state;
    waits = true;
    known = "active\nsub s\n";
    assert_int_equal(run(GOOD), STAGE_WAIT);
    for (int i = 0; i < 3; i++)
        assert_int_equal(oauth2_introspection_ops.access(&s, &config), STAGE_WAIT);
    waits = false;
    assert_int_equal(oauth2_introspection_ops.access(&s, &config), STAGE_NEXT);
    assert_int_equal(asked, 1);
    assert_null(stream_awaited(&s));
    assert_true(slice_equal(s.credential, SLICE("s")));
}

static void refuses(void **state)
{
    (void)state;
    assert_int_equal(run("GET /\n"), STAGE_DONE);
    expect(401, "Bearer");
    config.realm = fake_text("r");
    assert_int_equal(run("GET /\n"), STAGE_DONE);
    expect(401, "Bearer realm=\"r\"");
    assert_int_equal(run("GET /\nAuthorization: Bearer a b\n"), STAGE_DONE);
    expect(401, "Bearer realm=\"r\", error=\"invalid_token\"");
    assert_int_equal(run("GET /\nAuthorization: Bearer a\nAuthorization: Bearer b\n"), STAGE_DONE);
    expect(400, "Bearer realm=\"r\", error=\"invalid_request\"");
    assert_int_equal(asked, 0);
    known = "inactive\n";
    assert_int_equal(run(GOOD), STAGE_DONE);
    expect(401, "Bearer realm=\"r\", error=\"invalid_token\"");
    config.anonymous = &guest;
    assert_int_equal(run(GOOD), STAGE_NEXT);
    assert_ptr_equal(s.consumer, &guest);
    assert_true(s.anonymous);
}

static void wants_scopes(void **state)
{
    (void)state;
    struct conf_text v[] = { fake_text("a b") };
    config.scopes_required = (struct conf_texts){ v, 1 };
    config.anonymous = &guest;
    known = "active\nscope a c\n";
    assert_int_equal(run(GOOD), STAGE_DONE);
    expect(403, "Bearer error=\"insufficient_scope\", scope=\"a b\"");
    known = "active\nscope b a\n";
    assert_int_equal(run(GOOD), STAGE_NEXT);
}

static void wants_an_audience(void **state)
{
    (void)state;
    struct conf_text v[] = { fake_text("api") };
    config.audience_required = (struct conf_texts){ v, 1 };
    known = "active\naud web\n";
    assert_int_equal(run(GOOD), STAGE_DONE);
    expect(401, "Bearer error=\"invalid_token\"");
    known = "active\naud web, api\n";
    assert_int_equal(run(GOOD), STAGE_NEXT);
}

static void fails_closed_or_open(void **state)
{
    (void)state;
    config.anonymous = &guest;
    assert_int_equal(run(GOOD), STAGE_DONE);
    expect(503, NULL);
    config.on_error = CONF_ON_ERROR_ALLOW;
    assert_int_equal(run(GOOD), STAGE_NEXT);
    assert_ptr_equal(s.consumer, &guest);
    config.anonymous = NULL;
    assert_int_equal(run(GOOD), STAGE_NEXT);
    assert_null(s.consumer);
    assert_false(s.authenticated);
}

static void shows_the_token_to_a_service(void **state)
{
    (void)state;
    config.way = CONF_INTROSPECTION_STATUS;
    known = "active\n";
    assert_int_equal(run(GOOD), STAGE_NEXT);
    assert_string_equal(body, "");
    assert_string_equal(shown, "Bearer t0k");
    assert_true(slice_equal(s.credential, SLICE("02020202020202020202020202020202")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(asks_and_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(waits_for_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(wants_scopes, setup, teardown),
        cmocka_unit_test_setup_teardown(wants_an_audience, setup, teardown),
        cmocka_unit_test_setup_teardown(fails_closed_or_open, setup, teardown),
        cmocka_unit_test_setup_teardown(shows_the_token_to_a_service, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
