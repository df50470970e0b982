/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of upstreams: each field lands in its member, and unknown ones are refused at each
 * depth. */
#include "loading.h"

static void test_members(void **state)
{
    (void)state;
    const struct conf *conf = loaded(
        "upstreams = ( { name = \"a\"; id = \"00000000-0000-4000-8000-00000000000A\"; algorithm = "
        "\"consistent-hashing\"; hash_on = \"header\"; hash_on_header = \"X-H\";\n"
        "hash_fallback = \"query_arg\"; hash_fallback_query_arg = \"q\"; slots = 10; "
        "keepalive_pool_size = 1; slow_start = 20; queue_size = 5; queue_timeout = 1.5; "
        "retry_budget_percent = 30; hash_on_uri_capture = \"u\"; hash_fallback_uri_capture = "
        "\"v\"; targets = ( { target = \"127.0.0.1:1\"; weight = 0; max_connections = 9; backup "
        "= true; } ); keepalive_idle_timeout = 0.5; host_header = \"h:81\"; tags = [ "
        "\"t\" ];\n"
        "healthchecks = { threshold = 55; on_unhealthy = \"panic\"; max_ejection_percent = 40; "
        "active = { type = \"https\"; http_method = \"HEAD\"; "
        "http_path = \"/up?x=1\"; timeout = 2; concurrency = 3; https_verify_certificate = false;\n"
        "headers = { X-Probe = [ \"1\", \"2\" ]; }; https_sni = \"s\"; healthy = { interval = 1.5; "
        "successes = 2; http_statuses = [ 204 ]; }; "
        "unhealthy = { interval = 3; tcp_failures = 4; timeouts = 5; http_failures = 6; "
        "http_statuses = [ ]; }; };\n"
        "passive = { healthy = { successes = 7; http_statuses = [ 999 ]; }; unhealthy = { "
        "tcp_failures = 8; timeouts = 9; http_failures = 10; http_statuses = [ 500 ]; "
        "retry_after = 4; }; }; }; } "
        ");");
    const struct conf_upstream *up = conf->upstreams;
    const struct conf_healthchecks *hc = &up->healthchecks;
    assert_string_equal(up->id.s, "00000000-0000-4000-8000-00000000000a");
    assert_int_equal(up->algorithm, CONF_CONSISTENT_HASHING);
    assert_int_equal(up->hash_on, CONF_HASH_HEADER);
    assert_int_equal(up->hash_fallback, CONF_HASH_QUERY_ARG);
    assert_string_equal(up->hash_on_header.s, "X-H");
    assert_string_equal(up->hash_fallback_query_arg.s, "q");
    assert_string_equal(up->hash_on_cookie_path.s, "/");
    assert_string_equal(up->host_header.s, "h:81");
    assert_int_equal(up->slots, 10);
    assert_int_equal(up->keepalive_pool_size, 1);
    assert_true(up->keepalive_idle_timeout > 0.4 && up->keepalive_idle_timeout < 0.6);
    assert_true(hc->threshold > 54.9 && hc->threshold < 55.1);
    assert_int_equal(hc->on_unhealthy, CONF_UNHEALTHY_PANIC);
    assert_int_equal(hc->max_ejection_percent, 40);
    assert_true(hc->passive.unhealthy.retry_after > 3.9 && up->slow_start > 19.9);
    assert_true(up->queue_timeout > 1.4 && up->queue_timeout < 1.6);
    assert_int_equal(up->queue_size, 5);
    assert_int_equal(up->retry_budget_percent, 30);
    assert_string_equal(up->hash_on_uri_capture.s, "u");
    assert_string_equal(up->hash_fallback_uri_capture.s, "v");
    assert_int_equal(up->targets[0].weight, 0);
    assert_int_equal(up->targets[0].max_connections, 9);
    assert_true(up->targets[0].backup);
    assert_int_equal(hc->active.type, CONF_PROBE_HTTPS);
    assert_string_equal(hc->active.http_method.s, "HEAD");
    assert_string_equal(hc->active.http_path.s, "/up?x=1");
    assert_int_equal(hc->active.concurrency, 3);
    assert_false(hc->active.https_verify_certificate);
    assert_string_equal(hc->active.https_sni.s, "s");
    const struct conf_route_header *headers = hc->active.headers.v;
    assert_int_equal(hc->active.headers.n, 1);
    assert_string_equal(headers[0].name.s, "x-probe");
    assert_string_equal(headers[0].values.v[1].s, "2");
    assert_true(hc->active.healthy.interval > 1.4 && hc->active.timeout > 1.9);
    assert_int_equal(hc->active.healthy.successes, 2);
    assert_int_equal(hc->active.healthy.http_statuses.v[0], 204);
    assert_int_equal(hc->active.unhealthy.tcp_failures, 4);
    assert_int_equal(hc->active.unhealthy.timeouts, 5);
    assert_int_equal(hc->active.unhealthy.http_failures, 6);
    assert_int_equal(hc->active.unhealthy.http_statuses.n, 0);
    assert_int_equal(hc->passive.healthy.successes, 7);
    assert_int_equal(hc->passive.unhealthy.tcp_failures, 8);
    assert_int_equal(hc->passive.unhealthy.timeouts, 9);
    assert_int_equal(hc->passive.unhealthy.http_failures, 10);
    assert_string_equal(up->tags.v[0].s, "t");
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused(
        "upstreams = ( { name = \"a\"; healthchecks = { threshold = 101; activ = { };\n active = { "
        "type = \"icmp\"; http_path = \"x\"; concurrency = 0;\n"
        " healthy = { tcp_failures = 1; interval = -1; http_statuses = [ 99, 1000 ]; }; }; passive "
        "= { healthy = { interval = 1; }; }; }; } );",
        "t.conf:1: upstreams[0].healthchecks.activ: unknown key; the nearest known one is "
        "\"active\"\n"
        "t.conf:1: upstreams[0].healthchecks.threshold: 101 is out of range, 0 to 100\n"
        "t.conf:2: upstreams[0].healthchecks.active.type: \"icmp\" is not one of: http, https, "
        "tcp, grpc\n"
        "t.conf:2: upstreams[0].healthchecks.active.http_path: \"x\" does not begin with \"/\"\n"
        "t.conf:2: upstreams[0].healthchecks.active.concurrency: 0 is out of range, 1 to 65535\n"
        "t.conf:3: upstreams[0].healthchecks.active.healthy.tcp_failures: unknown key; the nearest "
        "known one is \"http_statuses\"\n"
        "t.conf:3: upstreams[0].healthchecks.active.healthy.interval: -1 is out of range, 0 to "
        "65535\n"
        "t.conf:3: upstreams[0].healthchecks.active.healthy.http_statuses: 99 is out of range, 100 "
        "to 999\n"
        "t.conf:3: upstreams[0].healthchecks.active.healthy.http_statuses: 1000 is out of range, "
        "100 to 999\n"
        "t.conf:3: upstreams[0].healthchecks.passive.healthy.interval: unknown key; the nearest "
        "known one is \"successes\"\n");
    refused(
        "upstreams = ( { name = \"a\";\n healthchecks = { active = {\n type = \"grpc\"; }; }; } );",
        "t.conf:3: upstreams[0].healthchecks.active.type: \"grpc\" probes need HTTP/2 to targets, "
        "which is not available yet: http, https and tcp are\n");
    refused(
        "upstreams = ( { name = \"a\"; healthchecks = { active = { headers = { te = [ \"x\" ];\n "
        "a = [ \"x\\r\\ny: z\" ]; }; }; }; } );",
        "t.conf:1: upstreams[0].healthchecks.active.headers.te: \"te\" is about the connection, "
        "not for a probe to say\n"
        "t.conf:2: upstreams[0].healthchecks.active.headers.a: \"x\\x0d\\x0ay: z\" contains a "
        "control character\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_members),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
