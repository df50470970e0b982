/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile requests, one row each: heads that two readers are known to take for different messages.
 * A row says the verdict and, where that is "accepted", there is only one way left to read the
 * head.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guarded.h"
#include "worker/http/chunk.h"
#include "worker/http/head.h"

#define ROW(text, verdict)                                                                         \
    {                                                                                              \
        text, sizeof(text) - 1, verdict                                                            \
    }
#define POST(fields)  "POST / HTTP/1.1\r\nHost: h\r\n" fields "\r\n"
#define GET(fields)   "GET / HTTP/1.1\r\n" fields "\r\n"
#define CL            "Content-Length: 6\r\n"
#define TE            "Transfer-Encoding: chunked\r\n"
#define CODING(value) POST("Transfer-Encoding: " value "\r\n")
#define LENGTH(value) POST("Content-Length: " value "\r\n")

enum { ACCEPTED = 1 };

static const struct row {
    const char *text;
    size_t n;
    int verdict;
} rows[] = {
    /* both framings */
    ROW(POST(CL TE), -HEAD_POS_LENGTH_AND_CODING),
    ROW(POST(TE CL), -HEAD_POS_LENGTH_AND_CODING),
    ROW(POST(CL "Transfer-Encoding: x\r\n"), -HEAD_POS_LENGTH_AND_CODING),
    ROW(POST(CL "Transfer-Encoding:\r\n"), -HEAD_POS_LENGTH_AND_CODING),
    ROW(POST("Content-Length: 0\r\n" TE), -HEAD_POS_LENGTH_AND_CODING),
    ROW(POST("content-LENGTH: 6\r\ntransfer-ENCODING: chunked\r\n"), -HEAD_POS_LENGTH_AND_CODING),
    ROW(POST("Connection: Content-Length\r\n" CL TE), -HEAD_POS_LENGTH_AND_CODING),
    ROW(POST("Connection: Transfer-Encoding\r\n" CL TE), -HEAD_POS_LENGTH_AND_CODING),

    /* Transfer-Encoding disguised */
    ROW(CODING("xchunked"), -HEAD_POS_CODING),
    ROW(CODING("chunkedx"), -HEAD_POS_CODING),
    ROW(CODING("chunk"), -HEAD_POS_CODING),
    ROW(CODING("identity"), -HEAD_POS_CODING),
    ROW(CODING("gzip, chunked"), -HEAD_POS_CODING),
    ROW(CODING("chunked, identity"), -HEAD_POS_CODING_ORDER),
    ROW(CODING("chunked, gzip"), -HEAD_POS_CODING_ORDER),
    ROW(CODING("chunked, chunked"), -HEAD_POS_CODING_ORDER),
    ROW(CODING("chunked,"), -HEAD_POS_CODING_SYNTAX),
    ROW(CODING(",chunked"), -HEAD_POS_CODING_SYNTAX),
    ROW(CODING(""), -HEAD_POS_CODING_SYNTAX),
    ROW(CODING("\"chunked\""), -HEAD_POS_CODING_SYNTAX),
    ROW(CODING("'chunked'"), -HEAD_POS_CODING),
    ROW(CODING("chunked;a=b"), -HEAD_POS_CODING_SYNTAX),
    ROW(CODING("chunked a"), -HEAD_POS_CODING_SYNTAX),
    ROW(CODING("chu nked"), -HEAD_POS_CODING_SYNTAX),
    ROW(CODING("[chunked]"), -HEAD_POS_CODING_SYNTAX),
    ROW(CODING("\vchunked"), -HEAD_POS_FIELD_VALUE),
    ROW(CODING("chunked\v"), -HEAD_POS_FIELD_VALUE),
    ROW(CODING("\fchunked"), -HEAD_POS_FIELD_VALUE),
    ROW(CODING("chunked\0"), -HEAD_POS_FIELD_VALUE),
    ROW(CODING("\x00"
               "chunked"),
        -HEAD_POS_FIELD_VALUE),
    ROW(CODING("chunked\x7f"), -HEAD_POS_FIELD_VALUE),
    ROW(CODING("\xa0"
               "chunked"),
        -HEAD_POS_CODING_SYNTAX),
    ROW(CODING("\xef\xbb\xbf"
               "chunked"),
        -HEAD_POS_CODING_SYNTAX),
    ROW(CODING("\tchunked \t"), ACCEPTED),
    ROW(CODING("CHUNKED"), ACCEPTED),
    ROW(POST(TE TE), -HEAD_POS_CODING_ORDER),
    ROW(POST(TE "Transfer-Encoding: x\r\n"), -HEAD_POS_CODING_ORDER),
    ROW(POST("Transfer-Encoding: x\r\n" TE), -HEAD_POS_CODING),
    ROW(POST("Transfer-Encoding : chunked\r\n"), -HEAD_POS_FIELD_NAME),
    ROW(POST("Transfer-Encoding\t: chunked\r\n"), -HEAD_POS_FIELD_NAME),
    ROW(POST("Transfer-Encoding\v: chunked\r\n"), -HEAD_POS_FIELD_NAME),
    ROW(POST("Transfer-Encoding\0: chunked\r\n"), -HEAD_POS_FIELD_NAME),
    ROW(POST("Transfer-Encoding\r\n: chunked\r\n"), -HEAD_POS_FIELD_NAME),
    ROW(POST("Transfer-Encoding:\r\n chunked\r\n"), -HEAD_POS_OBS_FOLD),
    ROW(POST("Transfer-Encoding:\n chunked\r\n"), -HEAD_POS_BARE_LF),
    ROW(POST(" Transfer-Encoding: chunked\r\n"), -HEAD_POS_OBS_FOLD),
    ROW(POST("\tTransfer-Encoding: chunked\r\n"), -HEAD_POS_OBS_FOLD),
    ROW(POST("\vTransfer-Encoding: chunked\r\n"), -HEAD_POS_FIELD_NAME),
    ROW(POST("X: y\rTransfer-Encoding: chunked\r\n"), -HEAD_POS_BARE_CR),
    ROW(POST("X: y\nTransfer-Encoding: chunked\r\n"), -HEAD_POS_BARE_LF),
    ROW(POST("X: y\r\rTransfer-Encoding: chunked\r\n"), -HEAD_POS_BARE_CR),
    ROW(POST("X: y\n\rTransfer-Encoding: chunked\r\n"), -HEAD_POS_BARE_LF),
    ROW(POST("Transfer_Encoding: chunked\r\n" CL), ACCEPTED),
    ROW(POST("Transfer-Encodin\xc7: chunked\r\n" CL), -HEAD_POS_FIELD_NAME),
    ROW("POST / HTTP/1.0\r\nHost: h\r\n" TE "\r\n", -HEAD_POS_CODING_VERSION),
    ROW("POST / HTTP/1.0\r\nHost: h\r\n" CL TE "\r\n", -HEAD_POS_LENGTH_AND_CODING),

    /* Content-Length */
    ROW(POST(CL CL), -HEAD_POS_LENGTH),
    ROW(POST(CL "Content-Length: 5\r\n"), -HEAD_POS_LENGTH),
    ROW(POST("Content-Length: 5\r\nCONTENT-LENGTH: 6\r\n"), -HEAD_POS_LENGTH),
    ROW(LENGTH("6, 6"), -HEAD_POS_LENGTH),
    ROW(LENGTH("6,5"), -HEAD_POS_LENGTH),
    ROW(LENGTH("6 5"), -HEAD_POS_LENGTH),
    ROW(LENGTH("+6"), -HEAD_POS_LENGTH),
    ROW(LENGTH("-6"), -HEAD_POS_LENGTH),
    ROW(LENGTH("-0"), -HEAD_POS_LENGTH),
    ROW(LENGTH("0x6"), -HEAD_POS_LENGTH),
    ROW(LENGTH("6h"), -HEAD_POS_LENGTH),
    ROW(LENGTH("6;"), -HEAD_POS_LENGTH),
    ROW(LENGTH("6.0"), -HEAD_POS_LENGTH),
    ROW(LENGTH("1e1"), -HEAD_POS_LENGTH),
    ROW(LENGTH("\"6\""), -HEAD_POS_LENGTH),
    ROW(LENGTH("1_0"), -HEAD_POS_LENGTH),
    ROW(LENGTH(""), -HEAD_POS_LENGTH),
    ROW(LENGTH("\xef\xbc\x96"), -HEAD_POS_LENGTH),
    ROW(LENGTH("9223372036854775808"), -HEAD_POS_LENGTH),
    ROW(LENGTH("18446744073709551622"), -HEAD_POS_LENGTH),
    ROW(LENGTH("4294967302"), ACCEPTED),
    ROW(LENGTH("00000000000000000006"), -HEAD_POS_LENGTH),
    ROW(LENGTH("6\0"), -HEAD_POS_FIELD_VALUE),
    ROW(LENGTH("6\v"), -HEAD_POS_FIELD_VALUE),
    ROW(POST("Content-Length : 6\r\n"), -HEAD_POS_FIELD_NAME),
    ROW(POST("Content-Length: \r\n 6\r\n"), -HEAD_POS_OBS_FOLD),
    ROW(POST("Content Length: 6\r\n"), -HEAD_POS_FIELD_NAME),

    /* lines and names */
    ROW("GET / HTTP/1.1\nHost: h\n\n", -HEAD_POS_BARE_LF),
    ROW("GET / HTTP/1.1\r\nHost: h\n\n", -HEAD_POS_BARE_LF),
    ROW("GET / HTTP/1.1\r\nHost: h\r\n\n", -HEAD_POS_BARE_LF),
    ROW("GET / HTTP/1.1\r\nHost: h\r\n\rX", -HEAD_POS_BARE_CR),
    ROW("GET / HTTP/1.1\rHost: h\r\n\r\n", -HEAD_POS_BARE_CR),
    ROW("GET / HTTP/1.1\r\n Host: h\r\n\r\n", -HEAD_POS_OBS_FOLD),
    ROW(GET("Host: h\r\nA\r\n"), -HEAD_POS_FIELD_NAME),
    ROW(GET("Host: h\r\n: b\r\n"), -HEAD_POS_FIELD_NAME),
    ROW(GET("Host: h\r\nA B: c\r\n"), -HEAD_POS_FIELD_NAME),
    ROW(GET("Host: h\r\nA(b): c\r\n"), -HEAD_POS_FIELD_NAME),
    ROW(GET("Host: h\r\n\"A\": c\r\n"), -HEAD_POS_FIELD_NAME),
    ROW(GET("Host: h\r\nA/b: c\r\n"), -HEAD_POS_FIELD_NAME),
    ROW(GET("Host: h\r\nA: b\x1f\r\n"), -HEAD_POS_FIELD_VALUE),
    ROW(GET("Host: h\r\nA: b\0c\r\n"), -HEAD_POS_FIELD_VALUE),
    ROW(GET("Host: h\r\nA: \xfc\tb\r\n"), ACCEPTED),

    /* request line */
    ROW("GET /\r\n\r\n", -HEAD_POS_SYNTAX),
    ROW("GET / \r\nHost: h\r\n\r\n", -HEAD_POS_SYNTAX),
    ROW("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", -HEAD_POS_SYNTAX),
    ROW("GET /  HTTP/1.1\r\nHost: h\r\n\r\n", -HEAD_POS_SYNTAX),
    ROW("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", -HEAD_POS_SYNTAX),
    ROW("GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", -HEAD_POS_BARE_CR),
    ROW("GET\t/\tHTTP/1.1\r\nHost: h\r\n\r\n", -HEAD_POS_METHOD),
    ROW("GET /\tHTTP/1.1\r\nHost: h\r\n\r\n", -HEAD_POS_TARGET),
    ROW("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", -HEAD_POS_SYNTAX),
    ROW("GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n", -HEAD_POS_TARGET),
    ROW("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", -HEAD_POS_TARGET),
    ROW("GET /a\x7f HTTP/1.1\r\nHost: h\r\n\r\n", -HEAD_POS_TARGET),
    ROW(" GET / HTTP/1.1\r\nHost: h\r\n\r\n", -HEAD_POS_METHOD),
    ROW("G(T / HTTP/1.1\r\nHost: h\r\n\r\n", -HEAD_POS_METHOD),
    ROW("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", -HEAD_POS_METHOD),
    ROW("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", ACCEPTED),
    ROW("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", -HEAD_POS_SYNTAX),
    ROW("\rGET / HTTP/1.1\r\nHost: h\r\n\r\n", -HEAD_POS_BARE_CR),
    ROW("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\nHost: h\r\n\r\n", ACCEPTED),
    ROW("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\nHost: h\r\n\r\n", -HEAD_POS_METHOD),
    ROW("GET / http/1.1\r\nHost: h\r\n\r\n", -HEAD_POS_SYNTAX),
    ROW("GET / HTTP/1.10\r\nHost: h\r\n\r\n", -HEAD_POS_SYNTAX),
    ROW("GET / HTTP/01.1\r\nHost: h\r\n\r\n", -HEAD_POS_SYNTAX),
    ROW("GET / HTTP/1,1\r\nHost: h\r\n\r\n", -HEAD_POS_SYNTAX),
    ROW("GET / HTTP/0.9\r\n\r\n", -HEAD_POS_VERSION),
    ROW("GET / HTTP/1.2\r\nHost: h\r\n\r\n", ACCEPTED),
    ROW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -HEAD_POS_VERSION),
    ROW("GET / HTTP/3.1\r\nHost: h\r\n\r\n", -HEAD_POS_VERSION),
    ROW("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", -HEAD_POS_METHOD),

    /* Host */
    ROW(GET("A: b\r\n"), -HEAD_POS_HOST),
    ROW(GET("Host:\r\n"), -HEAD_POS_HOST),
    ROW("GET / HTTP/1.0\r\nHost:\r\n\r\n", -HEAD_POS_HOST),
    ROW(GET("Host: a\r\nHost: a\r\n"), -HEAD_POS_HOST),
    ROW(GET("Host: a\r\nhOST: b\r\n"), -HEAD_POS_HOST),
    ROW(GET("Host: a, b\r\n"), -HEAD_POS_HOST),
    ROW(GET("Host: a b\r\n"), -HEAD_POS_HOST),
    ROW(GET("Host: a@b\r\n"), -HEAD_POS_HOST),
    ROW(GET("Host: a#b\r\n"), -HEAD_POS_HOST),
    ROW(GET("Host: a/b\r\n"), -HEAD_POS_HOST),
    ROW(GET("Host: http://a\r\n"), -HEAD_POS_HOST),
    ROW(GET("Host: a:80:80\r\n"), -HEAD_POS_HOST),
    ROW(GET("Host: a:\r\n"), ACCEPTED),
    ROW(GET("Host : a\r\n"), -HEAD_POS_FIELD_NAME),
    ROW(GET(" Host: a\r\n"), -HEAD_POS_OBS_FOLD),
    ROW("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", -HEAD_POS_HOST_DIFFERS),
    ROW("GET http://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n", -HEAD_POS_HOST_DIFFERS),
    ROW("GET http://a/ HTTP/1.1\r\n\r\n", -HEAD_POS_HOST),
    ROW("GET http://x@a/ HTTP/1.1\r\nHost: a\r\n\r\n", -HEAD_POS_TARGET),
    ROW("GET //evil/ HTTP/1.1\r\nHost: a\r\n\r\n", ACCEPTED),
    ROW("GET @evil/ HTTP/1.1\r\nHost: a\r\n\r\n", -HEAD_POS_TARGET),
    ROW("GET http://a\\@b/ HTTP/1.1\r\nHost: a\r\n\r\n", -HEAD_POS_TARGET),

    /* Expect */
    ROW(POST("Expect: 100-continue, x\r\n" CL), -HEAD_POS_EXPECT),
    ROW(POST("Expect: y 100-continue\r\n" CL), -HEAD_POS_EXPECT),
};

static char *map;

static void heads(void **state)
{
    (void)state;
    static struct head h;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *p = guarded_tail(map, rows[i].text, rows[i].n);
        int verdict = head_request(p, rows[i].n, 0, &h);
        if (verdict != (rows[i].verdict == ACCEPTED ? (int)rows[i].n : rows[i].verdict))
            fail_msg("row %zu, %s: %d", i, rows[i].text, verdict);
    }
}

/* The same with more bytes in front and behind, so that the vector engines see what the portable
 * one saw. */
static void heads_in_longer_buffers(void **state)
{
    (void)state;
    static struct head h;
    char text[600];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memcpy(text, rows[i].text, rows[i].n);
        memset(text + rows[i].n, 'z', 64);
        int verdict = head_request(text, rows[i].n + 64, 0, &h);
        if (verdict != (rows[i].verdict == ACCEPTED ? (int)rows[i].n : rows[i].verdict))
            fail_msg("row %zu, %s: %d", i, rows[i].text, verdict);
    }
}

static const struct {
    const char *text;
    size_t n;
    enum chunk_verdict verdict;
} bodies[] = {
    ROW("0\r\n\r\n", CHUNK_END),
    ROW("1\r\na\r\n0\r\n\r\n", CHUNK_END),
    ROW("001\r\na\r\n000\r\n\r\n", CHUNK_END),
    ROW("1;x=\"y\"\r\na\r\n0;z\r\n\r\n", CHUNK_END),
    ROW("1;x=\"a;\\\"\"\r\na\r\n0\r\n\r\n", CHUNK_END),
    ROW("1;x=\"a;\\\"\r\na\r\n0\r\n\r\n", CHUNK_BAD),
    ROW("1 ;x\r\na\r\n0\r\n\r\n", CHUNK_END),
    ROW("\r\n0\r\n\r\n", CHUNK_BAD),
    ROW("\n0\r\n\r\n", CHUNK_BAD),
    ROW(" 0\r\n\r\n", CHUNK_BAD),
    ROW("0 \r\n\r\n", CHUNK_END),
    ROW("0\n\n", CHUNK_BAD),
    ROW("0\r\n\n", CHUNK_BAD),
    ROW("0\n\r\n", CHUNK_BAD),
    ROW("0\r\r\n", CHUNK_BAD),
    ROW("0\r\n\rX", CHUNK_BAD),
    ROW("0x1\r\na\r\n0\r\n\r\n", CHUNK_BAD),
    ROW("+1\r\na\r\n0\r\n\r\n", CHUNK_BAD),
    ROW("-1\r\na\r\n0\r\n\r\n", CHUNK_BAD),
    ROW("1_0\r\n", CHUNK_BAD),
    ROW("g\r\n", CHUNK_BAD),
    ROW(";x\r\n", CHUNK_BAD),
    ROW("1\0\r\na\r\n0\r\n\r\n", CHUNK_BAD),
    ROW("1\v\r\na\r\n0\r\n\r\n", CHUNK_BAD),
    ROW("8000000000000000\r\n", CHUNK_BAD),
    ROW("ffffffffffffffff\r\n", CHUNK_BAD),
    ROW("10000000000000001\r\n", CHUNK_BAD),
    ROW("00000000000000001\r\na\r\n", CHUNK_MORE),
    ROW("1\r\nab\r\n0\r\n\r\n", CHUNK_BAD),
    ROW("2\r\na\r\n0\r\n\r\n", CHUNK_BAD),
    ROW("1\r\na0\r\n\r\n", CHUNK_BAD),
    ROW("1\r\na\n0\r\n\r\n", CHUNK_BAD),
    ROW("1\na\r\n0\r\n\r\n", CHUNK_BAD),
    ROW("1;\na\r\n0\r\n\r\n", CHUNK_BAD),
    ROW("1;a\rb\r\na\r\n0\r\n\r\n", CHUNK_BAD),
    ROW("1;a\x01\r\na\r\n0\r\n\r\n", CHUNK_BAD),
    ROW("1;\"a\r\n\"\r\na\r\n0\r\n\r\n", CHUNK_BAD),
    ROW("0\r\nA : b\r\n\r\n", CHUNK_BAD),
    ROW("0\r\n A: b\r\n\r\n", CHUNK_BAD),
    ROW("0\r\nA: b\r\n c\r\n\r\n", CHUNK_BAD),
    ROW("0\r\nA: b\n\r\n", CHUNK_BAD),
    ROW("0\r\nGET / HTTP/1.1\r\n\r\n", CHUNK_BAD),
    ROW("0\r\n: b\r\n\r\n", CHUNK_BAD),
    ROW("0\r\nA: b\0\r\n\r\n", CHUNK_BAD),
};

static void chunked_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct chunk c;
        struct slice out,
            in = slice_of(guarded_tail(map, bodies[i].text, bodies[i].n), bodies[i].n);
        enum chunk_verdict v;
        chunk_init(&c, NULL);
        while ((v = chunk_next(&c, &in, &out)) == CHUNK_DATA)
            assert_true(out.n > 0);
        if (v != bodies[i].verdict)
            fail_msg("body %zu, %s: %d", i, bodies[i].text, v);
    }
}

static int set_up(void **state)
{
    (void)state;
    map = guarded_map();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads),
        cmocka_unit_test(heads_in_longer_buffers),
        cmocka_unit_test(chunked_bodies),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
