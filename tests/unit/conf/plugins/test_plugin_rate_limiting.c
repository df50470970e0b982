/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of rate-limiting. */
#include "conf/plugins/plugin_rate_limiting.h"
#include "tests/unit/conf/loading.h"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("plugins = ( { name = \"rate-limiting\"; config = { second = 5; month = 5; }; } );");
    const struct conf_rate_limiting *c = conf->plugins[0].config;
    assert_int_equal(conf->limits_size, 16 << 20);
    assert_int_equal(conf->plugins[0].priority, 901);
    assert_int_equal(c->limits[0], 5);
    assert_int_equal(c->limits[1] + c->limits[2] + c->limits[3] + c->limits[5], 0);
    assert_int_equal(c->limits[4], 5);
    assert_int_equal(c->counted.limit_by, CONF_LIMIT_BY_CONSUMER);
    assert_int_equal(c->policy, CONF_LIMIT_LOCAL);
    assert_int_equal(c->window_type, CONF_LIMIT_FIXED);
    assert_int_equal(c->error_code, 429);
    assert_string_equal(c->error_message.s, "API rate limit exceeded");
    assert_true(c->fault_tolerant);
    assert_false(c->hide_client_headers || c->dry_run);
    assert_true(c->sync_rate == -1);
    assert_null(c->redis);
    uint64_t scope = c->scope;
    conf_free(&conf);
    conf =
        loaded("plugins = ( { name = \"rate-limiting\"; config = { second = 6; month = 6; }; } );");
    c = conf->plugins[0].config;
    assert_true(c->scope == scope); /* counts go on over a reload */
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("consumers = ( { username = \"a\"; }, { username = \"b\"; }, { username = \"c\"; } );\n"
            "plugins = ( { name = \"rate-limiting\"; },\n"
            "{ name = \"rate-limiting\"; consumer = \"a\"; config = { minute = 10; hour = 9; day = "
            "20; limit_by = \"header\"; burst = 3; }; },\n"
            "{ name = \"rate-limiting\"; consumer = \"b\"; config = { minute = 10; limit_by = "
            "\"path\"; policy = \"cluster\"; }; },\n"
            "{ name = \"rate-limiting\"; consumer = \"c\"; config = { minute = -1; sync_rate "
            "= 0.01; }; } );",
            "t.conf:2: plugins[0].minute: is missing: at least one limit must be set\n"
            "t.conf:3: plugins[1].config.hour: 9 is less than the limit of a minute, 10\n"
            "t.conf:3: plugins[1].config.header_name: is missing: limit_by is \"header\"\n"
            "t.conf:3: plugins[1].config.burst: needs window_type = \"token-bucket\"\n"
            "t.conf:4: plugins[2].config.path: is missing: limit_by is \"path\"\n"
            "t.conf:4: plugins[2].config.policy: cannot be \"cluster\": there is no database\n"
            "t.conf:5: plugins[3].config.minute: -1 is out of range, 0 to 2147483647\n"
            "t.conf:5: plugins[3].config.minute: is missing: at least one limit must be set\n"
            "t.conf:5: plugins[3].config.sync_rate: needs policy = \"redis\"\n"
            "t.conf:5: plugins[3].config.sync_rate: must be -1, or 0.02 and more\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
