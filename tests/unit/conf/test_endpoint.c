/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, networks, URLs and targets in text. */
#include "conf/endpoint.h"
#include "loading.h"
#include <arpa/inet.h>

static struct conf_text text_of(const char *s)
{
    return (struct conf_text){ s, strlen(s) };
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const good[] = { "127.0.0.1:8000", "0.0.0.0:1", "[::1]:65535",
                                        "[2001:db8::1]:80", "unix:/run/x.sock" };
    static const char *const bad[] = { "",
                                       "127.0.0.1",
                                       "127.0.0.1:",
                                       "127.0.0.1:0",
                                       "127.0.0.1:65536",
                                       "127.0.0.1:8o",
                                       "localhost:80",
                                       "*:80",
                                       "::1:80",
                                       "[::1]",
                                       "[::1]80",
                                       "[::1:80",
                                       "[127.0.0.1]:80",
                                       "[::ffff:127.0.0.1]:80",
                                       "[fe80::1]:80",
                                       "[fe80::1%lo]:80",
                                       "unix:relative",
                                       "unix:",
                                       ":80" };
    struct conf_address address;
    char text[ENDPOINT_TEXT];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct sockaddr_storage addr = { 0 };
        memset(&address, 0, sizeof address);
        assert_null(endpoint_address(text_of(good[i]), &address));
        assert_string_equal(address.text.s, good[i]);
        memcpy(&addr, &address.u, address.len);
        endpoint_text(&addr, text);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memset(&address, 0, sizeof address);
        assert_non_null(endpoint_address(text_of(bad[i]), &address));
        assert_int_equal(address.len, 0);
    }
}

static void test_long_socket_path(void **state)
{
    (void)state;
    char text[256] = "unix:/";
    struct conf_address address = { 0 };
    memset(text + 6, 'a', 106);
    text[5 + 107] = 0;
    assert_null(endpoint_address(text_of(text), &address));
    text[5 + 107] = 'a';
    text[5 + 108] = 0;
    assert_non_null(endpoint_address(text_of(text), &address));
}

static void test_local(void **state)
{
    (void)state;
    static const char *const local[] = { "127.0.0.1:1", "127.255.0.1:1", "[::1]:1", "unix:/x" };
    static const char *const other[] = { "0.0.0.0:1", "128.0.0.1:1", "[::]:1", "[2001:db8::1]:1" };
    for (size_t i = 0; i < 4; i++) {
        struct conf_address address = { 0 };
        assert_null(endpoint_address(text_of(local[i]), &address));
        assert_true(endpoint_is_local(&address));
        assert_null(endpoint_address(text_of(other[i]), &address));
        assert_false(endpoint_is_local(&address));
    }
}

static void test_networks(void **state)
{
    (void)state;
    struct conf_cidr net;
    assert_null(endpoint_cidr(text_of("10.255.3.4/9"), &net));
    assert_int_equal(net.bits, 96 + 9);
    assert_memory_equal(net.ip, ((const uint8_t[16]){ [10] = 255, 255, 10, 128 }), 16);
    assert_null(endpoint_cidr(text_of("2001:db8:ffff::/36"), &net));
    assert_int_equal(net.bits, 36);
    assert_memory_equal(net.ip, ((const uint8_t[16]){ 0x20, 1, 0x0d, 0xb8, 0xf0 }), 16);
    assert_null(endpoint_cidr(text_of("0.0.0.0/0"), &net));
    assert_int_equal(net.bits, 96);
    assert_null(endpoint_cidr(text_of("192.0.2.1"), &net));
    assert_int_equal(net.bits, 128);
    static const char *const bad[] = {
        "",       "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x",
        "::/129", "10.0.0/8",  "host/8",      "/8"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(endpoint_cidr(text_of(bad[i]), &net));
}

static void check_url(const char *text, enum conf_protocol protocol, const char *host, int port,
                      const char *path)
{
    struct endpoint_url url;
    assert_null(endpoint_url(text_of(text), &url));
    assert_int_equal(url.protocol, protocol);
    assert_int_equal(url.host.n, strlen(host));
    assert_memory_equal(url.host.s, host, url.host.n);
    assert_int_equal(url.port, port);
    assert_string_equal(url.path.s, path);
}

static void test_urls(void **state)
{
    (void)state;
    check_url("http://orders.v1/", CONF_HTTP, "orders.v1", 80, "/");
    check_url("https://h", CONF_HTTPS, "h", 443, "");
    check_url("http://10.0.0.1:8080/a/b", CONF_HTTP, "10.0.0.1", 8080, "/a/b");
    check_url("https://[2001:db8::1]:444", CONF_HTTPS, "2001:db8::1", 444, "");
    check_url("http://[::1]/x", CONF_HTTP, "::1", 80, "/x");
    static const char *const bad[] = { "",
                                       "h",
                                       "ftp://h",
                                       "http:/h",
                                       "http://",
                                       "http:///a",
                                       "http://h:0",
                                       "http://h:99999",
                                       "http://u@h",
                                       "http://h#x",
                                       "http://h/a b",
                                       "http://h/?q",
                                       "http://[::1",
                                       "http://[x]/",
                                       "http://[fe80::1]/",
                                       "http://[fe80::1%25lo]/",
                                       "HTTP://h" };
    struct endpoint_url url;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(endpoint_url(text_of(bad[i]), &url));
}

static void test_one_form_of_an_address(void **state)
{
    (void)state;
    static const char *const same[][2] = { { "::1", "::1" },
                                           { "0:0::1", "::1" },
                                           { "0000:0:0:0:0:0:0:0001", "::1" },
                                           { "2001:DB8::A", "2001:db8::a" },
                                           { "::ffff:0102:0304", "::ffff:1.2.3.4" } };
    static const char *const none[] = { "", "1.2.3.4", "a", "[::1]", "::1%lo", "1:2" };
    char text[ENDPOINT_SIX];
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_true(endpoint_six(same[i][0], strlen(same[i][0]), text));
        assert_string_equal(text, same[i][1]);
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(endpoint_six(none[i], strlen(none[i]), text));
    char longest[] = "1111:2222:3333:4444:5555:6666:7777:88888888888888";
    assert_false(endpoint_six(longest, sizeof longest - 1, text));
}

static void test_addresses_of_a_link(void **state)
{
    (void)state;
    static const char *const lost[] = { "fe80::1", "FEBF::1", "fe80::1%eth0", "fe80::1%25eth0",
                                        "2001:db8::1%eth0" };
    static const char *const found[] = {
        "2001:db8::1", "fd00::1", "::1", "1.2.3.4", "fe80", "a%b"
    };
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++)
        assert_non_null(endpoint_of_a_link(text_of(lost[i])));
    for (size_t i = 0; i < sizeof found / sizeof *found; i++)
        assert_null(endpoint_of_a_link(text_of(found[i])));
}

static void check_target(const char *text, const char *host, int port)
{
    struct conf_text found;
    int found_port;
    assert_null(endpoint_target(text_of(text), 8000, &found, &found_port));
    assert_int_equal(found.n, strlen(host));
    assert_memory_equal(found.s, host, found.n);
    assert_int_equal(found_port, port);
}

static void test_targets(void **state)
{
    (void)state;
    check_target("h:9", "h", 9);
    check_target("h", "h", 8000);
    check_target("[::1]:7", "::1", 7);
    check_target("unix:/a", "", 0);
    static const char *const bad[] = { "",      ":80",    "h:",    "h:0", "h:x",
                                       "h:1:2", "unix:a", "[h]:1", "h/a" };
    struct conf_text host;
    int port;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_non_null(endpoint_target(text_of(bad[i]), 8000, &host, &port));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_one_form_of_an_address),
        cmocka_unit_test(test_addresses_of_a_link),
        cmocka_unit_test(test_long_socket_path),
        cmocka_unit_test(test_local),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
