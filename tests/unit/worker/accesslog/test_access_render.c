/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the access log: what they say, and that nothing a client sends makes them invalid,
 * longer or two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "worker/accesslog/access_render.h"
#include <cmocka.h>
#include <jansson.h>

static const struct access_record plain = {
    .time_ms = 1795255200123, /* 2026-11-21T10:00:00.123Z */
    .client_ip = { "192.0.2.1", 9 },
    .method = { "GET", 3 },
    .target = { "/a?b=c", 6 },
    .protocol = { "HTTP/1.1", 8 },
    .host = { "api.example.com", 15 },
    .status = 200,
    .bytes_in = 90,
    .bytes_out = 1300,
    .body_out = 1024,
    .request_id = { "0123", 4 },
    .route = { "orders", 6 },
    .upstream_status = -1,
    .total_us = 1234,
    .proxy_us = 7,
    .upstream_us = -1,
    .cache = { "Hit", 3 },
    .user_agent = { "curl/8", 6 },
};

static void expect(size_t (*render)(const struct access_record *, char *, size_t),
                   const struct access_record *r, const char *line)
{
    char out[ACCESS_LINE_MAX];
    size_t n = render(r, out, sizeof(out));
    assert_int_equal(strlen(line), n);
    assert_memory_equal(line, out, n);
}

static void test_json_of_a_hit(void **state)
{
    (void)state;
    expect(access_render_json, &plain,
           "{\"time\":\"2026-11-21T10:00:00.123Z\",\"client_ip\":\"192.0.2.1\",\"method\":\"GET\","
           "\"host\":\"api.example.com\",\"target\":\"/a?b=c\",\"protocol\":\"HTTP/"
           "1.1\",\"status\":200,"
           "\"bytes_in\":90,\"bytes_out\":1300,\"body_bytes_out\":1024,\"total_ms\":1.234,\"proxy_"
           "ms\":0.007,"
           "\"request_id\":\"0123\",\"route\":\"orders\",\"cache\":\"Hit\",\"user_agent\":\"curl/"
           "8\"}\n");
}

static void test_combined_of_a_hit(void **state)
{
    (void)state;
    expect(access_render_combined, &plain,
           "192.0.2.1 - - [21/Nov/2026:10:00:00 +0000] \"GET /a?b=c HTTP/1.1\" 200 1024 \"-\" "
           "\"curl/8\"\n");
}

static void test_reason_of_the_cache(void **state)
{
    (void)state;
    struct access_record r = { .status = 200,
                               .cache = SLICE("Bypass"),
                               .cache_reason = SLICE("request no-store") };
    static const char said[] = "\"cache\":\"Bypass\",\"cache_reason\":\"request no-store\"";
    char out[ACCESS_LINE_MAX];

    expect(access_render_combined, &r,
           "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 200 0 \"-\" \"-\" \"Bypass: request "
           "no-store\"\n");
    size_t n = access_render_json(&r, out, sizeof out);
    assert_non_null(memmem(out, n, said, sizeof said - 1));
}

static void test_combined_of_nothing(void **state)
{
    (void)state;
    struct access_record r = { .status = 400 };
    expect(access_render_combined, &r,
           "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 400 0 \"-\" \"-\"\n");
}

static void test_dates(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = { { 951782400000, "[29/Feb/2000:00:00:00 +0000]" },
                 { 951868799999, "[29/Feb/2000:23:59:59 +0000]" },
                 { 951868800000, "[01/Mar/2000:00:00:00 +0000]" },
                 { 1704067199000, "[31/Dec/2023:23:59:59 +0000]" },
                 { 4107542400000, "[01/Mar/2100:00:00:00 +0000]" },
                 { -5, "[01/Jan/1970:00:00:00 +0000]" } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char out[ACCESS_LINE_MAX];
        struct access_record r = { .time_ms = rows[i].ms };
        size_t n = access_render_combined(&r, out, sizeof(out));
        assert_true(n > 40);
        assert_memory_equal(rows[i].text, out + 6, 28);
    }
}

static void test_hostile_bytes_in_combined(void **state)
{
    (void)state;
    struct access_record r = plain;
    r.consumer = slice_of("a b", 3);
    r.target = slice_of("/\"\\\n\xff ", 6);
    r.user_agent = slice_of("a \"\r\x7f", 5);
    expect(access_render_combined, &r,
           "192.0.2.1 - a\\x20b [21/Nov/2026:10:00:00 +0000] \"GET /\\x22\\x5C\\x0A\\xFF\\x20 "
           "HTTP/1.1\" 200 1024 \"-\" "
           "\"a \\x22\\x0D\\x7F\"\n");
}

/* A record in which every text is `n` bytes from `bytes`, and every number as large as can be. */
static struct access_record filled(const char *bytes, size_t n)
{
    struct slice s = { bytes, n };
    return (struct access_record){ .time_ms = 253402300799999,
                                   .client_ip = s,
                                   .method = s,
                                   .target = s,
                                   .protocol = s,
                                   .host = s,
                                   .status = INT32_MAX,
                                   .bytes_in = INT64_MAX,
                                   .bytes_out = INT64_MAX,
                                   .body_out = INT64_MAX,
                                   .request_id = s,
                                   .route = s,
                                   .service = s,
                                   .consumer = s,
                                   .upstream = s,
                                   .upstream_status = INT32_MAX,
                                   .tries = INT32_MAX,
                                   .total_us = INT64_MAX,
                                   .proxy_us = INT64_MAX,
                                   .upstream_us = INT64_MAX,
                                   .cache = s,
                                   .cache_reason = s,
                                   .referer = s,
                                   .user_agent = s,
                                   .tls_version = s,
                                   .error = s };
}

static json_t *parse(const char *line, size_t n)
{
    json_error_t error;
    json_t *json = json_loadb(line, n, JSON_ALLOW_NUL, &error);
    if (!json)
        print_error("%s at %d: %.*s", error.text, error.position, (int)n, line);
    assert_non_null(json);
    return json;
}

static void test_everything_at_its_longest_fits_and_is_marked(void **state)
{
    (void)state;
    static const char *const fillings[] = { "a",    "\"",       "\x01",
                                            "\xff", "\xc3\xa9", "\xf0\x9f\x98\x80" };
    char bytes[8000], out[ACCESS_LINE_MAX];
    for (size_t i = 0; i < sizeof(fillings) / sizeof(*fillings); i++) {
        for (size_t k = 0, n = strlen(fillings[i]); k < sizeof(bytes); k += n)
            memcpy(bytes + k, fillings[i], n);
        struct access_record r = filled(bytes, sizeof(bytes));
        size_t n = access_render_json(&r, out, sizeof(out));
        assert_true(n <= ACCESS_LINE_MAX && out[n - 1] == '\n' && !memchr(out, '\n', n - 1));
        json_t *json = parse(out, n);
        const char *target = json_string_value(json_object_get(json, "target"));
        assert_string_equal("...", target + strlen(target) - 3);
        json_decref(json);
        n = access_render_combined(&r, out, sizeof(out));
        assert_true(n <= ACCESS_LINE_MAX && out[n - 1] == '\n' && !memchr(out, '\n', n - 1));
        assert_non_null(memmem(out, n, "...", 3));
    }
}

static void test_values_are_cut_only_when_too_long(void **state)
{
    (void)state;
    char bytes[40], out[ACCESS_LINE_MAX];
    memset(bytes, 'm', sizeof(bytes));
    for (size_t n = 30; n < 36; n++) {
        struct access_record r = { .method = { bytes, n } };
        json_t *json = parse(out, access_render_json(&r, out, sizeof(out)));
        const char *method = json_string_value(json_object_get(json, "method"));
        assert_int_equal(n <= 32 ? n : 32, strlen(method));
        assert_int_equal(n > 32, strstr(method, "...") != NULL);
        json_decref(json);
    }
}

static void test_random_bytes_give_valid_lines(void **state)
{
    (void)state;
    char bytes[1500], out[ACCESS_LINE_MAX];
    srand(42);
    for (int i = 0; i < 2000; i++) {
        for (size_t k = 0; k < sizeof(bytes); k++)
            bytes[k] = (char)(i % 3 ? rand() : "\"\\\n\xc3\xa9\x80\xed\xa0\xf4"[rand() % 9]);
        struct access_record r = filled(bytes, (size_t)rand() % sizeof(bytes));
        size_t n = access_render_json(&r, out, sizeof(out));
        assert_true(n <= ACCESS_LINE_MAX && !memchr(out, '\n', n - 1));
        json_decref(parse(out, n));
        n = access_render_combined(&r, out, sizeof(out));
        assert_true(n <= ACCESS_LINE_MAX && !memchr(out, '\n', n - 1));
        for (size_t k = 0; k < n - 1; k++)
            assert_in_range(out[k], 0x20, 0x7e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_of_a_hit),
        cmocka_unit_test(test_combined_of_a_hit),
        cmocka_unit_test(test_reason_of_the_cache),
        cmocka_unit_test(test_combined_of_nothing),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_hostile_bytes_in_combined),
        cmocka_unit_test(test_everything_at_its_longest_fits_and_is_marked),
        cmocka_unit_test(test_values_are_cut_only_when_too_long),
        cmocka_unit_test(test_random_bytes_give_valid_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
