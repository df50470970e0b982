/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of correlation-id. */
#include "conf/plugins/plugin_correlation_id.h"
#include "tests/unit/conf/loading.h"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf = loaded("plugins = ( { name = \"correlation-id\"; } );");
    const struct conf_correlation_id *c = conf->plugins[0].config;
    assert_string_equal(c->header_name.s, "Kong-Request-ID");
    assert_int_equal(c->generator, CONF_CORRELATION_UUID_COUNTER);
    assert_false(c->echo_downstream);
    conf_free(&conf);
    conf = loaded("plugins = ( { name = \"correlation-id\"; config = { header_name = \"X\"; "
                  "generator = \"tracker\"; echo_downstream = true; }; } );");
    c = conf->plugins[0].config;
    assert_string_equal(c->header_name.s, "X");
    assert_int_equal(c->generator, CONF_CORRELATION_TRACKER);
    assert_true(c->echo_downstream);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"correlation-id\"; config = { header_name = \"a b\"; generator "
            "= \"x\"; }; } );",
            "t.conf:1: plugins[0].config.header_name: \"a b\" is not a header's name\n"
            "t.conf:1: plugins[0].config.generator: \"x\" is not one of: uuid, uuid#counter, "
            "tracker\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
