/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that are replaced as a whole: in pieces, empty, at the limit and above it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/worker/filter_fixture.h"
#include "worker/body/body_filter_whole.h"

static struct stream s;
static int replaced;

static bool wanted(struct stream *stream, const void *config, struct reply *reply)
{
    (void)stream;
    (void)reply;
    return config != NULL;
}

/* "[body]"; one that begins with '=' stays as it is, for one with '!' there is no memory. */
static bool in_brackets(struct stream *stream, const void *config, struct slice body,
                        struct slice *out)
{
    (void)config;
    replaced++;
    if (body.n == 0 || body.p[0] != '=')
        *out = arena_print(stream_arena(stream), "[%.*s]", (int)body.n, body.p);
    return body.n == 0 || body.p[0] != '!';
}

static const struct body_filter_whole lenient = { wanted, in_brackets, false };
static const struct body_filter_whole strict = { wanted, in_brackets, true };

static void begin(const struct body_filter_whole *ops, enum reply_length framing, uint64_t length)
{
    replaced = 0;
    fixture_begin(&s, framing, length);
    assert_true(body_filter_whole_add(&s, ops, "config", 10));
}

static void in_pieces(void **state)
{
    (void)state;
    begin(&lenient, REPLY_UNKNOWN, 0);
    assert_true(fixture_text(&s, true, "abc", false));
    assert_true(body_filter_flush(&s));
    assert_true(fixture_text(&s, false, "def", false));
    assert_int_equal(wire.calls, 0);
    assert_true(body_filter_send(&s, false, NULL, 0, true));
    assert_true(fixture_got("[abcdef]"));
    assert_int_equal(wire.framing, REPLY_LENGTH);
    assert_int_equal(wire.length, 8);
    assert_int_equal(wire.heads, 1);
    assert_int_equal(wire.ends, 1);
    fixture_end(&s);
}

static void empty_and_unchanged(void **state)
{
    (void)state;
    begin(&lenient, REPLY_LENGTH, 0);
    assert_true(body_filter_send(&s, true, NULL, 0, true));
    assert_true(fixture_got("[]"));
    fixture_end(&s);
    begin(&lenient, REPLY_LENGTH, 3);
    assert_true(fixture_text(&s, true, "=ab", true));
    assert_true(fixture_got("=ab"));
    assert_int_equal(wire.length, 3);
    fixture_end(&s);
}

static void at_the_limit(void **state)
{
    (void)state;
    begin(&strict, REPLY_LENGTH, 10);
    assert_true(fixture_text(&s, true, "0123456789", true));
    assert_true(fixture_got("[0123456789]"));
    fixture_end(&s);
}

static void above_it_unchanged(void **state)
{
    (void)state;
    begin(&lenient, REPLY_LENGTH, 11); /* seen at once */
    assert_true(fixture_text(&s, true, "0", false));
    assert_int_equal(wire.heads, 1);
    assert_int_equal(wire.length, 11);
    fixture_end(&s);
    begin(&lenient, REPLY_UNKNOWN, 0);
    assert_true(fixture_text(&s, true, "01234567", false));
    assert_int_equal(wire.calls, 0);
    assert_true(fixture_text(&s, false, "89a", false));
    assert_true(fixture_got("0123456789a"));
    assert_true(fixture_text(&s, false, "b", true));
    assert_true(fixture_got("0123456789ab"));
    assert_int_equal(wire.framing, REPLY_UNKNOWN);
    assert_int_equal(wire.heads, 1);
    assert_int_equal(wire.ends, 1);
    assert_int_equal(replaced, 0);
    fixture_end(&s);
}

static void above_it_refused(void **state)
{
    static const enum reply_length framings[] = { REPLY_LENGTH, REPLY_UNKNOWN };

    (void)state;
    for (int i = 0; i < 2; i++) {
        begin(&strict, framings[i], 12);
        assert_true(fixture_text(&s, true, "01234567", false));
        assert_true(fixture_text(&s, false, "89ab", false));
        assert_int_equal(s.reply.status, 502);
        assert_true(body_filter_closed(&s));
        assert_non_null(strstr(wire.sent, "too large"));
        assert_int_equal(replaced, 0);
        fixture_end(&s);
    }
}

static void the_length_of_another_body_is_not_announced(void **state)
{
    (void)state;
    begin(&lenient, REPLY_NO_BODY, 5);
    s.reply.announce = true;
    assert_true(body_filter_send(&s, true, NULL, 0, true));
    assert_false(s.reply.announce);
    assert_int_equal(wire.ends, 1);
    fixture_end(&s);
}

static void the_stream_dies(void **state)
{
    (void)state;
    begin(&lenient, REPLY_UNKNOWN, 0);
    assert_true(fixture_text(&s, true, "abc", false));
    fixture_end(&s); /* a leak shows under the sanitizer */
    assert_int_equal(wire.calls, 0);
}

static void not_wanted(void **state)
{
    (void)state;
    fixture_begin(&s, REPLY_LENGTH, 3);
    assert_true(body_filter_whole_add(&s, &strict, NULL, 1));
    assert_true(fixture_text(&s, true, "abc", true));
    assert_true(fixture_got("abc"));
    fixture_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_pieces),
        cmocka_unit_test(empty_and_unchanged),
        cmocka_unit_test(at_the_limit),
        cmocka_unit_test(above_it_unchanged),
        cmocka_unit_test(above_it_refused),
        cmocka_unit_test(the_length_of_another_body_is_not_announced),
        cmocka_unit_test(the_stream_dies),
        cmocka_unit_test(not_wanted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
