/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of networks against a slow twin that looks at each of them. */
#include "conf/networks.h"
#include "loading.h"

#include "conf/endpoint.h"
#include "conf/plugins/plugin_ip_restriction.h"

static bool holds_slowly(const struct conf_cidr *v, size_t n, const uint8_t ip[16])
{
    for (size_t i = 0; i < n; i++) {
        int bit = 0;
        while (bit < v[i].bits && !((v[i].ip[bit / 8] ^ ip[bit / 8]) & (0x80 >> bit % 8)))
            bit++;
        if (bit == v[i].bits)
            return true;
    }
    return false;
}

static const struct conf_networks *allowed(const struct conf *conf)
{
    return &((const struct conf_ip_restriction *)conf->plugins[0].config)->allow;
}

static bool asks(const struct conf_networks *set, const char *text)
{
    struct conf_cidr one;
    assert_null(endpoint_cidr((struct conf_text){ text, strlen(text) }, &one));
    return networks_hold(set, one.ip);
}

static void test_borders(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("plugins = ( { name = \"ip-restriction\"; config = { allow = [ \"10.1.0.0/16\", "
               "\"10.1.2.0/24\", \"192.0.2.7\", \"2001:db8::/33\", \"10.3.0.0/15\" ]; }; } );");
    const struct conf_networks *set = allowed(conf);
    assert_int_equal(set->n, 4);
    assert_true(asks(set, "10.1.0.0") && asks(set, "10.1.255.255") && asks(set, "10.1.2.3"));
    assert_false(asks(set, "10.0.255.255") || asks(set, "10.4.0.0"));
    assert_true(asks(set, "10.2.0.0") && asks(set, "10.3.255.255"));
    assert_true(asks(set, "192.0.2.7"));
    assert_false(asks(set, "192.0.2.6") || asks(set, "192.0.2.8") || asks(set, "0.0.0.0"));
    assert_true(asks(set, "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"));
    assert_false(asks(set, "2001:db8:8000::") || asks(set, "::") || asks(set, "ffff::"));
    conf_free(&conf);
}

/* "::/0" is all of IPv6 and nothing of IPv4. */
static void test_ipv6_does_not_hold_ipv4(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("plugins = ( { name = \"ip-restriction\"; config = { allow = [ "
               "\"::/0\", \"10.1.0.0/16\", \"::/64\" ]; }; } );");
    const struct conf_networks *set = allowed(conf);
    assert_true(asks(set, "10.1.2.3"));
    assert_false(asks(set, "10.2.0.0") || asks(set, "0.0.0.0") || asks(set, "255.255.255.255"));
    assert_true(asks(set, "::") && asks(set, "::1") && asks(set, "::fffe:ffff:ffff"));
    assert_true(asks(set, "0:0:0:0:0:1::") && asks(set, "2001:db8::1"));
    assert_true(asks(set, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    conf_free(&conf);
    conf = loaded("plugins = ( { name = \"ip-restriction\"; config = { allow = [ "
                  "\"0.0.0.0/0\", \"::/80\" ]; }; } );");
    set = allowed(conf);
    assert_true(asks(set, "0.0.0.0") && asks(set, "255.255.255.255"));
    assert_true(asks(set, "::1") && asks(set, "::fffe:ffff:ffff"));
    assert_false(asks(set, "::1:0:0:0") || asks(set, "8000::"));
    conf_free(&conf);
}

static uint32_t dice = 1;
static uint32_t roll(void)
{
    dice = dice * 1664525 + 1013904223;
    return dice >> 8;
}

/* Thousands of networks in a small space, so that many lie within others. */
static void test_like_the_twin(void **state)
{
    (void)state;
    enum { N = 3000 };
    char *text = malloc(N * 32 + 256), *at = text;
    static struct conf_cidr all[N];
    assert_non_null(text);
    at += sprintf(at, "plugins = ( { name = \"ip-restriction\"; config = { allow = [ ");
    for (int i = 0; i < N; i++) {
        char one[64];
        sprintf(one, "10.%u.%u.%u/%u", roll() % 8, roll() % 256, roll() % 256, 18 + roll() % 15);
        assert_null(endpoint_cidr((struct conf_text){ one, strlen(one) }, &all[i]));
        at += sprintf(at, "%s\"%s\"", i ? ", " : "", one);
    }
    sprintf(at, " ]; }; } );");
    const struct conf *conf = loaded(text);
    int held = 0;
    for (int i = 0; i < 20000; i++) {
        uint8_t ip[16] = { [10] = 0xff,
                           [11] = 0xff,
                           [12] = 10,
                           [13] = (uint8_t)(roll() % 9),
                           [14] = (uint8_t)roll(),
                           [15] = (uint8_t)roll() };
        bool slow = holds_slowly(all, N, ip);
        held += slow;
        assert_int_equal(networks_hold(allowed(conf), ip), slow);
    }
    assert_in_range(held, 1000, 19000);
    conf_free(&conf);
    free(text);
}

static void test_refused(void **state)
{
    (void)state;
    refused(
        "plugins = ( { name = \"ip-restriction\"; config = { allow = [ \"10.0.0.0/33\", \"10.1\", "
        "\"::/0\" ]; }; } );",
        "t.conf:1: plugins[0].config.allow: \"10.0.0.0/33\" is not a network: IP or IP/BITS\n"
        "t.conf:1: plugins[0].config.allow: \"10.1\" is not a network: IP or IP/BITS\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_borders),
                                        cmocka_unit_test(test_ipv6_does_not_hold_ipv4),
                                        cmocka_unit_test(test_like_the_twin),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
