/* SPDX-License-Identifier: Apache-2.0 */
/* Responses: status lines good and bad, and the framing of RFC 9112 section 6.3 case by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "guarded.h"
#include "worker/http/head.h"

static struct head h;
static char *map;

static int set_up(void **state)
{
    (void)state;
    map = guarded_map();
    return 0;
}

static int parse(const char *text, enum head_method to)
{
    size_t n = strlen(text);
    const char *p = guarded_tail(map, text, n);
    int whole = head_response(p, n, 0, to, &h);
    for (size_t cut = 1; cut < n; cut++) {
        int first = head_response(p, cut, 0, to, &h);
        if (first == HEAD_MORE)
            first = head_response(p, n, cut, to, &h);
        if (first != HEAD_MORE || whole > 0)
            assert_int_equal(first, whole);
    }
    return head_response(p, n, 0, to, &h);
}

static const struct {
    const char *line;
    int status, minor;
    const char *reason;
} lines[] = {
    { "HTTP/1.1 200 OK\r\n", 200, 1, "OK" },
    { "HTTP/1.0 404 Not Found\r\n", 404, 0, "Not Found" },
    { "HTTP/1.1 999 \r\n", 999, 1, "" },
    { "HTTP/1.1 100\r\n", 100, 1, "" },
    { "HTTP/1.1 200 \tan \xfc"
      "ber  reason \r\n",
      200, 1,
      "\tan \xfc"
      "ber  reason " },
    { "HTTP/1.1 099 X\r\n", -HEAD_POS_STATUS, 0, NULL },
    { "HTTP/1.1 20 X\r\n", -HEAD_POS_STATUS, 0, NULL },
    { "HTTP/1.1 2000 X\r\n", -HEAD_POS_STATUS, 0, NULL },
    { "HTTP/1.1 2x0 X\r\n", -HEAD_POS_STATUS, 0, NULL },
    { "HTTP/1.1  200 X\r\n", -HEAD_POS_STATUS, 0, NULL },
    { "HTTP/1.1 200\tX\r\n", -HEAD_POS_STATUS, 0, NULL },
    { "HTTP/1.1 200 a\x01\r\n", -HEAD_POS_STATUS, 0, NULL },
    { "HTTP/1.1 200 a\rb\r\n", -HEAD_POS_BARE_CR, 0, NULL },
    { "HTTP/1.1 200 a\n", -HEAD_POS_BARE_LF, 0, NULL },
    { "HTTP/1.1\r\n", -HEAD_POS_STATUS, 0, NULL },
    { "HTTP/2.0 200 OK\r\n", -HEAD_POS_VERSION, 0, NULL },
    { "HTTP/1.2 200 OK\r\n", 200, 1, "OK" },
    { "HTTP/1.10 200 OK\r\n", -HEAD_POS_STATUS, 0, NULL },
    { "http/1.1 200 OK\r\n", -HEAD_POS_STATUS, 0, NULL },
    { "ICY 200 OK\r\n", -HEAD_POS_STATUS, 0, NULL },
    { "\r\nHTTP/1.1 200 OK\r\n", -HEAD_POS_STATUS, 0, NULL },
};

static void status_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char text[200];
        int n = snprintf(text, sizeof(text), "%sA: b\r\n\r\n", lines[i].line);
        int verdict = parse(text, METHOD_GET);
        if (verdict != (lines[i].status < 0 ? lines[i].status : n))
            fail_msg("%s: %d", lines[i].line, verdict);
        if (lines[i].status < 0)
            continue;
        assert_int_equal(h.status, lines[i].status);
        assert_int_equal(h.minor, lines[i].minor);
        assert_true(slice_equal(h.reason, slice_of(lines[i].reason, strlen(lines[i].reason))));
    }
}

static const struct {
    const char *status, *fields;
    enum head_method to;
    int framing; /* or minus an error */
    uint64_t length;
} framings[] = {
    { "1.1 200", "", METHOD_GET, FRAMING_CLOSE, 0 },
    { "1.1 200", "Content-Length: 5\r\n", METHOD_GET, FRAMING_LENGTH, 5 },
    { "1.1 200", "Content-Length: 0\r\n", METHOD_POST, FRAMING_LENGTH, 0 },
    { "1.1 200", "Content-Length: 5\r\ncontent-length: 5\r\n", METHOD_GET, FRAMING_LENGTH, 5 },
    { "1.1 200", "Content-Length: 5, 5\r\n", METHOD_GET, FRAMING_LENGTH, 5 },
    { "1.1 200", "Content-Length: 5, 05\r\n", METHOD_GET, FRAMING_LENGTH, 5 },
    { "1.1 200", "Content-Length: 5, 6\r\n", METHOD_GET, -HEAD_POS_LENGTH, 0 },
    { "1.1 200", "Content-Length: 5\r\nContent-Length: 6\r\n", METHOD_GET, -HEAD_POS_LENGTH, 0 },
    { "1.1 200", "Content-Length: 5\r\nContent-Length:\r\n", METHOD_GET, -HEAD_POS_LENGTH, 0 },
    { "1.1 200", "Content-Length: \r\n", METHOD_GET, -HEAD_POS_LENGTH, 0 },
    { "1.1 200", "Content-Length: ,\r\n", METHOD_GET, -HEAD_POS_LENGTH, 0 },
    { "1.1 200", "Content-Length: -5\r\n", METHOD_GET, -HEAD_POS_LENGTH, 0 },
    { "1.1 200", "Content-Length: 9223372036854775808\r\n", METHOD_GET, -HEAD_POS_LENGTH, 0 },
    { "1.1 200", "Transfer-Encoding: CHUNKED\r\n", METHOD_GET, FRAMING_CHUNKED, 0 },
    { "1.1 200", "Transfer-Encoding: gzip, chunked\r\n", METHOD_GET, -HEAD_POS_CODING, 0 },
    { "1.1 200", "Transfer-Encoding: foo\r\n", METHOD_GET, -HEAD_POS_CODING, 0 },
    { "1.1 200", "Transfer-Encoding: chunked, chunked\r\n", METHOD_GET, -HEAD_POS_CODING_ORDER, 0 },
    { "1.1 200", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", METHOD_GET,
      -HEAD_POS_LENGTH_AND_CODING, 0 },
    { "1.0 200", "Transfer-Encoding: chunked\r\n", METHOD_GET, -HEAD_POS_CODING_VERSION, 0 },
    { "1.1 200", "Content-Length: 5\r\n", METHOD_HEAD, FRAMING_NONE, 5 },
    { "1.1 200", "Transfer-Encoding: chunked\r\n", METHOD_HEAD, FRAMING_NONE, 0 },
    { "1.1 200", "Content-Length: x\r\n", METHOD_HEAD, -HEAD_POS_LENGTH, 0 },
    { "1.1 200", "", METHOD_HEAD, FRAMING_NONE, 0 },
    { "1.1 204", "", METHOD_GET, FRAMING_NONE, 0 },
    { "1.1 304", "Content-Length: 5\r\n", METHOD_GET, FRAMING_NONE, 5 },
    { "1.1 100", "", METHOD_GET, FRAMING_NONE, 0 },
    { "1.1 103", "Link: a\r\n", METHOD_GET, FRAMING_NONE, 0 },
    { "1.1 101", "Connection: upgrade\r\nUpgrade: x\r\n", METHOD_GET, FRAMING_NONE, 0 },
    { "1.1 200", "A: b\r\n c\r\n", METHOD_GET, -HEAD_POS_OBS_FOLD, 0 },
    { "1.1 200", "A : b\r\n", METHOD_GET, -HEAD_POS_FIELD_NAME, 0 },
    { "1.1 200", "A: b\x01\r\n", METHOD_GET, -HEAD_POS_FIELD_VALUE, 0 },
    { "1.1 200", "Connection: a b\r\n", METHOD_GET, -HEAD_POS_CONNECTION, 0 },
};

static void bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(framings) / sizeof(framings[0]); i++) {
        char text[200];
        int n = snprintf(text, sizeof(text), "HTTP/%s Reason\r\n%s\r\n", framings[i].status,
                         framings[i].fields);
        int verdict = parse(text, framings[i].to);
        if (verdict != (framings[i].framing < 0 ? framings[i].framing : n))
            fail_msg("%s %s: %d", framings[i].status, framings[i].fields, verdict);
        if (verdict < 0)
            continue;
        assert_int_equal((int)h.framing, framings[i].framing);
        assert_int_equal(h.content_length, framings[i].length);
    }
}

static void keeping_the_connection(void **state)
{
    (void)state;
    parse("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", METHOD_GET);
    assert_true(h.keep_alive);
    parse("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: foo, close\r\nFoo: 1\r\n\r\n",
          METHOD_GET);
    assert_false(h.keep_alive);
    assert_int_equal(h.fields[2].drop, 1);
    parse("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n", METHOD_GET);
    assert_false(h.keep_alive); /* the body ends with the connection */
    parse("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", METHOD_GET);
    assert_false(h.keep_alive);
    parse("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n", METHOD_GET);
    assert_true(h.keep_alive);
    parse("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", METHOD_GET);
    assert_true(h.upgrade);
}

static void every_prefix_is_incomplete(void **state)
{
    (void)state;
    static const char text[] = "HTTP/1.1 200 OK\r\nServer: a server with a name\r\nA: b\r\n\r\n";
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        const char *p = guarded_tail(map, text, n);
        for (size_t seen = 0; seen <= n; seen++)
            assert_int_equal(head_response(p, n, seen, METHOD_GET, &h), HEAD_MORE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_lines),
        cmocka_unit_test(bodies),
        cmocka_unit_test(keeping_the_connection),
        cmocka_unit_test(every_prefix_is_incomplete),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
