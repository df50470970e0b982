/* SPDX-License-Identifier: Apache-2.0 */
/* The top level: paths below the prefix, listeners, networks, dictionaries, the user. */
#include "loading.h"
#include <unistd.h>

static void test_paths(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("prefix = \"/p//\"; pid_file = \"x.pid\"; control_socket = \"/abs.sock\"; error_log "
               "= \"e.log\"; access_log = \"logs/a.log\";");
    assert_string_equal(conf->prefix.s, "/p");
    assert_string_equal(conf->pid_file.s, "/p/x.pid");
    assert_string_equal(conf->control_socket.s, "/abs.sock");
    assert_string_equal(conf->error_log.s, "/p/e.log");
    assert_string_equal(conf->access_log.s, "/p/logs/a.log");
    conf_free(&conf);
    conf = loaded("prefix = \"/\"; error_log = \"syslog\"; access_log = \"stdout\";");
    assert_string_equal(conf->error_log.s, "syslog");
    assert_string_equal(conf->access_log.s, "stdout");
    conf_free(&conf);
}

/* A relative prefix starts at the folder of the file, wherever the process is. */
static void test_relative_prefix(void **state)
{
    (void)state;
    struct conf_errors errors;
    const struct conf *conf =
        conf_load_text("prefix = \"run\";", 15, "/usr/lib/x.conf", false, &errors);
    assert_non_null(conf);
    assert_string_equal(conf->pid_file.s, "/usr/lib/run/gateway.pid");
    char *text = printed(conf);
    assert_non_null(strstr(text, "prefix = \"/usr/lib/run\";"));
    free(text);
    conf_free(&conf);
}

static void test_listeners(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("proxy_listen = ( { address = \"[::1]:80\"; backlog = 7; http2 = true; }, { address "
               "= \"unix:/x\"; } ); status_listen = \"off\"; admin_listen = \"127.0.0.1:1\";");
    assert_int_equal(conf->proxy_listen[0].address.u.any.sa_family, AF_INET6);
    assert_int_equal(conf->proxy_listen[0].backlog, 7);
    assert_true(conf->proxy_listen[0].http2);
    assert_int_equal(conf->proxy_listen[1].address.u.any.sa_family, AF_UNIX);
    assert_int_equal(conf->status_listen.len, 0);
    assert_string_equal(conf->status_listen.text.s, "off");
    assert_int_equal(conf->admin_listen.len, sizeof(struct sockaddr_in));
    conf_free(&conf);
}

static void test_listeners_refused(void **state)
{
    (void)state;
    refused(
        "proxy_listen = ( { address = \"127.0.0.1:80\"; },\n{ address = \"127.0.0.1:80\"; }, { "
        "address = \"localhost:80\"; },\n{ address = \"127.0.0.1:81\"; ssl = true; backlog = 0; } "
        ");\n"
        "status_listen = \"127.0.0.1:80\";\nadmin_listen = \"0.0.0.0:82\";",
        "t.conf:2: proxy_listen[1].address: \"127.0.0.1:80\" is a duplicate; another listener has "
        "it at t.conf:1\n"
        "t.conf:2: proxy_listen[2].address: \"localhost:80\" is not an address: IP:PORT, "
        "[IP6]:PORT or unix:/PATH\n"
        "t.conf:3: proxy_listen[3].backlog: 0 is out of range, 1 to 65535\n"
        "t.conf:3: proxy_listen[3].ssl: needs certificates, and there are none\n"
        "t.conf:4: status_listen: \"127.0.0.1:80\" is a duplicate; another listener has it at "
        "t.conf:1\n"
        "t.conf:5: admin_listen: must be a loopback address: who reaches it may do everything\n");
    refused("proxy_listen = ( );\nstatus_listen = \"on\";",
            "t.conf:1: proxy_listen: must not be empty\n"
            "t.conf:2: status_listen: \"on\" is not an address: IP:PORT, [IP6]:PORT or unix:/PATH, "
            "or \"off\"\n");
    refused("proxy_listen = ( { address = \"127.0.0.1:8100\"; } );",
            "t.conf: status_listen: \"127.0.0.1:8100\" is a duplicate; another listener has it at "
            "t.conf:1\n");
}

static void test_others_refused(void **state)
{
    (void)state;
    char text[512] = "\ncontrol_socket = \"/";
    memset(text + strlen(text), 'x', 107);
    strcat(text, "\";");
    struct conf_errors errors;
    assert_null(conf_load_text(text, strlen(text), "t.conf", false, &errors));
    assert_non_null(strstr(errors.text, "t.conf:2: control_socket: \"/xxx"));
    assert_non_null(strstr(errors.text, "is longer than a Unix socket's path may be (107 bytes)"));
    conf_errors_free(&errors);
    refused("trusted_ips = [ \"10.0.0.0/33\",\n\"::/0\", \"x\" ];",
            "t.conf:1: trusted_ips: \"10.0.0.0/33\" is not a network: IP or IP/BITS\n"
            "t.conf:1: trusted_ips: \"x\" is not a network: IP or IP/BITS\n");
}

static void test_name_servers(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("dns_resolver = [ \"127.0.0.53\", \"127.0.0.1:5300\", \"[::1]:54\" ]; dns_types = "
               "[ \"A\" ]; dns_min_ttl = 0.5; dns_max_ttl = 20; dns_error_ttl = 3;");
    assert_int_equal(conf->dns_resolver_n, 3);
    assert_int_equal(ntohs(conf->dns_resolver[0].u.in.sin_port), 53);
    assert_int_equal(ntohs(conf->dns_resolver[1].u.in.sin_port), 5300);
    assert_int_equal(conf->dns_resolver[2].u.any.sa_family, AF_INET6);
    assert_int_equal(conf->dns_types, CONF_DNS_A);
    assert_true(conf->dns_min_ttl > 0.4 && conf->dns_max_ttl > 19.9 && conf->dns_error_ttl > 2.9);
    conf_free(&conf);
    refused("dns_resolver = [ \"dns.example\",\n\"unix:/x\" ];\ndns_min_ttl = 9; dns_max_ttl = 8;",
            "t.conf:1: dns_resolver: \"dns.example\" is not a name server's address: IP[:PORT] or "
            "[IP6][:PORT]\n"
            "t.conf:1: dns_resolver: \"unix:/x\" is not a name server's address: IP[:PORT] or "
            "[IP6][:PORT]\n"
            "t.conf:3: dns_min_ttl: is larger than dns_max_ttl\n");
}

static void test_dicts(void **state)
{
    (void)state;
    const struct conf *conf = loaded(
        "shared_dicts = ( { name = \"a\"; size = \"1m\"; }, { name = \"b\"; size = 2097152; } );");
    assert_int_equal(conf->shared_dicts_n, 2);
    assert_string_equal(conf->shared_dicts[1].name.s, "b");
    assert_int_equal(conf->shared_dicts[1].size, 2 << 20);
    conf_free(&conf);
    unsigned long long memory =
        (unsigned long long)sysconf(_SC_PHYS_PAGES) * (unsigned long long)sysconf(_SC_PAGESIZE) >>
        20;
    char text[512], lines[512];
    snprintf(text, sizeof text,
             "shared_dicts = ( { name = \"a\"; size = \"1m\"; },\n{ name = \"a\"; size = "
             "\"%llum\"; },\n{ name = \"c\"; size = \"1m\"; } );",
             memory);
    snprintf(lines, sizeof lines,
             "t.conf:2: shared_dicts[1].name: \"a\" is a duplicate; another dictionary has it at "
             "t.conf:1\n"
             "t.conf:2: shared_dicts[1].size: all dictionaries up to this one take %llu MiB, and "
             "the machine has %llu MiB of memory\n",
             memory + 1, memory);
    refused(text, lines);
}

static void test_user(void **state)
{
    (void)state;
    const struct conf *conf = loaded("user = \"gateway\";");
    conf_free(&conf);
    if (geteuid() == 0) {
        refused("user = \"no-such-user-here\";",
                "t.conf:1: user: there is no user \"no-such-user-here\"\n");
        return;
    }
    conf = loaded("user = \"no-such-user-here\";");
    assert_string_equal(conf->user.s, "no-such-user-here");
    conf_free(&conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),          cmocka_unit_test(test_relative_prefix),
        cmocka_unit_test(test_listeners),      cmocka_unit_test(test_listeners_refused),
        cmocka_unit_test(test_others_refused), cmocka_unit_test(test_dicts),
        cmocka_unit_test(test_user),           cmocka_unit_test(test_name_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
