/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of response-ratelimiting: names with limits, and what is made of them. */
#include "conf/plugins/plugin_response_ratelimiting.h"
#include "conf/redis_fields.h"
#include "tests/unit/conf/loading.h"

#define LIMITS(limits)                                                                             \
    "plugins = ( { name = \"response-ratelimiting\"; config = { limits = { " limits " }; }; } );"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded(LIMITS("sms = { minute = 5; year = 5; }; v-1 = { day = 9; };"));
    const struct conf_response_ratelimiting *c = conf->plugins[0].config;
    assert_int_equal(conf->plugins[0].priority, 900);
    assert_string_equal(c->header_name.s, "X-Kong-Limit");
    assert_int_equal(c->counted.limit_by, CONF_LIMIT_BY_CONSUMER);
    assert_false(c->block_on_first_violation || c->hide_client_headers);
    assert_int_equal(c->limits_n, 2);
    assert_string_equal(c->limits[0].name.s, "sms");
    assert_int_equal(c->limits[0].limits[1], 5);
    assert_int_equal(c->limits[0].limits[5], 5);
    assert_int_equal(c->limits[0].limits[0], 0);
    assert_string_equal(c->limits[1].remaining.s, "X-RateLimit-Remaining-v-1");
    assert_string_equal(c->limits[1].refusal.s, "API rate limit exceeded for 'v-1'");
    assert_string_equal(c->limits[1].fields[3].limit.s, "X-RateLimit-Limit-v-1-day");
    assert_string_equal(c->limits[1].fields[3].remaining.s, "X-RateLimit-Remaining-v-1-day");
    uint64_t scope = c->limits[1].scope;
    assert_true(scope != c->limits[0].scope);
    conf_free(&conf);
    conf = loaded(LIMITS("v-1 = { day = 10; };"));
    c = conf->plugins[0].config;
    assert_true(c->limits[0].scope == scope); /* counts go on over a reload */
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"response-ratelimiting\"; } );",
            "t.conf:1: plugins[0].config.limits: is missing\n");
    refused(LIMITS(""), "t.conf:1: plugins[0].config.limits: must not be empty\n");
    refused(
        LIMITS("\na = { };\nb = { minute = 2; hour = 1; };\nc = 1;\nd = { months = 1; };"),
        "t.conf:2: plugins[0].config.limits.a.minute: is missing: at least one limit must be set\n"
        "t.conf:3: plugins[0].config.limits.b.hour: 1 is less than the limit of a minute, 2\n"
        "t.conf:4: plugins[0].config.limits.c: must be a group { }, not an integer\n"
        "t.conf:5: plugins[0].config.limits.d.months: unknown key; the nearest known one is "
        "\"month\"\n"
        "t.conf:5: plugins[0].config.limits.d.minute: is missing: at least one limit must be "
        "set\n");
    refused(
        "plugins = ( { name = \"response-ratelimiting\"; config = { limits = [ 1 ]; policy = "
        "\"cluster\"; limit_by = \"path\"; }; } );",
        "t.conf:1: plugins[0].config.limits: must be a group of groups { name = { ... }; }, not "
        "an array [ ]\n"
        "t.conf:1: plugins[0].config.limit_by: \"path\" is not one of: consumer, credential, ip\n"
        "t.conf:1: plugins[0].config.policy: \"cluster\" is not one of: local, redis\n");
}

#define REDIS(limits, more)                                                                        \
    "plugins = ( { name = \"response-ratelimiting\"; config = { policy = \"redis\"; limits = "     \
    "{ " limits " }; " more " }; } );"

static void test_redis(void **state)
{
    (void)state;
    const struct conf *conf = loaded(REDIS("a = { day = 1; year = 2; }; b = { day = 1; };",
                                           "redis = { host = \"127.0.0.1\"; };"));
    const struct conf_response_ratelimiting *c = conf->plugins[0].config;
    assert_non_null(c->redis);
    assert_int_equal(c->windows_n, 3);
    assert_true(c->fault_tolerant);
    assert_string_equal(c->id.s, conf->plugins[0].id.s);
    conf_free(&conf);
    conf = loaded(REDIS("a = { day = 1; };",
                        "redis_host = \"127.0.0.1\"; redis_port = 7; fault_tolerant = false;"));
    c = conf->plugins[0].config;
    assert_int_equal(c->redis->nodes[0].port, 7);
    assert_false(c->fault_tolerant);
    conf_free(&conf);
    refused(REDIS("a = { day = 1; };", ""),
            "t.conf:1: plugins[0].config.host: is missing, and so are sentinel_nodes and "
            "cluster_nodes\n");
    char many[8192] = "";
    for (int i = 0; i <= RESPONSE_RATELIMITING_WINDOWS; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "n%d={year=1;};", i);
    char text[9000];
    snprintf(text, sizeof text, REDIS("%s", "redis_host = \"127.0.0.1\";"), many);
    refused(text, "t.conf:1: plugins[0].config.limits: are 257; with policy = \"redis\" at most "
                  "256\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused),
                                        cmocka_unit_test(test_redis) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
