/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: patterns and prefixes, file order over services, what a route must have. */
#include "conf/regex.h"
#include "loading.h"

#define SERVICE "services = ( { name = \"s\"; url = \"http://127.0.0.1\"; routes = (\n"

static void test_paths(void **state)
{
    (void)state;
    struct regex_span span;
    const struct conf *conf =
        loaded(SERVICE "{ name = \"r\"; paths = [ \"/a/%2F\", \"~/v\\\\d+/(x)$\" ]; } ); } );");
    const struct conf_path *paths = conf->routes[0].paths;
    assert_int_equal(conf->routes[0].paths_n, 2);
    assert_null(paths[0].regex);
    assert_string_equal(paths[1].text.s, "/v\\d+/(x)$");
    assert_int_equal(regex_match(paths[1].regex, "/v12/x", 6, &span, 1), 1);
    conf_free(&conf);
}

static void test_file_order(void **state)
{
    (void)state;
    const struct conf *conf = loaded(
        "services = ( { name = \"s\"; url = \"http://127.0.0.1\"; routes = ( { name = \"a\"; paths "
        "= [ \"/\" ]; }, { name = \"b\"; methods = [ \"GET\" ]; } ); },\n"
        "{ name = \"none\"; url = \"http://127.0.0.1\"; }, { name = \"t\"; url = "
        "\"http://127.0.0.1\"; routes = ( { name = \"c\"; headers = { x = [ \"1\" ]; }; } ); } );");
    assert_int_equal(conf->routes_n, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(conf->routes[i].index, i);
        assert_int_equal(conf->routes[i].name.s[0], 'a' + (int)i);
    }
    assert_ptr_equal(conf->routes[1].service, &conf->services[0]);
    assert_ptr_equal(conf->routes[2].service, &conf->services[2]);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused(
        SERVICE "{ name = \"a\"; },\n{ name = \"a\"; paths = [ \"x\",\n \"/ok\",\n \"/a/../b\", "
                "\"~\", \"~/[\" ]; },\n{ name = \"b\"; hosts = [ \"*\", \"a:80\" ]; },\n"
                "{ name = \"c\"; snis = [ \"a\" ]; protocols = [ \"http\" ]; },\n{ name = \"d\"; "
                "methods = [ \"get\" ]; protocols = [ ]; hosts = [ \"h\" ]; } ); } );",
        "t.conf:2: services[0].routes[0]: needs a value in one at least of hosts, paths, methods, "
        "headers and snis\n"
        "t.conf:3: services[0].routes[1].name: \"a\" is a duplicate; another route has it at "
        "t.conf:2\n"
        "t.conf:3: services[0].routes[1].paths: \"x\" begins neither with \"/\" (a prefix) nor "
        "with \"~\" (a pattern)\n"
        "t.conf:5: services[0].routes[1].paths: \"/a/../b\" is not normalised: it contains a dot "
        "segment\n"
        "t.conf:5: services[0].routes[1].paths: \"~\" is not a valid pattern: it is empty\n"
        "t.conf:5: services[0].routes[1].paths: \"~/[\" is not a valid pattern: missing "
        "terminating ] for character class at offset 3\n"
        "t.conf:6: services[0].routes[2].hosts: \"*\" is not a host name with \"*\" as its first "
        "or its last label\n"
        "t.conf:6: services[0].routes[2].hosts: \"a:80\" is not a host name (one without a port)\n"
        "t.conf:7: services[0].routes[3].snis: needs https among the protocols\n"
        "t.conf:8: services[0].routes[4].protocols: must not be empty\n"
        "t.conf:8: services[0].routes[4].methods: \"get\" is not a method in capital letters\n");
}

#define STREAM(fields)                                                                             \
    SERVICE "{ name = \"r\"; paths = [ \"/\" ]; stream = \"required\";" fields " } ); } );\n"

static void test_streams(void **state)
{
    (void)state;
    const struct conf *conf = loaded(
        STREAM("") "plugins = ( { name = \"request-transformer\"; config = { add = { headers = [ "
                   "\"a:b\" ]; }; }; }, { name = \"response-transformer\"; enabled = false; config "
                   "= { add = { json = [ \"a:b\" ]; }; }; } );");
    assert_int_equal(conf->routes[0].stream, CONF_STREAM_REQUIRED);
    conf_free(&conf);
    conf = loaded(SERVICE "{ name = \"r\"; paths = [ \"/\" ]; request_buffering = true; } ); } );");
    assert_int_equal(conf->routes[0].stream, CONF_STREAM_OPTIONAL);
    conf_free(&conf);
    refused(STREAM("\nrequest_buffering = true;\nresponse_buffering = true;"),
            "t.conf:3: services[0].routes[0].request_buffering: does not go with stream = "
            "\"required\"\n"
            "t.conf:4: services[0].routes[0].response_buffering: does not go with stream = "
            "\"required\"\n");
    refused(STREAM("\nplugins = ( { name = \"request-transformer\"; config = { remove = { body = [ "
                   "\"a\" ]; }; }; } );"),
            "t.conf:2: services[0].routes[0].stream: request-transformer at t.conf:3 would hold "
            "back the request's body until all of it has come\n");
    refused(
        STREAM("") "plugins = ( { name = \"response-transformer\"; config = { remove = { json = "
                   "[ \"a\" ]; }; }; } );",
        "t.conf:2: services[0].routes[0].stream: response-transformer at t.conf:3 would hold "
        "back the response's body until all of it has come\n");
    refused(STREAM("") "consumers = ( { username = \"u\"; plugins = ( { name = "
                       "\"request-transformer\"; config = { allow = { body = [ \"a\" ]; }; }; } ); "
                       "} );",
            "t.conf:2: services[0].routes[0].stream: request-transformer at t.conf:3 would hold "
            "back the request's body until all of it has come\n");
}

static void test_clocks(void **state)
{
    (void)state;
    const struct conf *conf = loaded(
        "client_body_timeout = 7; client_body_total_timeout = 8; client_body_min_rate = \"1k\";\n"
        "client_body_min_rate_grace = 9;\n" SERVICE
        "{ name = \"a\"; paths = [ \"/a\" ]; }, { name = \"b\"; paths = [ \"/b\" ]; "
        "client_body_timeout = 1; client_body_total_timeout = 0; client_body_min_rate = \"0\"; "
        "client_body_min_rate_grace = 2; } ); } );");
    const struct conf_client_body *a = &conf->routes[0].client_body,
                                  *b = &conf->routes[1].client_body;
    assert_int_equal(a->timeout, 7);
    assert_int_equal(a->total_timeout, 8);
    assert_int_equal(a->min_rate, 1024);
    assert_int_equal(a->min_rate_grace, 9);
    assert_int_equal(b->timeout, 1);
    assert_int_equal(b->total_timeout, 0);
    assert_int_equal(b->min_rate, 0);
    assert_int_equal(b->min_rate_grace, 2);
    conf_free(&conf);
    conf = loaded(SERVICE "{ name = \"a\"; paths = [ \"/a\" ]; } ); } );");
    a = &conf->routes[0].client_body;
    assert_int_equal(a->timeout, 60000);
    assert_int_equal(a->total_timeout + (int)a->min_rate, 0);
    assert_int_equal(a->min_rate_grace, 5000);
    conf_free(&conf);
    refused(
        SERVICE "{ name = \"a\"; paths = [ \"/a\" ];\n client_body_timeout = 0;\n "
                "client_body_total_timeout = -2;\n client_body_min_rate_grace = 0; } ); } );",
        "t.conf:3: services[0].routes[0].client_body_timeout: 0 is out of range, 1 to 2147483647; "
        "-1 is the value of the top level\n"
        "t.conf:4: services[0].routes[0].client_body_total_timeout: -2 is out of range, -1 to "
        "2147483647\n"
        "t.conf:5: services[0].routes[0].client_body_min_rate_grace: 0 is out of range, 1 to "
        "2147483647; -1 is the value of the top level\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_paths),
                                        cmocka_unit_test(test_file_order),
                                        cmocka_unit_test(test_clocks),
                                        cmocka_unit_test(test_refused),
                                        cmocka_unit_test(test_streams) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
