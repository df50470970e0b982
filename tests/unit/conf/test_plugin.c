/* SPDX-License-Identifier: Apache-2.0 */
/* Plugin instances: names, scopes by nesting and by reference, duplicates, ids, picking by
 * consumer. */
#include "loading.h"

#define BASE                                                                                       \
    "services = ( { name = \"s\"; url = \"http://127.0.0.1\"; routes = ( { name = \"r\"; paths = " \
    "[ \"/\" ]; %s } ); %s },\n"                                                                   \
    "{ name = \"t\"; url = \"http://127.0.0.1\"; routes = ( { name = \"q\"; paths = [ \"/q\" ]; "  \
    "} ); } );\n"                                                                                  \
    "consumers = ( { username = \"a\"; %s }, { username = \"b\"; } );\nplugins = ( %s );\n"

static char *base(const char *in_route, const char *in_service, const char *in_consumer,
                  const char *top)
{
    char *text = NULL;
    assert_true(asprintf(&text, BASE, in_route, in_service, in_consumer, top) > 0);
    return text;
}

static void test_scopes(void **state)
{
    (void)state;
    char *text = base("plugins = ( { name = \"request-termination\"; consumer = \"b\"; } );",
                      "plugins = ( { name = \"request-termination\"; } );",
                      "plugins = ( { name = \"request-termination\"; service = \"t\"; } );",
                      "{ name = \"request-termination\"; route = \"q\"; service = \"t\"; enabled = "
                      "false; priority = 7; protocols = [ \"https\" ]; }, { name = \"jwt\"; }");
    const struct conf *conf = loaded(text);
    const struct conf_plugin *p = conf->plugins;
    assert_int_equal(conf->plugins_n, 5);
    assert_true(p[0].service == &conf->services[0] && !p[0].route && !p[0].consumer);
    assert_true(!p[1].service && p[1].route == &conf->routes[0] &&
                p[1].consumer == &conf->consumers[1]);
    assert_true(p[2].service == &conf->services[1] && !p[2].route &&
                p[2].consumer == &conf->consumers[0]);
    assert_true(p[3].service == &conf->services[1] && p[3].route == &conf->routes[1] &&
                !p[3].consumer);
    assert_false(p[3].enabled);
    assert_int_equal(p[3].priority, 7);
    assert_int_equal(p[3].protocols, CONF_HTTPS);
    assert_int_equal(p[0].priority, 2);
    assert_int_equal(p[4].priority, 1005);
    assert_int_equal(p[4].kind, CONF_PLUGIN_JWT);
    assert_string_equal(p[4].where.s, "t.conf:4");
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(p[i].index, i);
        assert_non_null(p[i].config);
        for (uint32_t k = 0; k < i; k++)
            assert_string_not_equal(p[i].id.s, p[k].id.s);
    }
    conf_free(&conf);
    free(text);
}

static void test_references_by_id(void **state)
{
    (void)state;
    const struct conf *conf = loaded(
        "services = ( { name = \"s\"; id = \"00000000-0000-4000-8000-00000000000a\"; url = "
        "\"http://127.0.0.1\"; } ); consumers = ( { username = \"a\"; custom_id = \"42\"; } );\n"
        "plugins = ( { name = \"proxy-cache\"; service = \"00000000-0000-4000-8000-00000000000A\"; "
        "consumer = \"42\"; } );");
    assert_ptr_equal(conf->plugins[0].service, &conf->services[0]);
    assert_ptr_equal(conf->plugins[0].consumer, &conf->consumers[0]);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    char *text =
        base("plugins = ( { name = \"proxycache\"; }, { name = \"jwt\"; route = \"r\"; } );", "",
             "plugins = ( { name = \"key-auth\"; } );",
             "{ name = \"jwt\"; route = \"x\"; },\n{ name = \"jwt\"; consumer = \"c\"; service = "
             "\"y\"; },\n{ name = \"jwt\"; route = \"q\"; service = \"s\"; },\n"
             "{ name = \"proxy-cache\"; },\n{ name = \"proxy-cache\"; enabled = false; }, { config "
             "= { }; }, { name = \"jwt\"; config = { x = 1; }; }, { name = \"correlation-id\"; "
             "config = 1; }");
    refused(
        text,
        "t.conf:1: services[0].routes[0].plugins[0].name: there is no plugin \"proxycache\"; the "
        "nearest name is \"proxy-cache\"\n"
        "t.conf:1: services[0].routes[0].plugins[1].route: is said by the route that the plugin is "
        "written in\n"
        "t.conf:3: consumers[0].plugins[0]: key-auth finds out who the consumer is, and cannot be "
        "bound to one\n"
        "t.conf:4: plugins[0].route: there is no route \"x\"\n"
        "t.conf:5: plugins[1].service: there is no service \"y\"\n"
        "t.conf:5: plugins[1].consumer: there is no consumer \"c\"\n"
        "t.conf:6: plugins[2]: the route q is not one of the service s, so it would never run\n"
        "t.conf:8: plugins[5].name: is missing\n"
        "t.conf:8: plugins[6].config.x: unknown key; the nearest known one is \"realm\"\n"
        "t.conf:8: plugins[7].config: must be a group { }, not an integer\n"
        "t.conf:8: plugins[4]: proxy-cache is configured for the same scope at t.conf:7 already\n");
    free(text);
}

static void test_pick(void **state)
{
    (void)state;
    struct conf_consumer consumers[5] = {
        { .index = 0 }, { .index = 1 }, { .index = 2 }, { .index = 3 }, { .index = 4 }
    };
    struct conf_plugin any = { 0 }, one = { .consumer = &consumers[1] },
                       four = { .consumer = &consumers[4] };
    const struct conf_plugin *bound[] = { &one, &four };
    struct conf_link link = { .any = &any, .by_consumer = bound, .by_consumer_n = 2 };
    assert_ptr_equal(plugin_pick(&link, NULL), &any);
    assert_ptr_equal(plugin_pick(&link, &consumers[0]), &any);
    assert_ptr_equal(plugin_pick(&link, &consumers[1]), &one);
    assert_ptr_equal(plugin_pick(&link, &consumers[3]), &any);
    assert_ptr_equal(plugin_pick(&link, &consumers[4]), &four);
    link.any = NULL;
    assert_null(plugin_pick(&link, &consumers[2]));
    assert_null(plugin_pick(&link, NULL));
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(plugin_kind_name(CONF_PLUGIN_KEY_AUTH), "key-auth");
    assert_string_equal(plugin_kind_name(CONF_PLUGIN_KINDS), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_scopes),
                                        cmocka_unit_test(test_references_by_id),
                                        cmocka_unit_test(test_refused), cmocka_unit_test(test_pick),
                                        cmocka_unit_test(test_names) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
