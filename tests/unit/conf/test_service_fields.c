/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of services and routes: each field lands in its member. */
#include "loading.h"

static void test_members(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("services = ( { name = \"s\"; id = \"00000000-0000-4000-8000-000000000001\"; "
               "enabled = false; url = \"http://127.0.0.1\"; connect_timeout = 1; write_timeout = "
               "2; read_timeout = 3; retries = 0;\n"
               "tags = [ \"x\", \"y\" ]; routes = ( { name = \"r\"; id = "
               "\"00000000-0000-4000-8000-000000000002\"; protocols = [ \"https\" ]; hosts = [ "
               "\"A.b\" ]; paths = [ \"/p\" ]; methods = [ \"GET\" ];\n"
               "headers = { X-Version = [ \"1\" ]; }; snis = [ \"S.t\" ]; strip_path = false; "
               "preserve_host = true; regex_priority = -3; request_buffering = true; "
               "response_buffering = true;\n"
               "https_redirect_status_code = 308; request_body_max_size = \"10m\"; tags = [ \"z\" "
               "]; } ); } );");
    const struct conf_service *s = conf->services;
    const struct conf_route *r = conf->routes;
    assert_string_equal(s->id.s, "00000000-0000-4000-8000-000000000001");
    assert_false(s->enabled);
    assert_int_equal(s->connect_timeout, 1);
    assert_int_equal(s->write_timeout, 2);
    assert_int_equal(s->read_timeout, 3);
    assert_int_equal(s->retries, 0);
    assert_int_equal(s->tags.n, 2);
    assert_string_equal(r->id.s, "00000000-0000-4000-8000-000000000002");
    assert_int_equal(r->protocols, CONF_HTTPS);
    assert_string_equal(r->hosts.v[0].s, "a.b");
    assert_string_equal(r->paths[0].text.s, "/p");
    assert_string_equal(r->methods.v[0].s, "GET");
    assert_string_equal(r->headers[0].name.s, "x-version");
    assert_string_equal(r->headers[0].values.v[0].s, "1");
    assert_string_equal(r->snis.v[0].s, "s.t");
    assert_false(r->strip_path);
    assert_true(r->preserve_host && r->request_buffering && r->response_buffering);
    assert_int_equal(r->regex_priority, -3);
    assert_int_equal(r->https_redirect_status_code, 308);
    assert_int_equal(r->request_body_max_size, 10 << 20);
    assert_string_equal(r->tags.v[0].s, "z");
    conf_free(&conf);
}

static void test_defaults(void **state)
{
    (void)state;
    const struct conf *conf = loaded("services = ( { name = \"s\"; url = \"http://127.0.0.1\"; "
                                     "routes = ( { name = \"r\"; paths = [ \"/\" ]; } ); } );");
    const struct conf_route *r = conf->routes;
    assert_int_equal(r->protocols, CONF_HTTP | CONF_HTTPS);
    assert_true(r->strip_path);
    assert_false(r->preserve_host || r->request_buffering || r->response_buffering);
    assert_int_equal(r->https_redirect_status_code, 426);
    assert_true(r->request_body_max_size == UINT64_MAX);
    assert_int_equal(r->hosts.n + r->methods.n + r->headers_n + r->snis.n, 0);
    conf_free(&conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_members),
                                        cmocka_unit_test(test_defaults) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
