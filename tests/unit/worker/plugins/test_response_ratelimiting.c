/* SPDX-License-Identifier: Apache-2.0 */
/* response-ratelimiting: what the upstream says, what is counted of it, who is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/response_ratelimiting.c"

static struct stream s;
static struct zone zone;
static struct conf_response_limit limits[2];
static struct conf_response_ratelimiting config;

static void name_limit(struct conf_response_limit *l, uint64_t scope, const char *const texts[4])
{
    *l = (struct conf_response_limit){ .name = fake_text(texts[0]),
                                       .scope = scope,
                                       .remaining = fake_text(texts[1]),
                                       .refusal = fake_text("refused") };
    l->fields[CALENDAR_DAY].limit = fake_text(texts[2]);
    l->fields[CALENDAR_DAY].remaining = fake_text(texts[3]);
}

static int setup(void **state)
{
    (void)state;
    if (!limits_make(&zone, 65536) || !(s.limits = limits_attach(&zone, 0)))
        return -1;
    s.now_ms = INT64_C(1800000000) * 1000;
    s.from_upstream = true;
    name_limit(&limits[0], 10, (const char *const[]){ "a", "Left-a", "Limit-a-day", "Left-a-day" });
    name_limit(&limits[1], 20, (const char *const[]){ "b", "Left-b", "Limit-b-day", "Left-b-day" });
    limits[0].limits[CALENDAR_DAY] = 5;
    limits[1].limits[CALENDAR_DAY] = 3;
    config = (struct conf_response_ratelimiting){ .header_name = fake_text("X-Kong-Limit"),
                                                  .limits = limits,
                                                  .limits_n = 2 };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    limits_detach(&s.limits);
    region_drop(&zone);
    return 0;
}

static void expect(const struct slice *found, const char *value)
{
    assert_non_null(found);
    assert_true(slice_equal(*found, slice_of(value, strlen(value))));
}

/* The status that the plugin answers with, 0: none; the upstream says `value`. */
static int exchange(const char *value)
{
    fake_request(&s, "GET /\n");
    (void)response_ratelimiting_ops.access(&s, &config);
    if (s.status)
        return s.status;
    s.answered[0] = (struct extra_field){ .name = SLICE("x-kong-limit") };
    s.answered[0].value = slice_of(value, strlen(value));
    response_ratelimiting_ops.header_filter(&s, &config);
    return s.status;
}

static void counts(void **state)
{
    (void)state;
    assert_int_equal(exchange("a=2, b = 1 ,c=9,b"), 0);
    expect(fake_upstream(&s, "Left-a"), "5"); /* before it was asked */
    expect(fake_response(&s, "Limit-a-day"), "5");
    expect(fake_response(&s, "Left-a-day"), "3");
    expect(fake_response(&s, "Left-b-day"), "2");
    assert_null(fake_response(&s, "X-Kong-Limit")->p); /* not the client's business */
    assert_int_equal(exchange("a=9"), 0);              /* it was used, so it is counted */
    expect(fake_response(&s, "Left-a-day"), "0");
    assert_int_equal(exchange("b=1"), 0);
    expect(fake_response(&s, "Left-a-day"), "0");
    expect(fake_response(&s, "Left-b-day"), "1");
    assert_int_equal(exchange("b=1, a=1"), 429); /* nothing of it counts */
    assert_true(slice_equal(s.message, SLICE("refused")));
    expect(fake_response(&s, "Left-b-day"), "1");
    assert_int_equal(exchange("b=1"), 0);
    assert_int_equal(exchange("b=1"), 429);
    assert_int_equal(exchange(""), 0); /* who uses nothing passes */
    s.from_upstream = false;
    assert_int_equal(exchange("b=1"), 0); /* nor does what is stored */
    assert_null(fake_response(&s, "X-Kong-Limit")->p);
    s.from_upstream = true;
    s.now_ms += INT64_C(86400000);
    assert_int_equal(exchange("b=1"), 0);
    expect(fake_response(&s, "Left-b-day"), "2");
}

static void refuses_early_where_it_is_told_to(void **state)
{
    (void)state;
    config.block_on_first_violation = config.hide_client_headers = true;
    assert_int_equal(exchange("b=3"), 0);
    assert_null(fake_response(&s, "Left-b-day"));
    assert_int_equal(exchange("a=1"), 429);
    assert_null(fake_upstream(&s, "Left-b"));
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t used;
    } cases[] = { { "a=1", 1 },      { "a=0", 0 },     { "a=-1", 0 },
                  { "a=1x", 0 },     { "a", 0 },       { "a=", 0 },
                  { "=1", 0 },       { "aa=1", 0 },    { "A=1", 0 },
                  { "b=1, a=2", 2 }, { "a=1,a=3", 3 }, { "a=1=2", 0 },
                  { " a\t= 7 ", 7 }, { "", 0 },        { "a=99999999999999999999", INT32_MAX } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice value = slice_of(cases[i].text, strlen(cases[i].text));
        assert_int_equal(used_of(SLICE("a"), &value, 1), cases[i].used);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_early_where_it_is_told_to, setup, teardown),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
