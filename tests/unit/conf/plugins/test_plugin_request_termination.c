/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of request-termination. */
#include "conf/plugins/plugin_request_termination.h"
#include "tests/unit/conf/loading.h"

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf = loaded("plugins = ( { name = \"request-termination\"; } );");
    const struct conf_request_termination *c = conf->plugins[0].config;
    assert_int_equal(c->status_code, 503);
    assert_int_equal(c->message.n + c->content_type.n + c->body.n + c->trigger.n, 0);
    assert_false(c->echo);
    conf_free(&conf);
    conf = loaded("plugins = ( { name = \"request-termination\"; config = { status_code = 418; "
                  "content_type = \"text/x\"; body = \"b\\n\"; trigger = \"t\"; }; } );");
    c = conf->plugins[0].config;
    assert_int_equal(c->status_code, 418);
    assert_string_equal(c->content_type.s, "text/x");
    assert_string_equal(c->body.s, "b\n");
    assert_string_equal(c->trigger.s, "t");
    conf_free(&conf);
    conf = loaded("plugins = ( { name = \"request-termination\"; config = { echo = true; }; } );");
    c = conf->plugins[0].config;
    assert_true(c->echo);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"request-termination\"; config = { status_code = 100; message = "
            "\"m\"; content_type = \"t\\n\"; body = \"b\"; }; },\n"
            "{ name = \"request-termination\"; protocols = [ \"http\" ]; config = { content_type = "
            "\"t\"; trigger = \"a b\"; }; },\n"
            "{ name = \"request-termination\"; protocols = [ \"https\" ]; config = { echo = true; "
            "body = \"b\"; }; } );",
            "t.conf:1: plugins[0].config.status_code: 100 is out of range, 200 to 599\n"
            "t.conf:1: plugins[0].config.content_type: \"t\\x0a\" contains a control character\n"
            "t.conf:1: plugins[0].config.message: cannot be used with a body or a content_type\n"
            "t.conf:2: plugins[1].config.trigger: \"a b\" is not a header's name\n"
            "t.conf:2: plugins[1]: request-termination is configured for the same scope at "
            "t.conf:1 already\n"
            "t.conf:2: plugins[1].config.content_type: needs a body\n"
            "t.conf:3: plugins[2]: request-termination is configured for the same scope at "
            "t.conf:1 already\n"
            "t.conf:3: plugins[2].config.echo: cannot be used with a body\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
