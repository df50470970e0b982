/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of compression. */
#include "conf/plugins/plugin_compression.h"
#include "tests/unit/conf/loading.h"

static void test_defaults(void **state)
{
    (void)state;
    const struct conf *conf = loaded("plugins = ( { name = \"compression\"; } );");
    const struct conf_compression *c = conf->plugins[0].config;
    assert_int_equal(c->algorithms_n, 2);
    assert_int_equal(c->algorithms[0], CONF_CODING_BROTLI);
    assert_int_equal(c->algorithms[1], CONF_CODING_GZIP);
    assert_int_equal(c->gzip_level, 5);
    assert_int_equal(c->brotli_level, 4);
    assert_int_equal(c->min_length, 1024);
    assert_true(c->types_n > 5);
    assert_string_equal(c->types[0].type.s, "text");
    assert_string_equal(c->types[0].subtype.s, "*");
    assert_int_equal(c->response_code.v[0], 200);
    assert_int_equal(c->request_method.n, 0);
    assert_true(c->vary);
    assert_false(c->offload);
    assert_int_equal(c->max_encoders, 256);
    assert_int_equal(conf->plugins[0].priority, 90); /* behind what changes bodies */
    conf_free(&conf);
}

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("plugins = ( { name = \"compression\"; config = { algorithms = [ \"gzip\" ]; "
               "gzip_level = 9; brotli_level = 0; min_length = \"4k\"; types = [ \"Text/HTML\", "
               "\"application/*+json\" ]; response_code = [ ]; request_method = [ \"GET\" ]; "
               "vary = false; offload = true; max_encoders = 0; }; } );");
    const struct conf_compression *c = conf->plugins[0].config;
    assert_int_equal(c->algorithms_n, 1);
    assert_int_equal(c->algorithms[0], CONF_CODING_GZIP);
    assert_int_equal(c->min_length, 4096);
    assert_int_equal(c->types_n, 2);
    assert_string_equal(c->types[0].subtype.s, "html");
    assert_string_equal(c->types[1].subtype.s, "*+json");
    assert_int_equal(c->response_code.n, 0);
    assert_string_equal(c->request_method.v[0].s, "GET");
    assert_false(c->vary);
    assert_true(c->offload);
    assert_int_equal(c->max_encoders, 0);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"compression\"; config = { algorithms = [ \"zstd\" ]; "
            "gzip_level = 0; types = [ \"text/html; q=1\" ]; }; } );",
            "t.conf:1: plugins[0].config.algorithms: \"zstd\" is not br or gzip\n"
            "t.conf:1: plugins[0].config.gzip_level: 0 is out of range, 1 to 9\n"
            "t.conf:1: plugins[0].config.types: \"text/html; q=1\" is not a media type like "
            "\"text/html\", \"text/*\" or \"application/*+json\", without parameters\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_defaults),
                                        cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
