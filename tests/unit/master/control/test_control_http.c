/* SPDX-License-Identifier: Apache-2.0 */
/* The conversation: keep-alive, pipelining, bodies, limits, refusals, answers that come later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/control/api_fixture.h"

static struct fixture *f;
static struct control_http *h;

static int begin(void **state)
{
    static const struct api_caller caller = { .door = API_DOOR_CONTROL, .text = "uid=7 pid=8" };

    (void)state;
    h = malloc(sizeof *h);
    control_http_init(h, &caller);
    return 0;
}

static int end(void **state)
{
    (void)state;
    control_http_free(h);
    free(h);
    return 0;
}

static char *talk(const char *bytes)
{
    return fixture_talk(f, h, bytes, strlen(bytes));
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;

    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        n++;
    return n;
}

static void test_keep_alive_and_pipelining(void **state)
{
    (void)state;
    char *answer = talk(
        "GET /version HTTP/1.1\r\nHost: x\r\n\r\nGET /version HTTP/1.1\r\nHost: x\r\n\r\nGET /ver");
    assert_int_equal(count(answer, "HTTP/1.1 200 OK\r\n"), 2);
    assert_int_equal(h->state, CONTROL_HTTP_HEAD);
    assert_int_equal(h->served, 2);
    free(answer);
    answer = talk("sion HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /version "
                  "HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(count(answer, "HTTP/1.1 "), 1);
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    assert_int_equal(h->state, CONTROL_HTTP_OVER);
    free(answer);
}

static void test_byte_by_byte(void **state)
{
    static const char request[] =
        "POST /purge HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\n{\"all\r\n7;a=b\r\n\": true\r\n1\r\n}\r\n0\r\n\r\nGET /version HTTP/1.1\r\n"
        "Host: x\r\n\r\n";
    char *all = calloc(1, 8192);

    (void)state;
    for (size_t i = 0; i + 1 < sizeof request; i++) {
        char *answer = fixture_talk(f, h, request + i, 1);
        strcat(all, answer);
        free(answer);
    }
    assert_int_equal(count(all, "HTTP/1.1 200 OK\r\n"), 2);
    assert_non_null(strstr(all, "\"purged\":0"));
    free(all);
}

static void test_head_has_no_body(void **state)
{
    (void)state;
    char *head = talk("HEAD /version HTTP/1.1\r\nHost: x\r\n\r\n"),
         *get = talk("GET /version HTTP/1.1\r\nHost: x\r\n\r\n");
    size_t n = strlen(head);
    assert_string_equal(head + n - 4, "\r\n\r\n");
    assert_memory_equal(head, get, n);
    assert_true(strlen(get) > n);
    free(head);
    free(get);
}

static void test_http_1_0(void **state)
{
    (void)state;
    char *answer = talk("GET /version HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_non_null(strstr(answer, "\r\nConnection: keep-alive\r\n"));
    assert_int_equal(h->state, CONTROL_HTTP_HEAD);
    free(answer);
    answer = talk("GET /version HTTP/1.0\r\n\r\n");
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    assert_int_equal(h->state, CONTROL_HTTP_OVER);
    free(answer);
}

static void assert_refused(const char *request, int status)
{
    char *answer = talk(request);

    assert_int_equal(fixture_status(answer), status);
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(answer, "{\"message\":"));
    assert_int_equal(h->state, CONTROL_HTTP_OVER);
    free(answer);
    control_http_free(h);
    begin(NULL);
}

static void test_malformed(void **state)
{
    (void)state;
    struct control_http *first = h;
    assert_refused("GET /version\r\n\r\n", 400);
    free(first);
    first = h;
    assert_refused("GET /version HTTP/2.0\r\nHost: x\r\n\r\n", 505);
    free(first);
    first = h;
    assert_refused("GET /version HTTP/1.1\r\n\r\n", 400);
    free(first);
    first = h;
    assert_refused("POST /purge HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: "
                   "chunked\r\n\r\n",
                   400);
    free(first);
    first = h;
    assert_refused("POST /purge HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                   400);
    free(first);
    first = h;
    assert_refused("POST /purge HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n", 413);
    free(first);
    first = h;
    assert_refused("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    free(first);
}

static void test_large_head(void **state)
{
    char *request = malloc(40000);
    int n = snprintf(request, 40000, "GET /version HTTP/1.1\r\nHost: x\r\nX: ");

    (void)state;
    memset(request + n, 'a', 30000);
    char *answer = fixture_talk(f, h, request, (size_t)n + 30000);
    assert_int_equal(fixture_status(answer), 431);
    free(answer);
    free(request);
}

static void test_large_chunked_body(void **state)
{
    char *chunk = malloc(70000),
         *answer = talk("POST /purge HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    int n = snprintf(chunk, 70000, "10000\r\n");

    (void)state;
    memset(chunk + n, ' ', 65536);
    memcpy(chunk + n + 65536, "\r\n", 2);
    for (int i = 0; i < 16; i++) { /* 1 MiB is taken */
        free(answer);
        answer = fixture_talk(f, h, chunk, (size_t)n + 65538);
        assert_string_equal(answer, "");
    }
    free(answer);
    answer = fixture_talk(f, h, chunk, (size_t)n + 65538);
    assert_int_equal(fixture_status(answer), 413);
    assert_true(h->body_cap <= 2 << 20);
    free(answer);
    free(chunk);
}

static void test_expect_continue(void **state)
{
    (void)state;
    char *answer = talk(
        "POST /purge HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 13\r\n\r\n");
    assert_string_equal(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    free(answer);
    answer = talk("{\"all\": true}");
    assert_int_equal(fixture_status(answer), 200);
    free(answer);
}

static void test_the_master_answers_later(void **state)
{
    (void)state;
    char *answer =
        talk("POST /reload HTTP/1.1\r\nHost: x\r\n\r\nGET /version HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(answer, "");
    assert_int_equal(h->state, CONTROL_HTTP_WAIT);
    assert_int_equal(f->asked, CHANNEL_RELOAD);
    assert_int_equal(h->reply.waits, f->questions);
    free(answer);
    control_http_result(h, &f->api, 0, "generation 4", 12);
    answer = talk("");
    assert_int_equal(count(answer, "HTTP/1.1 200 OK\r\n"), 2);
    assert_non_null(strstr(answer, "{\"message\":\"generation 4\"}"));
    free(answer);
}

static void test_draining_ends_after_the_answer(void **state)
{
    (void)state;
    char *answer = talk("POST /reload HTTP/1.1\r\nHost: x\r\n\r\n");
    free(answer);
    h->draining = true;
    control_http_result(h, &f->api, 1, "a: b\n", 5);
    answer = talk("");
    assert_int_equal(fixture_status(answer), 422);
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    assert_int_equal(h->state, CONTROL_HTTP_OVER);
    free(answer);
}

static void test_refuse_while_waiting(void **state)
{
    (void)state;
    free(talk("POST /quit HTTP/1.1\r\nHost: x\r\n\r\n"));
    control_http_refuse(h, &f->api, 504, "late");
    control_http_result(h, &f->api, 0, "too late", 8);
    char *answer = talk("");
    assert_int_equal(fixture_status(answer), 504);
    assert_null(strstr(answer, "too late"));
    free(answer);
}

static int make(void **state)
{
    (void)state;
    f = fixture_make();
    return f == NULL;
}

static int drop(void **state)
{
    (void)state;
    fixture_free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keep_alive_and_pipelining, begin, end),
        cmocka_unit_test_setup_teardown(test_byte_by_byte, begin, end),
        cmocka_unit_test_setup_teardown(test_head_has_no_body, begin, end),
        cmocka_unit_test_setup_teardown(test_http_1_0, begin, end),
        cmocka_unit_test_setup_teardown(test_malformed, begin, end),
        cmocka_unit_test_setup_teardown(test_large_head, begin, end),
        cmocka_unit_test_setup_teardown(test_large_chunked_body, begin, end),
        cmocka_unit_test_setup_teardown(test_expect_continue, begin, end),
        cmocka_unit_test_setup_teardown(test_the_master_answers_later, begin, end),
        cmocka_unit_test_setup_teardown(test_draining_ends_after_the_answer, begin, end),
        cmocka_unit_test_setup_teardown(test_refuse_while_waiting, begin, end),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
