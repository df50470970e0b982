/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of request-size-limiting. */
#include "conf/plugins/plugin_request_size_limiting.h"
#include "tests/unit/conf/loading.h"

static void allows(const char *fields, uint64_t bytes)
{
    char text[256];
    snprintf(text, sizeof text,
             "plugins = ( { name = \"request-size-limiting\"; config = { %s }; } );", fields);
    const struct conf *conf = loaded(text);
    const struct conf_request_size_limiting *c = conf->plugins[0].config;
    assert_int_equal(c->allowed, bytes);
    conf_free(&conf);
}

static void test_fields(void **state)
{
    (void)state;
    allows("", UINT64_C(128) << 20);
    allows("allowed_payload_size = 0;", 0);
    allows("allowed_payload_size = 2147483647;", UINT64_C(2147483647) << 20);
    allows("allowed_payload_size = 3; size_unit = \"kilobytes\";", 3072);
    allows("allowed_payload_size = 3; size_unit = \"bytes\";", 3);
    const struct conf *conf = loaded("plugins = ( { name = \"request-size-limiting\"; config = { "
                                     "require_content_length = true; }; } );");
    const struct conf_request_size_limiting *c = conf->plugins[0].config;
    assert_int_equal(conf->plugins[0].priority, 951);
    assert_true(c->require_content_length);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"request-size-limiting\"; config = { allowed_payload_size = "
            "-1;\nsize_unit = \"mb\"; }; } );",
            "t.conf:1: plugins[0].config.allowed_payload_size: -1 is out of range, 0 to "
            "2147483647\n"
            "t.conf:2: plugins[0].config.size_unit: \"mb\" is not one of: megabytes, kilobytes, "
            "bytes\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
