/* SPDX-License-Identifier: Apache-2.0 */
/* Upstreams: where targets are, implied upstreams, names, what hashing needs.
 */
#include "loading.h"
#include <arpa/inet.h>

static void test_places(void **state)
{
    (void)state;
    const struct conf *conf = loaded(
        "upstreams = ( { name = \"a\"; targets = ( { target = \"127.0.0.1:1\"; weight = 3; },\n"
        "  { target = \"[::1]:2\"; weight = 0; }, { target = \"unix:/run/x\"; }, { target = "
        "\"127.0.0.2\"; } ); },\n"
        "  { name = \"b\"; targets = ( { target = \"127.0.0.1:1\"; } ); }, { name = \"empty\"; } "
        ");");
    const struct conf_upstream *a = &conf->upstreams[0], *b = &conf->upstreams[1];
    static const char *const texts[] = { "127.0.0.1:1", "[::1]:2", "unix:/run/x",
                                         "127.0.0.2:8000" };
    static const int weights[] = { 3, 0, 100, 100 },
                     families[] = { AF_INET, AF_INET6, AF_UNIX, AF_INET };
    assert_int_equal(a->targets_n, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(a->targets[i].places_n, 1);
        assert_string_equal(a->targets[i].places[0].text.s, texts[i]);
        assert_int_equal(a->targets[i].places[0].u.any.sa_family, families[i]);
        assert_int_equal(a->targets[i].weight, weights[i]);
    }
    assert_int_equal(ntohs(a->targets[1].places[0].u.in6.sin6_port), 2);
    assert_string_equal(a->targets[2].host.s, "");
    assert_string_equal(b->targets[0].places[0].text.s, "127.0.0.1:1");
    assert_int_equal(conf->upstreams[2].targets_n, 0);
    assert_int_equal(a->healthchecks.active.unhealthy.http_statuses.n, 8);
    conf_free(&conf);
}

static void test_identity_survives_reload(void **state)
{
    (void)state;
    const struct conf *one =
        loaded("upstreams = ( { name = \"a\"; targets = ( { target = \"127.0.0.1:1\"; } ); } );");
    const struct conf *two = loaded("upstreams = ( { name = \"x\"; }, { name = \"a\"; slots = 99; "
                                    "targets = ( { target = \"127.0.0.1:9\"; }, "
                                    "{ target = \"127.0.0.1:1\"; weight = 7; } ); } );");
    assert_string_equal(one->upstreams[0].targets[0].places[0].text.s,
                        two->upstreams[1].targets[1].places[0].text.s);
    assert_string_equal(one->upstreams[0].id.s, two->upstreams[1].id.s);
    conf_free(&one);
    conf_free(&two);
}

static void test_implied(void **state)
{
    (void)state;
    const struct conf *conf = loaded("upstreams = ( { name = \"named\"; } );\n"
                                     "services = ( { name = \"a\"; url = \"http://127.0.0.1:81/\"; "
                                     "}, { name = \"b\"; url = \"http://127.0.0.1:81/x\"; },\n"
                                     "  { name = \"c\"; url = \"https://[::1]\"; }, { name = "
                                     "\"d\"; url = \"http://named:99\"; } );");
    assert_int_equal(conf->upstreams_n, 3);
    assert_false(conf->upstreams[0].implied);
    assert_true(conf->upstreams[1].implied);
    assert_string_equal(conf->upstreams[1].name.s, "127.0.0.1:81");
    assert_string_equal(conf->upstreams[1].targets[0].places[0].text.s, "127.0.0.1:81");
    assert_int_equal(conf->upstreams[1].keepalive_pool_size, 512);
    assert_int_equal(conf->upstreams[1].index, 1);
    assert_ptr_equal(conf->services[0].upstream, &conf->upstreams[1]);
    assert_ptr_equal(conf->services[1].upstream, &conf->upstreams[1]);
    assert_string_equal(conf->services[2].upstream->targets[0].places[0].text.s, "[::1]:443");
    assert_ptr_equal(conf->services[3].upstream, &conf->upstreams[0]);
    conf_free(&conf);
}

/* A name is not asked for at load. */
static void test_names(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("upstreams = ( { name = \"a\"; targets = ( { target = \"Some.Host.invalid:5\"; }, { "
               "target = \"_http._tcp.x\"; } ); } );");
    const struct conf_target *targets = conf->upstreams[0].targets;
    assert_int_equal(conf->upstreams[0].targets_n, 2);
    assert_int_equal(targets[0].places_n, 0);
    assert_string_equal(targets[0].host.s, "some.host.invalid");
    assert_int_equal(targets[0].port, 5);
    assert_string_equal(targets[1].host.s, "_http._tcp.x");
    conf_free(&conf);
}

static void test_targets_refused(void **state)
{
    (void)state;
    refused(
        "upstreams = ( { name = \"a\"; targets = (\n { target = \"h:x\"; },\n { target = "
        "\"127.0.0.1:1\"; },\n { target = \"127.0.0.1:1\"; weight = 65536; },\n"
        " { }, { target = \"unix:x\"; } ); },\n { name = \"a\"; }, { name = \"a b\"; },\n"
        " { name = \"c\"; targets = (\n { target = \"[::1]:1\"; }, { target = \"[0:0::1]:1\"; } ); "
        "} "
        ");",
        "t.conf:2: upstreams[0].targets[0].target: \"h:x\" is not a target: HOST[:PORT], "
        "IP[:PORT], [IP6][:PORT] or unix:/PATH\n"
        "t.conf:4: upstreams[0].targets[2].weight: 65536 is out of range, 0 to 65535\n"
        "t.conf:4: upstreams[0].targets[2].target: \"127.0.0.1:1\" is a duplicate; another target "
        "has it at t.conf:3\n"
        "t.conf:5: upstreams[0].targets[3].target: is missing\n"
        "t.conf:5: upstreams[0].targets[4].target: \"unix:x\" is not a Unix socket: "
        "\"unix:/path\", at most 107 bytes\n"
        "t.conf:6: upstreams[2].name: \"a b\" is not a host name\n"
        "t.conf:6: upstreams[1].name: \"a\" is a duplicate; another upstream has it at t.conf:1\n"
        "t.conf:8: upstreams[3].targets[1].target: \"[::1]:1\" is a duplicate; another target has "
        "it "
        "at t.conf:8\n");
}

static void test_hashing_refused(void **state)
{
    (void)state;
    refused("upstreams = ( { name = \"a\"; hash_on = \"header\"; hash_fallback = \"cookie\"; },\n"
            " { name = \"b\"; hash_fallback = \"ip\"; },\n"
            " { name = \"c\"; hash_on = \"cookie\"; hash_on_cookie = \"c\"; hash_fallback = "
            "\"ip\"; },\n"
            " { name = \"d\"; hash_on = \"query_arg\"; hash_fallback = \"query_arg\"; "
            "hash_on_query_arg = \"q\"; },\n"
            " { name = \"e\"; hash_on = \"ip\"; hash_fallback = \"ip\"; } );",
            "t.conf:1: upstreams[0].hash_on_header: is missing: what to hash is not said\n"
            "t.conf:1: upstreams[0].hash_on_cookie: is missing: what to hash is not said\n"
            "t.conf:2: upstreams[1].hash_fallback: must be \"none\": hash_on is \"none\", a cookie "
            "(which is set where it is missing), or the same\n"
            "t.conf:3: upstreams[2].hash_fallback: must be \"none\": hash_on is \"none\", a cookie "
            "(which is set where it is missing), or the same\n"
            "t.conf:4: upstreams[3].hash_fallback_query_arg: is missing: what to hash is not said\n"
            "t.conf:5: upstreams[4].hash_fallback: must be \"none\": hash_on is \"none\", a cookie "
            "(which is set where it is missing), or the same\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),          cmocka_unit_test(test_identity_survives_reload),
        cmocka_unit_test(test_implied),         cmocka_unit_test(test_names),
        cmocka_unit_test(test_targets_refused), cmocka_unit_test(test_hashing_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
