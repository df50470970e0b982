/* SPDX-License-Identifier: Apache-2.0 */
/* The group `redis`: how a server, Sentinels and a Cluster are written, and what does not go
 * together. */
#include "conf/plugins/plugin_rate_limiting.h"
#include "conf/redis_fields.h"
#include "loading.h"

/* One rate-limiting with these fields of `redis`. */
static char *with(const char *fields)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "plugins = ( { name = \"rate-limiting\"; config = { minute = 5; policy = \"redis\"; "
             "redis = { %s }; }; } );",
             fields);
    return text;
}

static const struct conf_redis *redis_of(const struct conf *conf, size_t plugin)
{
    const struct conf_rate_limiting *c = conf->plugins[plugin].config;
    return c->redis;
}

static void single(void **state)
{
    (void)state;
    const struct conf *conf = loaded(with("host = \"127.0.0.1\";"));
    const struct conf_redis *r = redis_of(conf, 0);
    assert_true(r->mode == CONF_REDIS_SINGLE && r->nodes_n == 1 && conf->redis == r && !r->next);
    assert_string_equal(r->nodes[0].text.s, "127.0.0.1:6379");
    assert_non_null(r->nodes[0].place);
    assert_true(r->timeout == 2000 && r->database == 0 && !r->ssl && r->ssl_verify);
    assert_true(r->username.n == 0 && r->password.n == 0);
    conf_free(&conf);
    conf = loaded(with("host = \"Redis.Example\"; port = 1; ssl = true; timeout = 5;"));
    r = redis_of(conf, 0);
    assert_string_equal(r->nodes[0].host.s, "redis.example");
    assert_null(r->nodes[0].place); /* the checker asks for it */
    conf_free(&conf);
    conf = loaded(with("host = \"unix:/run/redis.sock\";"));
    r = redis_of(conf, 0);
    assert_string_equal(r->nodes[0].text.s, "unix:/run/redis.sock");
    assert_true(r->nodes[0].place->u.any.sa_family == AF_UNIX);
    conf_free(&conf);
}

static void sentinels_and_clusters(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded(with("sentinel_master = \"m\"; sentinel_nodes = ( { host = \"127.0.0.1\"; port = "
                    "5; }, { host = \"s\"; } ); sentinel_addresses = [ \"127.0.0.2:7\" ];"));
    const struct conf_redis *r = redis_of(conf, 0);
    assert_true(r->mode == CONF_REDIS_SENTINEL && r->nodes_n == 3);
    assert_string_equal(r->nodes[0].text.s, "127.0.0.1:5");
    assert_string_equal(r->nodes[1].text.s, "s:26379");
    assert_string_equal(r->nodes[2].text.s, "127.0.0.2:7");
    conf_free(&conf);
    conf = loaded(with("cluster_nodes = ( { ip = \"::1\"; } ); cluster_addresses = [ \"[::2]:8\", "
                       "\"c\" ]; cluster_max_redirections = 2;"));
    r = redis_of(conf, 0);
    assert_true(r->mode == CONF_REDIS_CLUSTER && r->nodes_n == 3);
    assert_string_equal(r->nodes[0].text.s, "[::1]:6379");
    assert_string_equal(r->nodes[1].text.s, "[::2]:8");
    assert_string_equal(r->nodes[2].text.s, "c:6379");
    assert_int_equal(r->cluster_max_redirections, 2);
    conf_free(&conf);
}

/* Plugins with the same settings share them; a secret stays a reference where it is printed. */
static void shared(void **state)
{
    (void)state;
    assert_int_equal(setenv("TEST_REDIS_WORD", "from the environment", 1), 0);
#define LIMIT(consumer, redis)                                                                     \
    "{ name = \"rate-limiting\"; consumer = \"" consumer                                           \
    "\"; config = { minute = 5; policy = \"redis\"; redis = { host = \"a\"; " redis " }; }; }"
    const struct conf *conf = loaded(
        "consumers = ( { username = \"a\"; }, { username = \"b\"; }, { username = \"c\"; } );\n"
        "plugins = ( " LIMIT("a", "password = \"$(env:TEST_REDIS_WORD)\";") ", " LIMIT(
            "b", "password = \"$(env:TEST_REDIS_WORD)\";") ", " LIMIT("c", "") " );");
    assert_ptr_equal(redis_of(conf, 0), redis_of(conf, 1));
    assert_ptr_not_equal(redis_of(conf, 0), redis_of(conf, 2));
    assert_string_equal(redis_of(conf, 0)->password.s, "from the environment");
    char *text = printed(conf);
    assert_null(strstr(text, "from the environment"));
    assert_non_null(strstr(text, "$(env:TEST_REDIS_WORD)"));
    free(text);
    conf_free(&conf);
}

/* As Kong's users wrote it before there was the group. */
static void old_names(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("plugins = ( { name = \"rate-limiting\"; config = { minute = 5; policy = \"redis\"; "
               "redis_host = \"127.0.0.1\"; redis_port = 7; redis_password = \"word\"; "
               "redis_timeout = 50; redis_database = 3; redis = { ssl_verify = false; }; }; } );");
    const struct conf_redis *r = redis_of(conf, 0);
    assert_string_equal(r->nodes[0].text.s, "127.0.0.1:7");
    assert_string_equal(r->password.s, "word");
    assert_true(r->timeout == 50 && r->database == 3 && !r->ssl && !r->ssl_verify);
    char *text = printed(conf);
    assert_null(strstr(text, "redis_host"));
    free(text);
    conf_free(&conf);
    refused("plugins = ( { name = \"rate-limiting\"; config = { minute = 5; policy = \"redis\"; "
            "redis_host = \"a\"; redis = { host = \"b\"; }; }; } );",
            "t.conf:1: plugins[0].config.redis_host: is said by redis.host already\n");
}

static void refusals(void **state)
{
    (void)state;
    refused(with(""), "t.conf:1: plugins[0].config.redis.host: is missing, and so are "
                      "sentinel_nodes and cluster_nodes\n");
    refused(with("host = \"a b\";"), "t.conf:1: plugins[0].config.redis.host: \"a b\" is not a "
                                     "host: a name, an address or unix:/PATH\n");
    refused(with("host = \"a\"; cluster_addresses = [ \"b\" ]; sentinel_addresses = [ \"c\" ]; "
                 "database = 1; sentinel_role = \"slave\";"),
            "t.conf:1: plugins[0].config.redis.cluster_nodes: cannot be together with "
            "sentinel_nodes\n"
            "t.conf:1: plugins[0].config.redis.host: cannot be together with sentinel_nodes or "
            "cluster_nodes\n"
            "t.conf:1: plugins[0].config.redis.sentinel_master: is missing: the Sentinels may know "
            "several\n"
            "t.conf:1: plugins[0].config.redis.sentinel_role: cannot be \"slave\": counting "
            "writes\n"
            "t.conf:1: plugins[0].config.redis.database: must be 0: a Cluster has no other\n");
    refused(with("host = \"a\"; ssl = true; ca_certificates = \"/nowhere/ca.crt\";"),
            "t.conf:1: plugins[0].config.redis.ca_certificates: \"/nowhere/ca.crt\" cannot be "
            "read: No such file or directory\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(single),
                                        cmocka_unit_test(sentinels_and_clusters),
                                        cmocka_unit_test(shared), cmocka_unit_test(old_names),
                                        cmocka_unit_test(refusals) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
