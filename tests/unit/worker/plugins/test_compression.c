/* SPDX-License-Identifier: Apache-2.0 */
/* compression: which responses it takes, and what becomes of their heads. Bodies, which need a
 * client, are in tests/e2e/test_54_compression.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_compression.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"

static struct stream s;
static struct conf_mime types[2];
static struct conf_compression config;
static struct reply reply;

static int set_up(void **state)
{
    (void)state;
    types[0] = (struct conf_mime){ fake_text("text"), fake_text("*"), fake_text("") };
    types[1] = (struct conf_mime){ fake_text("application"), fake_text("*+json"), fake_text("") };
    config = (struct conf_compression){ .algorithms = { CONF_CODING_BROTLI, CONF_CODING_GZIP },
                                        .algorithms_n = 2,
                                        .gzip_level = 5,
                                        .brotli_level = 4,
                                        .min_length = 100,
                                        .types = types,
                                        .types_n = 2,
                                        .vary = true };
    return 0;
}

/* The answer's fields, "Name: value" up to NULL, of a response with that status and length. */
static void answer(int status, uint64_t length, const char *const *lines)
{
    memset(s.answered, 0, sizeof s.answered);
    for (int i = 0; lines && lines[i]; i++) {
        const char *colon = strchr(lines[i], ':');
        s.answered[i].name = slice_of(lines[i], (size_t)(colon - lines[i]));
        s.answered[i].value = slice_of(colon + 2, strlen(colon + 2));
    }
    reply = (struct reply){ .status = status, .length = REPLY_LENGTH, .content_length = length };
}

static bool wanted(void)
{
    compression_ops.header_filter(&s, &config);
    assert_non_null(s.filter);
    return s.filter->head(&s, s.filter_state, &reply);
}

static bool is(const char *name, const char *value)
{
    struct slice found;

    if (stream_get_response(&s, slice_of(name, strlen(name)), &found, 1) == 0)
        return value == NULL;
    return value && slice_equal(found, slice_of(value, strlen(value)));
}

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void what_is_taken(void **state)
{
    static const struct {
        int status;
        uint64_t length;
        bool wanted;
        const char *lines[4];
    } cases[] = {
        { 200, 100, true, { "Content-Type: text/html; charset=utf-8" } },
        { 200, 99, false, { "Content-Type: text/html" } },
        { 200, 100, true, { "Content-Type: application/ld+json" } },
        { 200, 100, false, { "Content-Type: application/json" } },
        { 200, 100, false, { NULL } },
        { 206, 100, false, { "Content-Type: text/html" } },
        { 204, 100, false, { "Content-Type: text/html" } },
        { 500, 100, true, { "Content-Type: text/html" } },
        { 200, 100, false, { "Content-Type: text/html", "Content-Encoding: gzip" } },
        { 200, 100, true, { "Content-Type: text/html", "Content-Encoding: identity" } },
        { 200, 100, false, { "Content-Type: text/html", "Cache-Control: a, No-Transform" } },
        { 200, 100, true, { "Content-Type: text/html", "Cache-Control: a=\"no-transform\"" } },
        { 200, 100, false, { "Content-Type: text/html", "Content-Digest: x" } },
        { 200, 100, false, { "Content-Type: text/html", "Content-Range: bytes 0-1/2" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_request(&s, "GET /\nAccept-Encoding: gzip\n");
        answer(cases[i].status, cases[i].length, cases[i].lines);
        if (wanted() != cases[i].wanted)
            fail_msg("case %zu", i);
        assert_true(is("Vary", cases[i].wanted ? "Accept-Encoding" : NULL));
    }
    fake_free(&s);
}

static void statuses_and_methods(void **state)
{
    static const int listed[] = { 200, 404 };
    struct conf_text method = fake_text("GET");

    (void)state;
    config.response_code.v = listed;
    config.response_code.n = 2;
    config.request_method.v = &method;
    config.request_method.n = 1;
    fake_request(&s, "GET /\nAccept-Encoding: gzip\n");
    answer(404, 100, LINES("Content-Type: text/html"));
    assert_true(wanted());
    answer(403, 100, LINES("Content-Type: text/html"));
    assert_false(wanted());
    fake_request(&s, "POST /\nAccept-Encoding: gzip\n");
    answer(200, 100, LINES("Content-Type: text/html"));
    assert_false(wanted());
    fake_free(&s);
}

static void what_the_client_says(void **state)
{
    (void)state;
    answer(200, 1, LINES("Content-Type: text/html"));
    fake_request(&s, "GET /\nAccept-Encoding: gzip, identity;q=0\n");
    assert_true(wanted()); /* however short */
    answer(200, 100, LINES("Content-Type: text/html", "Vary: Origin, accept-encoding"));
    fake_request(&s, "GET /\nAccept-Encoding: gzip\nCache-Control: no-transform\n");
    assert_false(wanted());
    fake_request(&s, "GET /\n");
    assert_false(wanted());
    assert_null(s.response); /* Vary says it already */
    answer(200, 100, LINES("Content-Type: text/html"));
    assert_false(wanted());
    assert_true(is("Vary", "Accept-Encoding"));
    config.vary = false;
    fake_request(&s, "GET /\nAccept-Encoding: br\n");
    assert_true(wanted());
    assert_true(is("Vary", NULL));
    fake_free(&s);
}

static void heads_of_codings(void **state)
{
    (void)state;
    answer(200, 100, LINES("Content-Type: text/html", "ETag: \"a\"", "Accept-Ranges: bytes"));
    reply.length = REPLY_NO_BODY;
    reply.announce = true;
    fake_request(&s, "HEAD /\nAccept-Encoding: gzip\n");
    assert_true(wanted());
    assert_true(is("Content-Encoding", "gzip"));
    assert_true(is("ETag", "W/\"a\""));
    assert_true(is("Accept-Ranges", NULL));
    assert_false(reply.announce);
    assert_int_equal(reply.length, REPLY_NO_BODY);

    answer(200, 100, LINES("Content-Type: text/html", "ETag: W/\"b\""));
    fake_request(&s, "GET /\nAccept-Encoding: br\n");
    assert_true(wanted());
    assert_true(is("Content-Encoding", NULL)); /* not before there is an encoder */
    s.filter->stored(&s, s.filter_state);
    assert_true(is("Content-Encoding", "br"));
    assert_true(is("ETag", "W/\"b\""));
    assert_int_equal(reply.length, REPLY_UNKNOWN);
    fake_free(&s);
}

static void codes_tell_settings_apart(void **state)
{
    uint8_t codes[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        config.gzip_level = i == 2 ? 6 : 4;
        answer(200, 100, LINES("Content-Type: text/html"));
        fake_request(&s,
                     i == 1 ? "GET /\nAccept-Encoding: br\n" : "GET /\nAccept-Encoding: gzip\n");
        assert_true(wanted());
        codes[i] = s.filter->code(s.filter_state);
    }
    assert_true(codes[0] != codes[1] && codes[0] != codes[2] && codes[1] != codes[2]);
    fake_free(&s);
}

static void tags_of_304(void **state)
{
    static const struct {
        const char *held, *tag, *told;
    } cases[] = {
        { "W/\"a\"", "ETag: \"a\"", "W/\"a\"" },
        { "\"a\"", "ETag: \"a\"", "\"a\"" },
        { "\"b\", W/\"a\"", "ETag: \"a\"", "W/\"a\"" },
        { "W/\"a\", \"a\"", "ETag: \"a\"", "\"a\"" },
        { "*", "ETag: \"a\"", "\"a\"" },
        { "W/\"a\"", "ETag: W/\"a\"", "W/\"a\"" },
    };
    char request[200];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(request, sizeof request, "GET /\nAccept-Encoding: gzip\nIf-None-Match: %s\n",
                 cases[i].held);
        fake_request(&s, request);
        answer(304, 0, LINES(cases[i].tag));
        assert_false(wanted());
        assert_true(is("ETag", cases[i].told));
        assert_true(is("Vary", "Accept-Encoding"));
        assert_true(is("Content-Encoding", NULL));
    }
    fake_free(&s);
}

static bool ignores(const char *request)
{
    fake_request(&s, request);
    assert_int_equal(compression_ops.access(&s, &config), STAGE_NEXT);
    return s.range_ignored;
}

static void ranges_by_a_date(void **state)
{
    (void)state;
    assert_true(ignores("GET /\nAccept-Encoding: gzip\nRange: bytes=1-2\n"
                        "If-Range: Mon, 01 Jan 2024 00:00:00 GMT\n"));
    assert_false(ignores("GET /\nRange: bytes=1-2\nIf-Range: Mon, 01 Jan 2024 00:00:00 GMT\n"));
    assert_false(ignores("GET /\nAccept-Encoding: gzip\nRange: bytes=1-2\n"));
    assert_false(ignores("GET /\nAccept-Encoding: gzip\nRange: bytes=1-2\nIf-Range: \"a\"\n"));
    assert_false(ignores("GET /\nAccept-Encoding: gzip\nRange: bytes=1-2\nIf-Range: W/\"a\"\n"));
    assert_false(ignores("GET /\nAccept-Encoding: gzip\nIf-Range: Mon, 01 Jan 2024\n"));
    fake_free(&s);
}

static void offload(void **state)
{
    (void)state;
    fake_request(&s, "GET /\nAccept-Encoding: gzip\n");
    compression_ops.access(&s, &config);
    assert_null(fake_upstream(&s, "Accept-Encoding"));
    config.offload = true;
    compression_ops.access(&s, &config);
    assert_non_null(fake_upstream(&s, "Accept-Encoding"));
    assert_null(fake_upstream(&s, "Accept-Encoding")->p);
    fake_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_taken, set_up),
        cmocka_unit_test_setup(statuses_and_methods, set_up),
        cmocka_unit_test_setup(what_the_client_says, set_up),
        cmocka_unit_test_setup(heads_of_codings, set_up),
        cmocka_unit_test_setup(codes_tell_settings_apart, set_up),
        cmocka_unit_test_setup(tags_of_304, set_up),
        cmocka_unit_test_setup(ranges_by_a_date, set_up),
        cmocka_unit_test_setup(offload, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
