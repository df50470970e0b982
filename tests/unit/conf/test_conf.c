/* SPDX-License-Identifier: Apache-2.0 */
/* The loader as a whole: the example of the contract, what is printed, files, the environment,
 * errors in file order. */
#include "conf/fields.h"
#include "loading.h"
#include <unistd.h>

static const char *const example_path = "tests/unit/conf/example.conf";

static char *slurp(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

/* The example with its prefix changed to `folder`. */
static char *example_in(const char *folder)
{
    static const char prefix[] = "\"/run/gateway\"";
    char *text = slurp(example_path), *at = strstr(text, prefix), *out = NULL;
    assert_non_null(at);
    assert_true(
        asprintf(&out, "%.*s\"%s\"%s", (int)(at - text), text, folder, at + sizeof prefix - 1) > 0);
    free(text);
    return out;
}

static void test_example(void **state)
{
    (void)state;
    char *folder = make_folder(), *text = example_in(folder);
    make_certificate(folder, "server");
    const struct conf *conf = loaded(text);
    assert_int_equal(conf->proxy_listen_n, 2);
    assert_true(conf->proxy_listen[1].ssl && conf->proxy_listen[1].http2);
    assert_int_equal(conf->proxy_listen[0].backlog, 4096);
    assert_int_equal(conf->client_header_buffer_size, 16384);
    assert_int_equal(conf->control_socket_mode, 0660);
    assert_string_equal(conf->prefix.s, folder);
    assert_int_equal(conf->shared_dicts[0].size, 128 << 20);
    assert_int_equal(conf->upstreams_n, 1);
    assert_int_equal(conf->upstreams[0].targets[1].weight, 50);
    assert_int_equal(conf->upstreams[0].targets_n, 2);
    assert_ptr_equal(conf->services[0].upstream, &conf->upstreams[0]);
    assert_int_equal(conf->routes_n, 1);
    assert_ptr_equal(conf->routes[0].service, &conf->services[0]);
    assert_null(conf->routes[0].paths[0].regex);
    assert_non_null(conf->routes[0].paths[1].regex);
    assert_true(conf->routes[0].request_body_max_size == UINT64_MAX);
    assert_int_equal(conf->consumers[0].jwt_secrets[0].algorithm, CONF_HS256);
    assert_string_equal(conf->consumers[0].groups.v[0].s, "customers");
    assert_int_equal(conf->routes[0].chain->links_n, 2);
    assert_int_equal(conf->routes[0].chain->links[0].kind, CONF_PLUGIN_PROXY_CACHE);
    conf_free(&conf);
    assert_null(conf);
    free(text);
    remove_folder(folder);
}

static void test_print_loads_again(void **state)
{
    (void)state;
    char *folder = make_folder(), *text = example_in(folder);
    make_certificate(folder, "server");
    const struct conf *conf = loaded(text);
    char *first = printed(conf);
    conf_free(&conf);
    conf = loaded(first);
    char *second = printed(conf);
    assert_string_equal(first, second);
    assert_non_null(strstr(first, "cache_ttl = 300;"));
    assert_non_null(strstr(first, "client_header_buffer_size = \"16k\";"));
    conf_free(&conf);
    free(first);
    free(second);
    free(text);
    remove_folder(folder);
}

/* Nothing but defaults, and what they say. */
static void test_empty(void **state)
{
    (void)state;
    const struct conf *conf = loaded("");
    assert_int_equal(conf->proxy_listen_n, 1);
    assert_string_equal(conf->proxy_listen[0].address.text.s, "127.0.0.1:8000");
    assert_string_equal(conf->prefix.s, "/run/gateway");
    assert_string_equal(conf->pid_file.s, "/run/gateway/gateway.pid");
    assert_string_equal(conf->control_socket.s, "/run/gateway/control.sock");
    assert_string_equal(conf->error_log.s, "stderr");
    assert_int_equal(conf->admin_listen.len, 0);
    assert_int_equal(conf->chain_unrouted->links_n, 0);
    assert_true(conf->header_request_id && conf->header_proxy_latency &&
                conf->header_upstream_latency);
    assert_int_equal(conf->shared_dicts_n, 1);
    conf_free(&conf);
}

static void test_every_default_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < fields_top.rows_n; i++)
        assert_true(fields_top.rows[i].doc && fields_top.rows[i].preset);
}

/* The repository's own file loads, and shows each setting of the top level. */
static void test_own_file(void **state)
{
    (void)state;
    struct conf_errors errors;
    const struct conf *conf = conf_load("gateway.conf", false, &errors);
    if (!conf)
        print_error("%s", errors.text);
    assert_non_null(conf);
    char *cwd = getcwd(NULL, 0), *text = slurp("gateway.conf"), expected[4096];
    snprintf(expected, sizeof expected, "%s/build/run", cwd);
    assert_string_equal(conf->prefix.s, expected);
    for (size_t i = 0; i < fields_top.rows_n; i++) {
        const struct fields_row *row = &fields_top.rows[i];
        char key[128];
        snprintf(key, sizeof key, "\n%s = ", row->key);
        char *at = strstr(text, key);
        snprintf(key, sizeof key, "\n# %s = ", row->key);
        char *comment = strstr(text, key);
        if (!at && !comment)
            print_error("%s is missing in gateway.conf\n", row->key);
        assert_true(at || comment);
        if (comment && !at)
            assert_memory_equal(comment + strlen(key), row->preset, strlen(row->preset));
    }
    free(text);
    free(cwd);
    conf_free(&conf);
}

static void test_errors_in_file_order(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"jwtt\"; } );\n"
            "services = ( { name = \"s\"; url = \"http://127.0.0.1\"; routes = (\n"
            "  { name = \"a\"; paths = [ \"/\" ]; },\n"
            "  { name = \"b\"; paths = [ \"/ok\",\n"
            "     \"~/v(\" ]; } ); } );\n"
            "wrokers = 1;\n"
            "workers = \"a\";\n",
            "t.conf:1: plugins[0].name: there is no plugin \"jwtt\"; the nearest name is \"jwt\"\n"
            "t.conf:5: services[0].routes[1].paths: \"~/v(\" is not a valid pattern: missing "
            "closing parenthesis at offset 4\n"
            "t.conf:6: wrokers: unknown key; the nearest known one is \"workers\"\n"
            "t.conf:7: workers: must be an integer, not a string\n");
}

static void test_syntax(void **state)
{
    (void)state;
    refused("workers = 1;\nuser = ;\n", "t.conf:2: syntax error\n");
    refused("workers = 1;\nworkers = 2;\n", "t.conf:2: duplicate setting name\n");
    refused("  @include \"/etc/passwd\"\n", "t.conf:1: @include is not supported\n");
    struct conf_errors errors;
    assert_null(conf_load_text("a\0b", 3, "t.conf", false, &errors));
    assert_string_equal(errors.text, "t.conf:1: a NUL byte\n");
    conf_errors_free(&errors);
}

static void test_files(void **state)
{
    (void)state;
    struct conf_errors errors;
    assert_null(conf_load("/nonexistent.conf", false, &errors));
    assert_string_equal(errors.text,
                        "/nonexistent.conf: cannot be read: No such file or directory\n");
    conf_errors_free(&errors);
    assert_null(conf_load("/tmp", false, &errors));
    assert_string_equal(errors.text, "/tmp: cannot be read: Is a directory\n");
    conf_errors_free(&errors);
    assert_null(conf_load("/dev/null", false, &errors));
    assert_int_equal(errors.n, 1);
    conf_errors_free(&errors);
}

static void test_environment(void **state)
{
    (void)state;
    struct conf_errors errors;
    setenv("GATEWAY_WORKERS", "7", 1);
    setenv("GATEWAY_WORKER_CPU_AFFINITY", "true", 1);
    setenv("GATEWAY_LOG_LEVEL", "debug", 1);
    setenv("GATEWAY_REQUEST_BODY_MAX_SIZE", "2m", 1);
    setenv("GATEWAY_PREFIX", "/elsewhere", 1);
    setenv("GATEWAY_SERVICES", "not a scalar", 1);
    setenv("GATEWAY_SERVICE_PORT", "not ours", 1);
    static const char text[] = "workers = 2; log_level = \"error\";";
    const struct conf *conf = conf_load_text(text, strlen(text), "t.conf", true, &errors);
    assert_non_null(conf);
    assert_int_equal(conf->workers, 7);
    assert_true(conf->worker_cpu_affinity);
    assert_int_equal(conf->log_level, CONF_LOG_DEBUG);
    assert_int_equal(conf->request_body_max_size, 2 << 20);
    assert_string_equal(conf->pid_file.s, "/elsewhere/gateway.pid");
    conf_free(&conf);
    conf = loaded(text);
    assert_int_equal(conf->workers, 2);
    conf_free(&conf);
    setenv("GATEWAY_WORKERS", "many", 1);
    setenv("GATEWAY_LOG_LEVEL", "loud", 1);
    assert_null(conf_load_text(text, strlen(text), "t.conf", true, &errors));
    assert_string_equal(
        errors.text,
        "GATEWAY_WORKERS: must be an integer, not a string\n"
        "GATEWAY_LOG_LEVEL: \"loud\" is not one of: debug, info, notice, warn, error\n");
    conf_errors_free(&errors);
    unsetenv("GATEWAY_WORKERS");
    unsetenv("GATEWAY_WORKER_CPU_AFFINITY");
    unsetenv("GATEWAY_LOG_LEVEL");
    unsetenv("GATEWAY_REQUEST_BODY_MAX_SIZE");
    unsetenv("GATEWAY_PREFIX");
    unsetenv("GATEWAY_SERVICES");
    unsetenv("GATEWAY_SERVICE_PORT");
}

static void test_worker_count(void **state)
{
    (void)state;
    const struct conf *conf = loaded("workers = 5;");
    assert_int_equal(conf_worker_count(conf), 5);
    conf_free(&conf);
    conf = loaded("");
    assert_in_range(conf_worker_count(conf), 1, 120);
    conf_free(&conf);
}

static void test_trusts(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("trusted_ips = [ \"10.1.2.3/9\", \"2001:db8::/33\", \"192.0.2.7\" ];");
    static const struct {
        uint8_t ip[16];
        bool trusted;
    } cases[] = {
        { { [10] = 255, 255, 10, 0, 0, 1 }, true },
        { { [10] = 255, 255, 10, 127, 255, 255 }, true },
        { { [10] = 255, 255, 10, 128, 0, 1 }, false },
        { { [10] = 255, 255, 192, 0, 2, 7 }, true },
        { { [10] = 255, 255, 192, 0, 2, 6 }, false },
        { { 0x20, 1, 0x0d, 0xb8, 0x7f }, true },
        { { 0x20, 1, 0x0d, 0xb8, 0x80 }, false },
        { { 0x20, 1, 0x0d, 0xb9 }, false },
        { { [12] = 10, 0, 0, 1 }, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(conf_trusts(conf, cases[i].ip), cases[i].trusted);
    assert_false(conf_trusts(conf, (const uint8_t[16]){ 0 }));
    conf_free(&conf);
    conf = loaded("trusted_ips = [ \"::/0\" ];"); /* neither IPv4 nor Unix sockets are in it */
    assert_true(conf_trusts(conf, (const uint8_t[16]){ 0x20, 1 }));
    assert_false(conf_trusts(conf, (const uint8_t[16]){ [10] = 255, 255, 10, 0, 0, 1 }));
    assert_false(conf_trusts(conf, (const uint8_t[16]){ 0 }));
    conf_free(&conf);
    conf = loaded("trusted_ips = [ \"unix:\" ];");
    assert_true(conf_trusts(conf, (const uint8_t[16]){ 0 }));
    assert_false(conf_trusts(conf, (const uint8_t[16]){ [15] = 1 }));
    conf_free(&conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),     cmocka_unit_test(test_print_loads_again),
        cmocka_unit_test(test_empty),       cmocka_unit_test(test_every_default_is_sound),
        cmocka_unit_test(test_own_file),    cmocka_unit_test(test_errors_in_file_order),
        cmocka_unit_test(test_syntax),      cmocka_unit_test(test_files),
        cmocka_unit_test(test_environment), cmocka_unit_test(test_worker_count),
        cmocka_unit_test(test_trusts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
