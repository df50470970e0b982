/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of oauth2-introspection, and the services that it makes of its URLs. */
#include "conf/plugins/plugin_oauth2_introspection.h"
#include "tests/unit/conf/loading.h"

static const struct conf_oauth2_introspection *config_of(const struct conf *conf)
{
    return conf->plugins[0].config;
}

static void test_defaults(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("plugins = ( { name = \"oauth2-introspection\"; config = { "
               "introspection_url = \"http://10.0.0.1:8080/in?a=b\"; }; } );");
    const struct conf_oauth2_introspection *c = config_of(conf);
    assert_int_equal(conf->plugins[0].priority, 1700);
    assert_int_equal(c->way, CONF_INTROSPECTION_RFC7662);
    assert_string_equal(c->path.s, "/in");
    assert_string_equal(c->query.s, "a=b");
    assert_string_equal(c->authorization.s, "");
    assert_true(c->ttl == 30 && c->negative_ttl == 5);
    assert_int_equal(c->timeout, 10000);
    assert_true(c->run_on_preflight);
    assert_false(c->introspect_request || c->hide_credentials);
    assert_int_equal(c->consumer_by, CONF_BY_USERNAME);
    assert_int_equal(c->on_error, CONF_ON_ERROR_DENY);
    assert_string_equal(c->header_names.v[0].s, "authorization");
    assert_int_equal(c->uri_param_names.n + c->custom_claims_forward.n + c->scopes_required.n, 0);
    assert_null(c->anonymous);
    assert_int_equal(conf->tokens_size, 16 << 20);
    conf_free(&conf);
}

/* Behind the services of the file, and in no list of them. */
static void test_service(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("upstreams = ( { name = \"auth\"; targets = ( { target = \"127.0.0.1:1\"; } ); } );"
               "services = ( { name = \"a\"; url = \"http://127.0.0.1/\"; routes = ( { name = "
               "\"r\"; paths "
               "= [ \"/\" ]; plugins = ( { name = \"oauth2-introspection\"; config = { "
               "oauth_service_url = "
               "\"http://auth/base/\"; token_validation_endpoint = \"/v?x\"; timeout = 700; }; } "
               "); } ); } "
               ");"
               "plugins = ( { name = \"oauth2-introspection\"; config = { introspection_url = "
               "\"https://id.example\"; tls_verify = false; keepalive = 1500; }; } );");
    assert_int_equal(conf->services_n, 1);
    assert_int_equal(conf->asked_n, 2);
    for (size_t i = 0; i < conf->plugins_n; i++) {
        const struct conf_oauth2_introspection *c = conf->plugins[i].config;
        const struct conf_service *s = c->service;
        assert_ptr_equal(s, &conf->services[s->index]);
        assert_in_range(s->index, 1, 2);
        if (c->way == CONF_INTROSPECTION_STATUS) {
            assert_ptr_equal(s->upstream, &conf->upstreams[0]);
            assert_int_equal(s->read_timeout, 700);
            assert_string_equal(c->path.s, "/base/v");
            assert_string_equal(c->query.s, "x");
        } else {
            assert_true(s->upstream->implied);
            assert_int_equal(s->protocol, CONF_HTTPS);
            assert_int_equal(s->port, 443);
            assert_false(s->tls_verify);
            assert_true(s->upstream->keepalive_idle_timeout == 1.5);
            assert_string_equal(c->path.s, "/");
        }
    }
    conf_free(&conf);
}

static const struct conf *with(const char *more)
{
    char text[1024];
    snprintf(text, sizeof text,
             "consumers = ( { username = \"guest\"; } ); plugins = ( { name = "
             "\"oauth2-introspection\"; config = { introspection_url = \"http://a/\"; %s }; } );",
             more);
    return loaded(text);
}

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf =
        with("client_id = \"a b\"; client_secret = \"c:d\"; token_type_hint = \"h\"; ttl = 0.5; "
             "consumer_by = \"client_id\"; on_error = \"allow\"; anonymous = \"guest\"; "
             "scopes_required = [ \"a b\", \"c\" ]; custom_claims_forward = [ \"x\" ]; "
             "custom_introspection_headers = { X-A = [ \"1\" ]; };");
    const struct conf_oauth2_introspection *c = config_of(conf);
    assert_string_equal(c->authorization.s, "Basic YSUyMGI6YyUzQWQ="); /* a%20b:c%3Ad */
    assert_true(c->ttl == 0.5);
    assert_int_equal(c->consumer_by, CONF_BY_CLIENT_ID);
    assert_int_equal(c->on_error, CONF_ON_ERROR_ALLOW);
    assert_ptr_equal(c->anonymous, &conf->consumers[0]);
    assert_string_equal(c->scopes_required.v[0].s, "a b");
    conf_free(&conf);
}

/* It changes with all that an answer depends on, and with nothing else. */
static void test_fingerprint(void **state)
{
    static const char *const others[] = { "token_type_hint = \"h\";",
                                          "ttl = 7;",
                                          "negative_ttl = 7;",
                                          "tls_verify = false;",
                                          "authorization_value = \"x\";",
                                          "introspect_request = true;",
                                          "custom_claims_forward = [ \"x\" ];",
                                          "custom_introspection_headers = { x = [ \"y\" ]; };" };
    static const char *const same[] = { "timeout = 7;", "scopes_required = [ \"x\" ];",
                                        "on_error = \"allow\";", "anonymous = \"guest\";" };
    const struct conf *base = with(""), *conf;
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        conf = with(others[i]);
        assert_string_not_equal(config_of(conf)->fingerprint.s, config_of(base)->fingerprint.s);
        conf_free(&conf);
    }
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        conf = with(same[i]);
        assert_string_equal(config_of(conf)->fingerprint.s, config_of(base)->fingerprint.s);
        conf_free(&conf);
    }
    conf_free(&base);
}

#define AT "t.conf:1: plugins[0].config."

static void refuses(const char *config, const char *lines)
{
    char text[1024];
    snprintf(text, sizeof text,
             "plugins = ( { name = \"oauth2-introspection\"; config = { %s }; } );", config);
    refused(text, lines);
}

static void test_refused(void **state)
{
    (void)state;
    refuses("", AT "introspection_url: is missing, and so is oauth_service_url\n");
    refuses("introspection_url = \"x\";",
            AT "introspection_url: \"x\" is not a URL: http://HOST[:PORT][/PATH] or "
               "https://HOST[:PORT][/PATH]\n");
    refuses("introspection_url = \"http://me:secret@x/\";",
            AT "introspection_url: must not have a user or password\n");
    refuses("introspection_url = \"http://x/?a b\";",
            AT "introspection_url: has a query with a character that it cannot contain\n");
    refuses("introspection_url = \"http://x/\"; oauth_service_url = \"http://y/\";",
            AT "oauth_service_url: cannot be used with introspection_url\n");
    refuses("oauth_service_url = \"http://y/?a\";",
            AT "oauth_service_url: must not have a query\n");
    refuses("oauth_service_url = \"http://y/\"; authorization_value = \"b\";", AT
            "authorization_value: cannot be used with oauth_service_url: it is shown the token\n");
    refuses("introspection_url = \"http://x/\"; client_id = \"a\";",
            AT "client_secret: is missing\n");
    refuses("introspection_url = \"http://x/\"; client_secret = \"a\";",
            AT "client_id: is missing\n");
    refuses("introspection_url = \"http://x/\"; client_id = \"a\"; authorization_value = \"b\";",
            AT "client_id: cannot be used with authorization_value\n");
    refuses("introspection_url = \"http://x/\"; header_names = [ ];",
            AT "header_names: a token must be allowed somewhere\n");
    refuses("introspection_url = \"http://x/\"; scopes_required = [ \"a\\\"b\" ];",
            AT "scopes_required: \"a\"b\" is not a list of scopes, separated by spaces\n");
    refuses("introspection_url = \"http://x/\"; custom_introspection_headers = { a = [ \"1\", "
            "\"2\" ]; };",
            AT "custom_introspection_headers: has more than one value for a\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_service),
        cmocka_unit_test(test_fields),   cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
