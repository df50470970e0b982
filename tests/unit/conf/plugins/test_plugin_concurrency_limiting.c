/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of concurrency-limiting. */
#include "conf/plugins/plugin_concurrency_limiting.h"
#include "tests/unit/conf/loading.h"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("plugins = ( { name = \"concurrency-limiting\"; config = { limit = 10; }; } );");
    const struct conf_concurrency_limiting *c = conf->plugins[0].config;
    assert_int_equal(conf->plugins[0].priority, 902);
    assert_int_equal(c->limit, 10);
    assert_int_equal(c->counted.limit_by, CONF_LIMIT_BY_CONSUMER);
    assert_int_equal(c->retry_after, 1);
    assert_int_equal(c->error_code, 429);
    assert_string_equal(c->error_message.s, "Too many concurrent requests");
    uint64_t scope = c->scope;
    conf_free(&conf);
    conf = loaded("plugins = ( { name = \"concurrency-limiting\"; config = { limit = 20; limit_by "
                  "= \"route\"; }; } );");
    c = conf->plugins[0].config;
    assert_int_equal(c->counted.limit_by, CONF_LIMIT_BY_ROUTE);
    assert_true(c->scope == scope); /* what is under way counts over a reload */
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("consumers = ( { username = \"a\"; }, { username = \"b\"; } );\n"
            "plugins = ( { name = \"concurrency-limiting\"; },\n"
            "{ name = \"concurrency-limiting\"; consumer = \"a\"; config = { limit = 0; limit_by "
            "= \"header\"; }; },\n"
            "{ name = \"concurrency-limiting\"; consumer = \"b\"; config = { limit = 1; limit_by "
            "= \"path\"; error_code = 200; }; } );",
            "t.conf:2: plugins[0].config.limit: is missing\n"
            "t.conf:3: plugins[1].config.limit: 0 is out of range, 1 to 2147483647\n"
            "t.conf:3: plugins[1].config.header_name: is missing: limit_by is \"header\"\n"
            "t.conf:4: plugins[2].config.error_code: 200 is out of range, 400 to 599\n"
            "t.conf:4: plugins[2].config.path: is missing: limit_by is \"path\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
