/* SPDX-License-Identifier: Apache-2.0 */
/* rate-limiting: who is counted together, what is told, and what a refusal says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_rate_limiting.h"
#include "shm/limits.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"
#include "worker/redis/redis_limits.h"

/* --- worker/redis/redis_limits.h
 * ------------------------------------------------------------------ */

static struct {
    struct redis_claims *asked; /* what is asked next gets this; NULL: Redis is down */
    int questions;
    bool known, granted; /* this machine knows enough */
    char scope[80], who[80];
} redis;

struct redis_claims *redis_limits_ask(struct stream *stream, const struct redis_limits *l)
{
    (void)stream;
    assert_non_null(l->redis);
    redis.questions++;
    snprintf(redis.scope, sizeof redis.scope, "%.*s", (int)l->scope.n, l->scope.p);
    snprintf(redis.who, sizeof redis.who, "%.*s", (int)l->who.n, l->who.p);
    assert_int_equal(l->n, 1);
    if (redis.asked)
        *redis.asked->claims = *l->claims;
    return redis.asked;
}

bool redis_limits_take(struct stream *stream, const struct redis_limits *l, bool *granted)
{
    (void)stream;
    assert_true(l->sync_rate > 0);
    l->claims->left = 7;
    *granted = redis.granted;
    return redis.known;
}

/* -------------------------------------------------------------------------------------------- */

static struct stream s;
static struct zone zone;
static struct conf_rate_limiting config;
static struct conf_consumer alice, bob;

static int setup(void **state)
{
    (void)state;
    if (!limits_make(&zone, 65536) || !(s.limits = limits_attach(&zone, 0)))
        return -1;
    s.now_ms = INT64_C(1800000000) * 1000;
    alice.id = fake_text("a");
    bob.id = fake_text("b");
    config = (struct conf_rate_limiting){ .limits = { 0, 2 },
                                          .counted = { .limit_by = CONF_LIMIT_BY_CONSUMER },
                                          .error_code = 429,
                                          .error_message = fake_text("API rate limit exceeded") };
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

static int ask(const char *request, const struct conf_consumer *consumer)
{
    fake_request(&s, request);
    s.consumer = consumer;
    enum stage_result r = rate_limiting_ops.access(&s, &config);
    assert_int_equal(r, s.status ? STAGE_DONE : STAGE_NEXT);
    return s.status;
}

static void expect(const char *name, const char *value)
{
    const struct slice *found = fake_response(&s, name);
    if (value) {
        assert_non_null(found);
        assert_true(slice_equal(*found, slice_of(value, strlen(value))));
    } else {
        assert_null(found);
    }
}

static void tells(void **state)
{
    (void)state;
    config.limits[CALENDAR_HOUR] = 100;
    assert_int_equal(ask("GET /\n", &alice), 0);
    expect("X-RateLimit-Limit-Minute", "2");
    expect("X-RateLimit-Remaining-Minute", "1");
    expect("X-RateLimit-Limit-Hour", "100");
    expect("X-RateLimit-Remaining-Hour", "99");
    expect("X-RateLimit-Limit-Second", NULL);
    expect("RateLimit-Limit", "2");
    expect("RateLimit-Remaining", "1");
    expect("RateLimit-Reset", "60");
    expect("Retry-After", NULL);
    assert_int_equal(ask("GET /\n", &alice), 0);
    assert_int_equal(ask("GET /\n", &alice), 429);
    assert_true(slice_equal(s.message, SLICE("API rate limit exceeded")));
    expect("X-RateLimit-Remaining-Minute", "0");
    expect("X-RateLimit-Remaining-Hour", "98");
    expect("Retry-After", "60");
    config.hide_client_headers = true;
    assert_int_equal(ask("GET /\n", &alice), 429);
    expect("Retry-After", NULL);
    expect("RateLimit-Limit", NULL);
}

static void dry_run(void **state)
{
    (void)state;
    config.dry_run = true;
    for (int i = 0; i < 5; i++)
        assert_int_equal(ask("GET /\n", &alice), 0);
}

/* Two requests each, and a third one by somebody who is counted with the first. */
static void counted_together(const char *one, const struct conf_consumer *who, const char *other,
                             const struct conf_consumer *other_who)
{
    assert_int_equal(ask(one, who), 0);
    assert_int_equal(ask(one, who), 0);
    assert_int_equal(ask(other, other_who), 0);
    assert_int_equal(ask(one, who), 429);
    config.scope++;
}

static void limited_by(void **state)
{
    (void)state;
    counted_together("GET /\n", &alice, "GET /\n", &bob);
    counted_together("GET /\n", NULL, "GET /\n", &bob); /* without a consumer by address */
    config.counted.limit_by = CONF_LIMIT_BY_HEADER;
    config.counted.header_name = fake_text("X-Key");
    counted_together("GET /\nX-Key: 1\n", &alice, "GET /\nX-Key: 2\n", &alice);
    counted_together("GET /\n", &alice, "GET /\nX-Key: 2\n", &alice);
    config.counted.limit_by = CONF_LIMIT_BY_PATH;
    config.counted.path = fake_text("/p");
    s.request.client_ip[15] = 1;
    counted_together("GET /p\n", &alice, "GET /q\n", &alice);
    config.counted.limit_by = CONF_LIMIT_BY_IP;
    assert_int_equal(ask("GET /\n", &alice), 0);
    assert_int_equal(ask("GET /\n", &bob), 0);
    assert_int_equal(ask("GET /\n", NULL), 429);
    config.scope++;
    config.counted.limit_by = CONF_LIMIT_BY_SERVICE;
    s.service.id = fake_text("s1");
    assert_int_equal(ask("GET /\n", &alice), 0);
    assert_int_equal(ask("GET /\n", &bob), 0);
    assert_int_equal(ask("GET /\n", NULL), 429);
    s.service.id = fake_text("s2");
    assert_int_equal(ask("GET /\n", &alice), 0);
}

/* The plugin is called, waits, and is called again when the verdict is there. */
static int ask_redis(enum redis_verdict verdict, uint32_t left)
{
    struct limits_claim claim;
    struct redis_claims asked = { .claims = &claim, .n = 1 };
    redis.asked = &asked;
    fake_request(&s, "GET /\n");
    s.consumer = &alice;
    assert_int_equal(rate_limiting_ops.access(&s, &config), STAGE_WAIT);
    assert_ptr_equal(s.wait, &asked.wait);
    assert_int_equal(rate_limiting_ops.access(&s, &config), STAGE_WAIT); /* woken for nothing */
    claim.left = left;
    asked.verdict = verdict;
    enum stage_result r = rate_limiting_ops.access(&s, &config);
    assert_int_equal(r, s.status ? STAGE_DONE : STAGE_NEXT);
    assert_null(s.wait);
    redis.asked = NULL;
    return s.status;
}

static void counters_in_redis(void **state)
{
    (void)state;
    config.redis = (const struct conf_redis *)&config;
    config.id = fake_text("the-id");
    assert_int_equal(ask_redis(REDIS_GRANTED, 1), 0);
    assert_string_equal(redis.scope, "the-id");
    assert_string_equal(redis.who, "a");
    assert_int_equal(redis.questions, 1);
    expect("X-RateLimit-Limit-Minute", "2");
    expect("X-RateLimit-Remaining-Minute", "1");
    assert_int_equal(ask_redis(REDIS_REFUSED, 0), 429);
    expect("X-RateLimit-Remaining-Minute", "0");
    config.dry_run = true;
    assert_int_equal(ask_redis(REDIS_REFUSED, 0), 0);
    config.dry_run = false;
    config.counted.limit_by = CONF_LIMIT_BY_IP;
    assert_int_equal(ask_redis(REDIS_GRANTED, 1), 0);
    assert_string_equal(redis.scope, "the-id:ip");
    assert_string_equal(redis.who, "192.0.2.7");
}

/* With a sync_rate Redis is asked for what is not known here alone. */
static void counted_here_and_told_later(void **state)
{
    (void)state;
    config.redis = (const struct conf_redis *)&config;
    config.id = fake_text("the-id");
    config.sync_rate = 1;
    int before = redis.questions;
    assert_int_equal(ask_redis(REDIS_GRANTED, 1), 0);
    assert_int_equal(redis.questions, before + 1);
    redis.known = redis.granted = true;
    assert_int_equal(ask("GET /\n", &alice), 0);
    expect("X-RateLimit-Remaining-Minute", "7");
    redis.granted = false;
    assert_int_equal(ask("GET /\n", &alice), 429);
    assert_int_equal(redis.questions, before + 1);
    redis.known = false;
}

/* Counted here instead, without a word about it; or an error. */
static void without_redis(void **state)
{
    (void)state;
    config.redis = (const struct conf_redis *)&config;
    config.id = fake_text("the-id");
    config.fault_tolerant = true;
    assert_int_equal(ask("GET /\n", &alice), 0);
    assert_int_equal(ask_redis(REDIS_SILENT, 0), 0);
    assert_int_equal(ask("GET /\n", &alice), 429);
    expect("X-RateLimit-Remaining-Minute", NULL);
    expect("Retry-After", NULL);
    config.fault_tolerant = false;
    assert_int_equal(ask("GET /\n", &bob), 500);
    assert_int_equal(ask_redis(REDIS_SILENT, 0), 500);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells, setup, teardown),
        cmocka_unit_test_setup_teardown(dry_run, setup, teardown),
        cmocka_unit_test_setup_teardown(limited_by, setup, teardown),
        cmocka_unit_test_setup_teardown(counters_in_redis, setup, teardown),
        cmocka_unit_test_setup_teardown(without_redis, setup, teardown),
        cmocka_unit_test_setup_teardown(counted_here_and_told_later, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
