/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests: what a good one yields, the forms of targets, Connection, Expect and framing; every
 * prefix of a head is incomplete and every way of arrival gives the same verdict. What must be
 * refused is in test_smuggling.c.
 */
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

/* The verdict for text at once, with its end against an unreadable page; the same must come for it
 * in two parts, but that an error in a head without an end may wait for the end. */
static int parse_n(const char *text, size_t n)
{
    const char *p = guarded_tail(map, text, n);
    static struct head part;
    for (size_t cut = 1; cut < n; cut++) {
        int first = head_request(p, cut, 0, &part);
        if (first == HEAD_MORE)
            first = head_request(p, n, cut, &part);
        int whole = head_request(p, n, 0, &h);
        if (first != HEAD_MORE || whole > 0)
            assert_int_equal(first, whole);
    }
    return head_request(p, n, 0, &h);
}

static int parse(const char *text)
{
    return parse_n(text, strlen(text));
}

static void assert_slice(struct slice s, const char *text)
{
    assert_int_equal(s.n, strlen(text));
    assert_memory_equal(s.p, text, s.n);
}

static void a_plain_request(void **state)
{
    (void)state;
    const char *text = "POST /a/b?c=d HTTP/1.1\r\nHost: Example.com:81\r\nContent-Length: 10\r\n"
                       "X-Y:  some value\t \r\nEmpty:\r\n\r\n0123456789";
    assert_int_equal(parse(text), strlen(text) - 10);
    assert_int_equal(h.method, METHOD_POST);
    assert_slice(h.method_text, "POST");
    assert_slice(h.target, "/a/b?c=d");
    assert_slice(h.path, "/a/b?c=d");
    assert_slice(h.host, "Example.com:81");
    assert_slice(h.host_name, "Example.com");
    assert_int_equal(h.host_port, 81);
    assert_null(h.authority.p);
    assert_int_equal(h.minor, 1);
    assert_int_equal(h.framing, FRAMING_LENGTH);
    assert_int_equal(h.content_length, 10);
    assert_true(h.keep_alive);
    assert_false(h.upgrade || h.expect_continue || h.te_trailers);
    assert_int_equal(h.fields_n, 4);
    assert_slice(slice_of(h.fields[2].name, h.fields[2].name_n), "X-Y");
    assert_slice(field_value(&h.fields[2]), "some value");
    assert_slice(field_value(&h.fields[3]), "");
}

static void every_prefix_is_incomplete(void **state)
{
    (void)state;
    static const char text[] =
        "\r\nOPTIONS * HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n";
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        const char *p = guarded_tail(map, text, n);
        for (size_t seen = 0; seen <= n; seen++)
            assert_int_equal(head_request(p, n, seen, &h), HEAD_MORE);
    }
    assert_int_equal(head_request(text, sizeof(text) - 1, sizeof(text) - 2, &h), sizeof(text) - 1);
}

static void shortest_request(void **state)
{
    (void)state;
    assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n"), 18);
    assert_null(h.host.p);
    assert_null(h.host_name.p);
    assert_false(h.keep_alive);
    assert_int_equal(parse("G / HTTP/1.1\r\nHost:a\r\n\r\n"), 24);
    assert_int_equal(h.method, METHOD_OTHER);
}

static void a_parse_leaves_nothing_for_the_next(void **state)
{
    (void)state;
    parse("POST http://a/b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTE: trailers\r\nUpgrade: "
          "x\r\n"
          "Connection: upgrade, TE, X-Z\r\nX-Z: 1\r\nContent-Length: 3\r\n\r\n");
    assert_true(h.upgrade && h.expect_continue && h.te_trailers);
    assert_int_equal(h.fields[5].drop, 1);
    parse("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n");
    assert_false(h.upgrade || h.expect_continue || h.te_trailers);
    assert_null(h.authority.p);
    assert_int_equal(h.framing, FRAMING_NONE);
    assert_int_equal(h.content_length, 0);
    assert_int_equal(h.fields[5].drop, 0);
    assert_null(head_field(&h, FIELD_UPGRADE));
}

struct target_case {
    const char *method, *target, *host, *path, *authority;
    int verdict; /* 1: accepted */
};

static const struct target_case targets[] = {
    { "GET", "/", "h", "/", NULL, 1 },
    { "GET", "/%7Fa|b{}^`\"<>\\\x80\xff?#", "h", NULL, NULL, -HEAD_POS_TARGET },
    { "GET", "/a|b{}^`\"<>\\\x80\xff?//", "h", "/a|b{}^`\"<>\\\x80\xff?//", NULL, 1 },
    { "GET", "*", "h", NULL, NULL, -HEAD_POS_TARGET },
    { "OPTIONS", "*", "h", "*", NULL, 1 },
    { "OPTIONS", "**", "h", NULL, NULL, -HEAD_POS_TARGET },
    { "GET", "http://h/p?q", "h", "/p?q", "h", 1 },
    { "GET", "HTTPS://h:8/p", "H:8", "/p", "h:8", 1 },
    { "GET", "http://h", "h", "/", "h", 1 },
    { "OPTIONS", "http://h:1", "h:1", "*", "h:1", 1 },
    { "GET", "http://h?q", "h", NULL, NULL, -HEAD_POS_TARGET },
    { "GET", "http://", "h", NULL, NULL, -HEAD_POS_TARGET },
    { "GET", "http:///p", "h", NULL, NULL, -HEAD_POS_TARGET },
    { "GET", "http://u@h/p", "h", NULL, NULL, -HEAD_POS_TARGET },
    { "GET", "ftp://h/p", "h", NULL, NULL, -HEAD_POS_TARGET },
    { "GET", "http:/h/p", "h", NULL, NULL, -HEAD_POS_TARGET },
    { "GET", "h/p", "h", NULL, NULL, -HEAD_POS_TARGET },
    { "GET", "h:80", "h:80", NULL, NULL, -HEAD_POS_TARGET },
    { "GET", "http://h/p", "g", NULL, NULL, -HEAD_POS_HOST_DIFFERS },
    { "GET", "http://h:80/p", "h", NULL, NULL, -HEAD_POS_HOST_DIFFERS },
    { "CONNECT", "h:443", "h:443", "", "h:443", 1 },
    { "CONNECT", "[::1]:443", "[::1]:443", "", "[::1]:443", 1 },
    { "CONNECT", "h", "h", NULL, NULL, -HEAD_POS_TARGET },
    { "CONNECT", "/", "h", NULL, NULL, -HEAD_POS_TARGET },
    { "CONNECT", "http://h/", "h", NULL, NULL, -HEAD_POS_TARGET },
    { "CONNECT", "h:1", "h:2", NULL, NULL, -HEAD_POS_HOST_DIFFERS },
};

static void forms_of_targets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        const struct target_case *t = &targets[i];
        char text[200];
        int n = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", t->method,
                         t->target, t->host);
        int verdict = parse(text);
        if (verdict != (t->verdict == 1 ? n : t->verdict))
            fail_msg("%s %s: %d", t->method, t->target, verdict);
        if (t->verdict != 1)
            continue;
        assert_slice(h.target, t->target);
        assert_slice(h.path, t->path);
        assert_slice(h.authority, t->authority ? t->authority : "");
        assert_slice(h.host, t->host);
    }
}

static void old_absolute_form_names_the_host(void **state)
{
    (void)state;
    assert_true(parse("GET http://h:9/p HTTP/1.0\r\n\r\n") > 0);
    assert_slice(h.host, "h:9");
    assert_slice(h.host_name, "h");
    assert_int_equal(h.host_port, 9);
}

static void connection(void **state)
{
    (void)state;
    parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_false(h.keep_alive);
    parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    assert_true(h.keep_alive);
    parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nConnection: CLOSE\r\n\r\n");
    assert_false(h.keep_alive);
    parse("GET / HTTP/1.1\r\nHost: a\r\nConnection:\r\nConnection: ,\r\n\r\n");
    assert_true(h.keep_alive);
    parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n");
    assert_false(h.upgrade);
    parse("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    assert_false(h.upgrade);
    parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: "
          "websocket\r\n\r\n");
    assert_true(h.upgrade && h.keep_alive);
}

static void connection_drops_what_it_names(void **state)
{
    (void)state;
    assert_true(
        parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nX-A: 1\r\nx-a: 2\r\nX-B: 3\r\n"
              "Cookie: c\r\nConnection: x-A ,\tcookie, host, content-length, missing, accept\r\n"
              "Accept: d\r\n\r\n") > 0);
    static const int drop[] = { 0, 0, 1, 1, 0, 1, 0, 1 };
    assert_int_equal(h.fields_n, 8);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(h.fields[i].drop, drop[i]);
    assert_int_equal(h.content_length, 1);
}

static void malformed_connection(void **state)
{
    (void)state;
    char text[400] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: ";
    assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n"),
                     -HEAD_POS_CONNECTION);
    assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: \"close\"\r\n\r\n"),
                     -HEAD_POS_CONNECTION);
    for (int i = 0; i < 33; i++)
        strcat(text, "a,");
    strcat(text, "\r\n\r\n");
    assert_int_equal(parse(text), -HEAD_POS_CONNECTION);
}

static void expect(void **state)
{
    (void)state;
    assert_true(parse("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n") > 0);
    assert_true(h.expect_continue);
    assert_true(parse("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n") > 0);
    assert_false(h.expect_continue);
    assert_int_equal(parse("PUT / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n"), -HEAD_POS_EXPECT);
    assert_int_equal(parse("PUT / HTTP/1.1\r\nHost: a\r\nExpect:\r\n\r\n"), -HEAD_POS_EXPECT);
    assert_int_equal(
        parse("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: x\r\n\r\n"),
        -HEAD_POS_EXPECT);
}

static void te(void **state)
{
    (void)state;
    parse("GET / HTTP/1.1\r\nHost: a\r\nTE: deflate;q=0.5,\r\nTE: Trailers\r\n\r\n");
    assert_true(h.te_trailers);
    parse("GET / HTTP/1.1\r\nHost: a\r\nTE: trailersx\r\n\r\n");
    assert_false(h.te_trailers);
}

static void framing(void **state)
{
    (void)state;
    parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(h.framing, FRAMING_NONE);
    parse("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(h.framing, FRAMING_LENGTH);
    parse("PUT / HTTP/1.1\r\nHost: a\r\ncontent-length:\t9223372036854775807 \r\n\r\n");
    assert_true(h.content_length == INT64_MAX);
    parse("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n");
    assert_int_equal(h.framing, FRAMING_CHUNKED);
}

static void as_many_fields_as_fit(void **state)
{
    (void)state;
    char text[2000] = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 1; i < HEAD_FIELDS_MAX; i++)
        strcat(text, "A: b\r\n");
    size_t n = strlen(text);
    strcpy(text + n, "\r\n");
    assert_int_equal(head_request(text, n + 2, 0, &h), n + 2);
    assert_int_equal(h.fields_n, HEAD_FIELDS_MAX);
    strcpy(text + n, "A: b\r\n\r\n");
    assert_int_equal(head_request(text, n + 8, 0, &h), -HEAD_POS_TOO_MANY_FIELDS);
}

static void long_names(void **state)
{
    (void)state;
    static char text[70100] = "GET / HTTP/1.1\r\nHost: a\r\n";
    size_t at = strlen(text);
    memset(text + at, 'n', 65535);
    strcpy(text + at + 65535, ":v\r\n\r\n");
    assert_int_equal(head_request(text, strlen(text), 0, &h), strlen(text));
    assert_int_equal(h.fields[1].name_n, 65535);
    memset(text + at, 'n', 65536);
    strcpy(text + at + 65536, ":v\r\n\r\n");
    assert_int_equal(head_request(text, strlen(text), 0, &h), -HEAD_POS_FIELD_NAME);
}

static void pipelined(void **state)
{
    (void)state;
    static const char text[] =
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n";
    int n = head_request(text, sizeof(text) - 1, 0, &h);
    assert_int_equal(n, 28);
    assert_int_equal(head_request(text + n, sizeof(text) - 1 - (size_t)n, 0, &h), 28);
    assert_slice(h.path, "/2");
}

/* One change of a byte anywhere, in one piece and in two: never a crash, an overread or another
 * verdict. */
static void damaged(void **state)
{
    (void)state;
    static const char text[] =
        "PUT http://a.b/ HTTP/1.1\r\nHost: a.b\r\nContent-Length: 3\r\nX: y\r\n\r\n";
    static const char bytes[] = "\0\t\n\r \"#,/:;@0Aa\x7f\x80";
    char copy[sizeof(text)];
    for (size_t at = 0; at < sizeof(text) - 1; at++)
        for (size_t b = 0; b < sizeof(bytes) - 1; b++) {
            memcpy(copy, text, sizeof(text));
            copy[at] = bytes[b];
            parse_n(copy, sizeof(text) - 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_request),
        cmocka_unit_test(every_prefix_is_incomplete),
        cmocka_unit_test(shortest_request),
        cmocka_unit_test(a_parse_leaves_nothing_for_the_next),
        cmocka_unit_test(forms_of_targets),
        cmocka_unit_test(old_absolute_form_names_the_host),
        cmocka_unit_test(connection),
        cmocka_unit_test(connection_drops_what_it_names),
        cmocka_unit_test(malformed_connection),
        cmocka_unit_test(expect),
        cmocka_unit_test(te),
        cmocka_unit_test(framing),
        cmocka_unit_test(as_many_fields_as_fit),
        cmocka_unit_test(long_names),
        cmocka_unit_test(pipelined),
        cmocka_unit_test(damaged),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
