/* SPDX-License-Identifier: Apache-2.0 */
/* limit_by and what it needs, in any plugin that has it. */
#include "conf/plugins/plugin_rate_limiting.h"
#include "loading.h"
#include <stdio.h>

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = { "consumer", "credential", "ip",  "service",
                                         "route",    "header",     "path" };
    for (int i = 0; i <= CONF_LIMIT_BY_PATH; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "plugins = ( { name = \"rate-limiting\"; config = { minute = 1; limit_by = "
                 "\"%s\"; header_name = \"X-Key\"; path = \"/p\"; }; } );",
                 names[i]);
        const struct conf *conf = loaded(text);
        const struct conf_rate_limiting *c = conf->plugins[0].config;
        assert_int_equal(c->counted.limit_by, i);
        assert_string_equal(c->counted.header_name.s, "X-Key");
        assert_string_equal(c->counted.path.s, "/p");
        conf_free(&conf);
    }
}

static void test_missing(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"rate-limiting\"; config = { minute = 1; limit_by = \"header\"; "
            "}; } );",
            "t.conf:1: plugins[0].config.header_name: is missing: limit_by is \"header\"\n");
    refused("plugins = ( { name = \"rate-limiting\"; config = { minute = 1; limit_by = \"path\"; "
            "}; } );",
            "t.conf:1: plugins[0].config.path: is missing: limit_by is \"path\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_names),
                                        cmocka_unit_test(test_missing) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
