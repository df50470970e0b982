/* SPDX-License-Identifier: Apache-2.0 */
/* A row of filters: who sees what, when the head leaves, and that each is let go of once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/worker/filter_fixture.h"

/* Keeps everything until a flush or the end, and adds its mark to the end of it. */
struct keeper {
    char kept[256];
    size_t n;
    char mark;
    bool refuses, no_head;
    int ends;
};

static bool keeper_head(struct stream *s, void *state, struct reply *reply)
{
    struct keeper *k = state;

    if (k->no_head)
        return false;
    stream_set_response(s, SLICE("X-Mark"), slice_of(&k->mark, 1));
    if (reply->length == REPLY_LENGTH)
        reply->length = REPLY_UNKNOWN;
    return true;
}

static bool pass_kept(struct stream *s, struct body_filter *f, bool end)
{
    struct keeper *k = f->state;
    struct iovec iov = { k->kept, k->n };

    assert_true(k->n < sizeof k->kept);
    if (end)
        k->kept[iov.iov_len++] = k->mark;
    k->n = 0;
    return body_filter_pass(s, f, &iov, 1, end);
}

static bool keeper_body(struct stream *s, struct body_filter *f, struct iovec *iov, int n, bool end)
{
    struct keeper *k = f->state;

    if (k->refuses)
        return body_filter_refuse(s, f, 502, "no");
    for (int i = 0; i < n; i++) {
        memcpy(k->kept + k->n, iov[i].iov_base, iov[i].iov_len);
        k->n += iov[i].iov_len;
    }
    return !end || pass_kept(s, f, true);
}

static bool keeper_flush(struct stream *s, struct body_filter *f)
{
    struct keeper *k = f->state;
    return k->n == 0 || pass_kept(s, f, false);
}

static void keeper_end(struct stream *s, void *state)
{
    struct keeper *k = state;

    (void)s;
    memset(k->kept, '#', sizeof k->kept); /* nobody looks at it any more */
    k->ends++;
}

static const struct body_filter_ops keeper_ops = {
    .head = keeper_head, .body = keeper_body, .flush = keeper_flush, .end = keeper_end
};
static const struct body_filter_ops holder_ops = { .head = keeper_head,
                                                   .body = keeper_body,
                                                   .end = keeper_end };

static struct stream s;

static struct slice mark(void)
{
    struct slice value = { NULL, 0 };
    (void)stream_get_response(&s, SLICE("X-Mark"), &value, 1);
    return value;
}

static void the_head_waits_for_the_first_bytes(void **state)
{
    struct keeper a = { .mark = 'a' };

    (void)state;
    fixture_begin(&s, REPLY_LENGTH, 5);
    assert_true(body_filter_add(&s, &keeper_ops, &a));
    assert_true(body_filter_send(&s, true, NULL, 0, false));
    assert_true(fixture_text(&s, false, "he", false));
    assert_int_equal(wire.calls, 0);
    assert_true(body_filter_flush(&s));
    assert_int_equal(wire.heads, 1);
    assert_int_equal(wire.framing, REPLY_UNKNOWN);
    assert_true(fixture_got("he"));
    assert_true(fixture_text(&s, false, "llo", true));
    assert_true(fixture_got("helloa"));
    assert_int_equal(wire.ends, 1);
    assert_int_equal(wire.heads, 1);
    assert_int_equal(a.ends, 1);
    assert_int_equal(s.filters->sent, 6);
    assert_true(body_filter_closed(&s));
    fixture_end(&s);
    assert_int_equal(a.ends, 1);
}

static void a_row_in_order(void **state)
{
    struct keeper a = { .mark = 'a' }, b = { .mark = 'b', .no_head = true }, c = { .mark = 'c' };

    (void)state;
    fixture_begin(&s, REPLY_UNKNOWN, 0);
    body_filter_add(&s, &keeper_ops, &a);
    body_filter_add(&s, &keeper_ops, &b);
    body_filter_add(&s, &keeper_ops, &c);
    assert_true(fixture_text(&s, true, "1", false));
    assert_int_equal(b.ends + a.ends, 0); /* the head has not come to b yet */
    assert_true(body_filter_flush(&s));
    assert_true(fixture_got("1"));
    assert_int_equal(b.ends, 1);
    assert_true(fixture_text(&s, false, "2", true));
    assert_true(fixture_got("12ac"));
    assert_true(slice_equal(mark(), SLICE("c")));
    fixture_end(&s);
    assert_int_equal(a.ends + b.ends + c.ends, 3);
}

static void one_that_holds_stops_flushes(void **state)
{
    struct keeper a = { .mark = 'a' }, b = { .mark = 'b' };

    (void)state;
    fixture_begin(&s, REPLY_UNKNOWN, 0);
    body_filter_add(&s, &holder_ops, &a);
    body_filter_add(&s, &keeper_ops, &b);
    assert_true(fixture_text(&s, true, "1", false));
    assert_true(body_filter_flush(&s));
    assert_int_equal(wire.calls, 0);
    assert_true(fixture_text(&s, false, "2", true));
    assert_true(fixture_got("12ab"));
    fixture_end(&s);
}

/* An upstream's head is parsed into memory that the next read uses. */
static void a_head_that_waits_is_a_copy(void **state)
{
    static struct head parsed;
    char text[] = "Name: value";
    struct keeper a = { .mark = 'a' };

    (void)state;
    fixture_begin(&s, REPLY_UNKNOWN, 0);
    parsed.fields[0] = (struct field){ .name = text, .name_n = 4, .value = text + 6, .value_n = 5 };
    parsed.fields_n = 1;
    parsed.reason = slice_of(text, 4);
    s.reply.head = &parsed;
    s.reply.reason = parsed.reason;
    body_filter_add(&s, &keeper_ops, &a);
    assert_true(fixture_text(&s, true, "1", false));
    memset(text, 'x', sizeof text - 1);
    memset(&parsed, 0, sizeof parsed);
    assert_true(body_filter_flush(&s));
    assert_int_equal(s.reply.head->fields_n, 1);
    assert_memory_equal(s.reply.head->fields[0].value, "value", 5);
    assert_memory_equal(s.reply.reason.p, "Name", 4);
    fixture_end(&s);
}

static void a_flush_sends_the_head(void **state)
{
    struct keeper a = { .mark = 'a' };

    (void)state;
    fixture_begin(&s, REPLY_UNKNOWN, 0);
    body_filter_add(&s, &keeper_ops, &a);
    assert_true(body_filter_send(&s, true, NULL, 0, false));
    assert_int_equal(wire.heads, 0);
    assert_true(body_filter_flush(&s));
    assert_int_equal(wire.heads, 1);
    assert_true(body_filter_flush(&s));
    assert_int_equal(wire.heads, 1);
    fixture_end(&s);
}

static void no_filter_for_nobody(void **state)
{
    struct keeper a = { .mark = 'a' };

    (void)state;
    fixture_begin(&s, REPLY_UNKNOWN, 0);
    fixture_conn.t.io.fd = -1;
    assert_true(body_filter_add(&s, &keeper_ops, &a));
    fixture_conn.t.io.fd = 0;
    assert_null(s.filters);
    fixture_end(&s);
}

static void no_body_no_filter(void **state)
{
    struct keeper a = { .mark = 'a' };

    (void)state;
    fixture_begin(&s, REPLY_NO_BODY, 0);
    body_filter_add(&s, &keeper_ops, &a);
    assert_true(body_filter_send(&s, true, NULL, 0, true));
    assert_int_equal(wire.heads + wire.ends, 2);
    assert_true(slice_equal(mark(), SLICE("a"))); /* the head is as it would be with one */
    assert_int_equal(a.ends, 1);
    fixture_end(&s);
}

static void what_is_retracted_leaves_nothing(void **state)
{
    struct keeper a = { .mark = 'a' };

    (void)state;
    fixture_begin(&s, REPLY_UNKNOWN, 0);
    stream_set_response(&s, SLICE("X-Mark"), SLICE("before"));
    body_filter_add(&s, &keeper_ops, &a);
    assert_true(fixture_text(&s, true, "1", false));
    assert_true(slice_equal(mark(), SLICE("a")));
    assert_true(body_filter_retract(&s));
    assert_null(s.filters);
    assert_int_equal(a.ends, 1);
    assert_true(slice_equal(mark(), SLICE("before")));
    fixture_end(&s);

    fixture_begin(&s, REPLY_UNKNOWN, 0);
    body_filter_add(&s, &keeper_ops, &a);
    assert_true(fixture_text(&s, true, "1", false));
    assert_true(body_filter_flush(&s));
    assert_false(body_filter_retract(&s)); /* too late */
    fixture_end(&s);
}

static void a_refusal_is_the_whole_answer(void **state)
{
    struct keeper a = { .mark = 'a', .refuses = true };

    (void)state;
    fixture_begin(&s, REPLY_LENGTH, 3);
    body_filter_add(&s, &keeper_ops, &a);
    assert_true(fixture_text(&s, true, "abc", false));
    assert_true(body_filter_closed(&s));
    assert_int_equal(s.reply.status, 502);
    assert_non_null(strstr(wire.sent, "{\"message\":\"no\""));
    assert_null(mark().p);
    assert_int_equal(wire.length, wire.n);
    size_t n = wire.n;
    assert_true(fixture_text(&s, false, "def", true)); /* to nobody */
    assert_int_equal(wire.n, n);
    assert_int_equal(wire.ends, 1);
    fixture_end(&s);
}

static void a_client_that_left(void **state)
{
    struct keeper a = { .mark = 'a' };

    (void)state;
    fixture_begin(&s, REPLY_UNKNOWN, 0);
    body_filter_add(&s, &keeper_ops, &a);
    assert_true(fixture_text(&s, true, "1", false));
    wire.gone = true;
    assert_false(body_filter_flush(&s));
    fixture_end(&s);
    assert_int_equal(a.ends, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_head_waits_for_the_first_bytes),
        cmocka_unit_test(a_row_in_order),
        cmocka_unit_test(one_that_holds_stops_flushes),
        cmocka_unit_test(a_head_that_waits_is_a_copy),
        cmocka_unit_test(a_flush_sends_the_head),
        cmocka_unit_test(no_filter_for_nobody),
        cmocka_unit_test(no_body_no_filter),
        cmocka_unit_test(what_is_retracted_leaves_nothing),
        cmocka_unit_test(a_refusal_is_the_whole_answer),
        cmocka_unit_test(a_client_that_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
