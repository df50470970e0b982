/* SPDX-License-Identifier: Apache-2.0 */
/* response-ratelimiting: what the upstream says, what is counted of it, who is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/response_ratelimiting.c"

/* --- worker/redis/redis_limits.h
 * ------------------------------------------------------------------ */

static struct {
    bool up;
    struct redis_claims *asked; /* of the question under way */
    size_t added_n;
    struct limits_claim added[4];
    char names[4][8], scope[80], who[80];
} redis;

struct redis_claims *redis_limits_read(struct stream *stream, const struct conf_redis *conf,
                                       const struct redis_usage *u)
{
    assert_non_null(conf);
    if (!redis.up)
        return NULL;
    struct redis_claims *asked = arena_take(&stream->arena, sizeof *asked);
    struct limits_claim *claims = arena_take(&stream->arena, u->n * sizeof *claims);
    memcpy(claims, u->claims, u->n * sizeof *claims);
    for (size_t i = 0; i < u->n; i++)
        assert_int_equal(claims[i].cost, 0);
    *asked = (struct redis_claims){ .claims = claims, .n = (int)u->n };
    return redis.asked = asked;
}

bool redis_limits_add(struct stream *stream, const struct conf_redis *conf,
                      const struct redis_usage *u)
{
    (void)stream;
    assert_non_null(conf);
    assert_in_range(u->n, 1, 4);
    if (!redis.up)
        return false;
    redis.added_n = u->n;
    memcpy(redis.added, u->claims, u->n * sizeof *u->claims);
    for (size_t i = 0; i < u->n; i++)
        snprintf(redis.names[i], 8, "%.*s", (int)u->names[i].n, u->names[i].p);
    snprintf(redis.scope, sizeof redis.scope, "%.*s", (int)u->scope.n, u->scope.p);
    snprintf(redis.who, sizeof redis.who, "%.*s", (int)u->who.n, u->who.p);
    return true;
}

/* -------------------------------------------------------------------------------------------- */

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
    config = (struct conf_response_ratelimiting){
        .header_name = fake_text("X-Kong-Limit"), .limits = limits, .limits_n = 2, .windows_n = 2
    };
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

static int respond(const char *value);

/* The status that the plugin answers with, 0: none; the upstream says `value`. */
static int exchange(const char *value)
{
    fake_request(&s, "GET /\n");
    (void)response_ratelimiting_ops.access(&s, &config);
    return s.status ? s.status : respond(value);
}

static int respond(const char *value)
{
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

/* --- counters in Redis ---------------------------------------------------------------------- */

/* The status of the access phase, while Redis says that so much is left of "a" and "b". */
static int request(uint32_t a, uint32_t b)
{
    fake_request(&s, "GET /\n");
    redis.added_n = 0;
    assert_int_equal(response_ratelimiting_ops.access(&s, &config), STAGE_WAIT);
    assert_ptr_equal(s.wait, &redis.asked->wait);
    assert_int_equal(response_ratelimiting_ops.access(&s, &config), STAGE_WAIT); /* for nothing */
    redis.asked->verdict = REDIS_GRANTED;
    redis.asked->claims[0].left = a;
    redis.asked->claims[1].left = b;
    enum stage_result r = response_ratelimiting_ops.access(&s, &config);
    assert_null(s.wait);
    assert_int_equal(r, s.status ? STAGE_DONE : STAGE_NEXT);
    return s.status;
}

static void in_redis(void **state)
{
    (void)state;
    config.redis = (const struct conf_redis *)&config;
    config.id = fake_text("the-id");
    config.fault_tolerant = redis.up = true;
    assert_int_equal(request(4, 3), 0);
    expect(fake_upstream(&s, "Left-a"), "4");
    expect(fake_response(&s, "Left-a-day"), "4");
    assert_int_equal(respond("b=2"), 0);
    assert_int_equal(redis.added_n, 1);
    assert_int_equal(redis.added[0].cost, 2);
    assert_string_equal(redis.names[0], "b");
    assert_string_equal(redis.scope, "the-id:ip");
    assert_string_equal(redis.who, "192.0.2.7");
    expect(fake_response(&s, "Left-a-day"), "4");
    expect(fake_response(&s, "Left-b-day"), "1");
    assert_int_equal(request(4, 1), 0);
    assert_int_equal(respond("a=9,b=1"), 0); /* more than there is */
    assert_int_equal(redis.added_n, 2);
    assert_int_equal(redis.added[0].cost, 9);
    expect(fake_response(&s, "Left-a-day"), "0");
    assert_int_equal(request(0, 5), 0);
    assert_int_equal(respond("b=1,a=1"), 429);
    assert_int_equal(redis.added_n, 0);
    assert_int_equal(request(0, 5), 0);
    assert_int_equal(respond("a=0"), 0); /* uses nothing of what there is nothing left of */
    assert_int_equal(redis.added_n, 0);
    config.block_on_first_violation = true;
    assert_int_equal(request(0, 5), 429);
}

/* What Redis said and what was told to it is known here when it falls silent. */
static void without_redis(void **state)
{
    (void)state;
    config.redis = (const struct conf_redis *)&config;
    config.id = fake_text("the-id");
    config.fault_tolerant = redis.up = true;
    assert_int_equal(request(2, 3), 0);
    assert_int_equal(respond("a=1"), 0);
    redis.up = false;
    assert_int_equal(exchange("a=1"), 0); /* the last */
    assert_null(fake_response(&s, "Left-a-day"));
    assert_null(fake_upstream(&s, "Left-a")->p); /* nobody knows: nor does the client */
    assert_int_equal(exchange("a=1"), 429);
    assert_int_equal(exchange("b=1"), 0);
    config.fault_tolerant = false;
    assert_int_equal(exchange("b=1"), 500);
    assert_true(slice_equal(s.message, SLICE("An unexpected error occurred")));
}

/* It answered when the request came, and is gone when it is to be told. */
static void lost_on_the_way(void **state)
{
    (void)state;
    config.redis = (const struct conf_redis *)&config;
    config.id = fake_text("the-id");
    config.fault_tolerant = redis.up = true;
    assert_int_equal(request(5, 3), 0);
    redis.up = false;
    assert_int_equal(respond("b=2"), 0);
    assert_int_equal(exchange("b=1"), 0);
    assert_int_equal(exchange("b=1"), 429);
}

/* A stored response is renewed: no request came. */
static void nobody_asked_first(void **state)
{
    (void)state;
    config.redis = (const struct conf_redis *)&config;
    config.id = fake_text("the-id");
    redis.up = true;
    fake_request(&s, "GET /\n");
    assert_int_equal(respond("b=2"), 0);
    assert_int_equal(redis.added_n, 1);
    assert_null(fake_response(&s, "Left-b-day"));
}

static void only_looked_at(void **state)
{
    (void)state;
    fake_request(&s, "GET /\n");
    assert_int_equal(response_ratelimiting_ops.look(&s, &config), STAGE_NEXT);
    config.redis = (const struct conf_redis *)&config;
    assert_int_equal(response_ratelimiting_ops.look(&s, &config), STAGE_WAIT);
    assert_null(s.wait);
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
        cmocka_unit_test_setup_teardown(in_redis, setup, teardown),
        cmocka_unit_test_setup_teardown(without_redis, setup, teardown),
        cmocka_unit_test_setup_teardown(lost_on_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_asked_first, setup, teardown),
        cmocka_unit_test_setup_teardown(only_looked_at, setup, teardown),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
