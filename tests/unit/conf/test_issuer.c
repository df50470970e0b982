/* SPDX-License-Identifier: Apache-2.0 */
/* Issuers that plugins name: URLs taken apart, one for all who name it alike, and what is refused.
 */
#include "conf/issuer.h"
#include "conf/plugins/plugin_jwt.h"
#include "loading.h"

static const struct conf_issuer *issuer_of(const struct conf *conf, size_t plugin)
{
    return ((const struct conf_jwt *)conf->plugins[plugin].config)->issuer;
}

static void test_urls(void **state)
{
    static const struct {
        const char *url, *host, *authority, *target;
        int port;
    } cases[] = {
        { "https://Id.Example/a/b?c=d", "id.example", "Id.Example", "/a/b?c=d", 443 },
        { "http://127.0.0.1:8080", "127.0.0.1", "127.0.0.1:8080", "/", 8080 },
        { "http://[::1]:99?x", "::1", "[::1]:99", "/?x", 99 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "plugins = ( { name = \"jwt\"; config = { jwks_uri = \"%s\"; }; } );",
                 cases[i].url);
        const struct conf *conf = loaded(text);
        const struct conf_issuer *it = issuer_of(conf, 0);
        assert_string_equal(it->host.s, cases[i].host);
        assert_string_equal(it->authority.s, cases[i].authority);
        assert_string_equal(it->target.s, cases[i].target);
        assert_int_equal(it->port, cases[i].port);
        assert_true(it->tls_verify && it->identity != 0);
        assert_int_equal(issuer_count(conf->issuers), 1);
        conf_free(&conf);
    }
}

static void test_shared(void **state)
{
    (void)state;
    const struct conf *conf = loaded(
        "consumers = ( { username = \"a\"; } ); services = ( { name = \"s\"; url = "
        "\"http://127.0.0.1:1/\"; routes = ( { name = \"r\"; paths = [ \"/\" ]; } ); } );\n"
        "plugins = ( { name = \"jwt\"; config = { jwks_uri = \"https://a/k\"; }; },\n"
        "{ name = \"jwt\"; service = \"s\"; config = { jwks_uri = \"https://a/k\"; consumer_claim "
        "= "
        "\"sub\"; }; },\n"
        "{ name = \"jwt\"; route = \"r\"; config = { jwks_uri = \"https://a/k\"; jwks_tls_verify = "
        "false; }; } );");
    assert_ptr_equal(issuer_of(conf, 0), issuer_of(conf, 1));
    assert_ptr_not_equal(issuer_of(conf, 0), issuer_of(conf, 2));
    assert_true(issuer_of(conf, 0)->identity != issuer_of(conf, 2)->identity);
    assert_int_equal(issuer_count(conf->issuers), 2);
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"jwt\"; config = { jwks_uri = \"https://a b/\"; }; } );",
            "t.conf:1: plugins[0].config.jwks_uri: \"https://a b/\" is not a URL: "
            "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]\n");
    refused("plugins = ( { name = \"jwt\"; config = { jwks_uri = \"https://a/?b#c\"; }; } );",
            "t.conf:1: plugins[0].config.jwks_uri: \"https://a/?b#c\" has a path or query with a "
            "character that none can contain\n");
    refused("plugins = ( { name = \"jwt\"; config = { jwks_ca_certificates = \"/x\"; }; } );",
            "t.conf:1: plugins[0].config.jwks_ca_certificates: needs jwks_uri\n");
    refused("plugins = ( { name = \"jwt\"; config = { consumer_claim = \"x\"; }; } );",
            "t.conf:1: plugins[0].config.consumer_claim: needs jwks_uri\n");
    refused("jwks_min_ttl = 5.0; jwks_max_ttl = 4.0;",
            "t.conf:1: jwks_min_ttl: is larger than jwks_max_ttl\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_urls), cmocka_unit_test(test_shared),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
