/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which instance runs. Every set of the eight scopes is loaded, and what the chain picks, for one
 * consumer, another, and none, is compared with a slow twin that looks through all instances.
 */
#include "loading.h"

enum { SCOPES = 8 };

/* In the order of precedence, highest first. */
static const char *const scopes[SCOPES] = {
    "consumer = \"a\"; route = \"r\"; service = \"s\";",
    "consumer = \"a\"; route = \"r\";",
    "consumer = \"a\"; service = \"s\";",
    "route = \"r\"; service = \"s\";",
    "consumer = \"a\";",
    "route = \"r\";",
    "service = \"s\";",
    "",
};
static const bool needs_consumer[SCOPES] = { true, true, true, false, true, false, false, false };
static const bool needs_route[SCOPES] = { true, true, false, true, false, true, false, false };
static const bool needs_service[SCOPES] = { true, false, true, true, false, false, true, false };

static const struct conf *load_set(unsigned set)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    fputs("services = ( { name = \"s\"; url = \"http://127.0.0.1\"; routes = ( { name = \"r\"; "
          "paths = [ \"/\" ]; }, { name = \"r2\"; paths = [ \"/2\" ]; } ); },\n"
          "{ name = \"t\"; url = \"http://127.0.0.1\"; routes = ( { name = \"q\"; paths = [ \"/q\" "
          "]; } ); } );\n"
          "consumers = ( { username = \"a\"; }, { username = \"b\"; } ); plugins = (",
          out);
    const char *comma = "";
    for (unsigned i = 0; i < SCOPES; i++) {
        if (!(set & 1u << i))
            continue;
        fprintf(out, "%s{ name = \"request-termination\"; %s config = { status_code = %u; }; }",
                comma, scopes[i], 500 + i);
        comma = ",";
    }
    fputs(" );", out);
    fclose(out);
    const struct conf *conf = loaded(text);
    free(text);
    return conf;
}

/* The twin: the first scope in the set that holds; SCOPES: none. */
static unsigned expected(unsigned set, bool consumer, bool route, bool service)
{
    unsigned i = 0;
    while (i < SCOPES && !((set & 1u << i) && (consumer || !needs_consumer[i]) &&
                           (route || !needs_route[i]) && (service || !needs_service[i])))
        i++;
    return i;
}

static void check_pick(const struct conf_chain *chain, const struct conf_consumer *consumer,
                       unsigned wanted)
{
    const struct conf_plugin *picked =
        chain->links_n ? plugin_pick(&chain->links[0], consumer) : NULL;
    assert_int_equal(wanted == SCOPES, picked == NULL);
    if (picked) /* the status code is the first member of the kind's configuration */
        assert_int_equal(*(const int *)picked->config, 500 + (int)wanted);
}

static void test_every_set_of_scopes(void **state)
{
    (void)state;
    for (unsigned set = 0; set < 1u << SCOPES; set++) {
        const struct conf *conf = load_set(set);
        for (int who = 0; who < 3; who++) {
            const struct conf_consumer *consumer = who < 2 ? &conf->consumers[who] : NULL;
            check_pick(conf->routes[0].chain, consumer, expected(set, who == 0, true, true));
            check_pick(conf->routes[1].chain, consumer, expected(set, who == 0, false, true));
            check_pick(conf->routes[2].chain, consumer, expected(set, who == 0, false, false));
            check_pick(conf->chain_unrouted, consumer, expected(set, who == 0, false, false));
        }
        conf_free(&conf);
    }
}

static void test_order(void **state)
{
    (void)state;
    const struct conf *conf = loaded(
        "services = ( { name = \"s\"; url = \"http://127.0.0.1\"; routes = ( { name = \"r\"; paths "
        "= [ \"/\" ]; plugins = ( { name = \"proxy-cache\"; }, { name = \"key-auth\"; } ); } ); } "
        ");\n"
        "plugins = ( { name = \"correlation-id\"; priority = 2000; }, { name = "
        "\"request-termination\"; priority = 100; }, { name = \"jwt\"; enabled = false; } );");
    const struct conf_chain *chain = conf->routes[0].chain;
    static const enum conf_plugin_kind order[] = { CONF_PLUGIN_CORRELATION_ID, CONF_PLUGIN_KEY_AUTH,
                                                   CONF_PLUGIN_PROXY_CACHE,
                                                   CONF_PLUGIN_REQUEST_TERMINATION };
    assert_int_equal(chain->links_n, 4); /* at one priority, by name */
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(chain->links[i].kind, order[i]);
    assert_int_equal(conf->chain_unrouted->links_n, 2);
    conf_free(&conf);
}

/* What holds everywhere is made once: routes without instances of their own share one chain, others
 * its long lists. */
static void test_shared(void **state)
{
    (void)state;
    const struct conf *conf = loaded(
        "services = ( { name = \"s\"; url = \"http://127.0.0.1\"; routes = ( { name = \"a\"; paths "
        "= [ \"/a\" ]; }, { name = \"b\"; paths = [ \"/b\" ]; },\n"
        "{ name = \"c\"; paths = [ \"/c\" ]; plugins = ( { name = \"proxy-cache\"; }, { name = "
        "\"request-termination\"; } ); } ); } );\n"
        "consumers = ( { username = \"x\"; plugins = ( { name = \"request-termination\"; } ); }, { "
        "username = \"y\"; plugins = ( { name = \"request-termination\"; priority = 50; } ); } );");
    const struct conf_link *wide = &conf->chain_unrouted->links[0],
                           *own = &conf->routes[2].chain->links[1];
    assert_ptr_equal(conf->routes[0].chain, conf->chain_unrouted);
    assert_ptr_equal(conf->routes[1].chain, conf->chain_unrouted);
    assert_int_equal(wide->by_consumer_n, 2);
    assert_int_equal(wide->priority, 50);
    assert_null(wide->any);
    assert_int_equal(own->kind, CONF_PLUGIN_REQUEST_TERMINATION);
    assert_ptr_equal(own->by_consumer, wide->by_consumer);
    assert_non_null(own->any);
    assert_int_equal(own->priority, 2);
    conf_free(&conf);
}

/* One that is bound to a consumer has to run behind one that knows it; said once for all routes. */
static void test_too_early(void **state)
{
    (void)state;
    static const char file[] =
        "services = ( { name = \"s\"; url = \"http://127.0.0.1\"; plugins = ( { name = "
        "\"key-auth\"; } ); routes = ( { name = \"a\"; paths = [ \"/a\" ]; }, { name = \"b\"; "
        "paths = [ \"/b\" ]; plugins = ( { name = \"correlation-id\"; } ); } ); } );\n"
        "consumers = ( { username = \"x\"; plugins = (\n"
        "{ name = \"ip-restriction\"; %s config = { deny = [ \"127.0.0.1\" ]; }; } ); } );\n%s";
    char text[1024];
    snprintf(text, sizeof text, file, "", "");
    refused(
        text,
        "t.conf:3: consumers[0].plugins[0].priority: ip-restriction runs at 3000, before key-auth "
        "(1003) has found out who the consumer is\n");
    snprintf(text, sizeof text, file, "priority = 999;", "");
    const struct conf *conf = loaded(text);
    assert_int_equal(conf->routes[0].chain->links[1].kind, CONF_PLUGIN_IP_RESTRICTION);
    conf_free(&conf);
    snprintf(
        text, sizeof text, file, "priority = 999;",
        "plugins = ( { name = \"ip-restriction\"; config = { deny = [ \"127.0.0.2\" ]; }; } );");
    refused(text, "t.conf:3: consumers[0].plugins[0].priority: ip-restriction runs at 3000, before "
                  "key-auth (1003) has found out who the consumer is\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_set_of_scopes),
                                        cmocka_unit_test(test_order), cmocka_unit_test(test_shared),
                                        cmocka_unit_test(test_too_early) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
