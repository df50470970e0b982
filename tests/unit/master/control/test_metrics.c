/* SPDX-License-Identifier: Apache-2.0 */
/* The Prometheus text: well-formed line by line, families whole, histograms cumulative, labels
 * escaped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/control/metrics.h"
#include "tests/unit/master/control/api_fixture.h"

enum { LINES_MAX = 2000, FAMILIES_MAX = 100 };

static int setup(void **state)
{
    struct fixture *f = fixture_make();
    struct stats_route_shm *row;

    if (f == NULL)
        return 1;
    for (int i = 0; i < 2; i++) {
        row = stats_route(&f->heritage.stats, 0, i);
        stats_add(&row->requests, 3);
        stats_add(&row->status[2], 2);
        stats_add(&row->status[5], 1);
        stats_add(&row->cache[STATS_HIT], 1);
        stats_add(&row->bytes_out, 1000);
        stats_latency(row, 90);
        stats_latency(row, 1500);
        stats_latency(row, 60000000);
    }
    stats_add(&stats_process(&f->heritage.stats, 1)->accepted, 5);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static char *text_of(struct fixture *f)
{
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    assert_true(metrics_write(&f->api, out));
    fclose(out);
    return text;
}

/* The rest behind a name of a metric or label; NULL when there is none. */
static const char *skip_name(const char *at, bool colon)
{
    const char *from = at;

    while ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_' ||
           (colon && *at == ':') || (at > from && *at >= '0' && *at <= '9'))
        at++;
    return at > from ? at : NULL;
}

static const char *skip_value(const char *at)
{
    if (*at++ != '"')
        return NULL;
    for (; *at != '"'; at++) {
        if (*at == '\0' || *at == '\n')
            return NULL;
        if (*at == '\\' && *++at != '\\' && *at != '"' && *at != 'n')
            return NULL;
    }
    return at + 1;
}

static const char *skip_labels(const char *at)
{
    if (*at != '{')
        return at;
    do {
        at = skip_name(at + 1, false);
        if (at == NULL || *at != '=' || (at = skip_value(at + 1)) == NULL)
            return NULL;
    } while (*at == ',');
    return *at == '}' ? at + 1 : NULL;
}

/* A sample line: name, labels, a number. */
static bool is_sample(const char *line)
{
    const char *at = skip_name(line, true);
    char *end;

    if (at == NULL || (at = skip_labels(at)) == NULL || *at != ' ')
        return false;
    strtod(at + 1, &end);
    return end > at + 1 && *end == '\0';
}

/* The family that a sample belongs to: of a histogram, without its last word. */
static bool belongs(const char *line, const char *family, bool histogram)
{
    static const char *const endings[] = { "_bucket", "_sum", "_count" };
    size_t n = strlen(family);

    if (strncmp(line, family, n) != 0)
        return false;
    for (size_t i = 0; histogram && i < 3; i++)
        if (strncmp(line + n, endings[i], strlen(endings[i])) == 0)
            return true;
    return !histogram && (line[n] == '{' || line[n] == ' ');
}

static void test_form(void **state)
{
    char *text = text_of(*state), *save, family[128] = "", *seen[FAMILIES_MAX], *samples[LINES_MAX];
    size_t families = 0, n = 0;
    bool histogram = false;

    assert_int_equal(text[strlen(text) - 1], '\n');
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_int_equal(sscanf(line, "# HELP %127s", family), 1);
            for (size_t i = 0; i < families; i++)
                assert_string_not_equal(seen[i], family);
            seen[families++] = strdup(family);
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            char name[128], type[32];
            assert_int_equal(sscanf(line, "# TYPE %127s %31s", name, type), 2);
            assert_string_equal(name, family);
            histogram = strcmp(type, "histogram") == 0;
            assert_true(histogram || strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0);
            size_t length = strlen(name);
            if (strcmp(type, "counter") == 0)
                assert_string_equal(name + length - 6, "_total");
        } else {
            assert_true(is_sample(line));
            assert_true(belongs(line, family, histogram));
            char *series = strndup(line, (size_t)(strrchr(line, ' ') - line));
            for (size_t i = 0; i < n; i++) /* no series twice */
                assert_string_not_equal(samples[i], series);
            samples[n++] = series;
        }
    }
    assert_true(families > 30 && n > 80);
    while (families > 0)
        free(seen[--families]);
    while (n > 0)
        free(samples[--n]);
    free(text);
}

static void test_values(void **state)
{
    static const char *const lines[] = {
        "gateway_http_requests_total{route=\"orders\",service=\"orders\",code=\"2xx\"} 2\n",
        "gateway_http_requests_total{route=\"quiet \\\"one\\\"\",service=\"orders\",code=\"5xx\"} "
        "1\n",
        "gateway_http_request_duration_seconds_bucket{route=\"orders\",service=\"orders\",le=\"0."
        "0001\"} 1\n",
        "gateway_http_request_duration_seconds_bucket{route=\"orders\",service=\"orders\",le=\"0."
        "0025\"} 2\n",
        "gateway_http_request_duration_seconds_bucket{route=\"orders\",service=\"orders\",le="
        "\"10\"} 2\n",
        "gateway_http_request_duration_seconds_bucket{route=\"orders\",service=\"orders\",le=\"+"
        "Inf\"} 3\n",
        "gateway_http_request_duration_seconds_sum{route=\"orders\",service=\"orders\"} "
        "60.001590\n",
        "gateway_http_request_duration_seconds_count{route=\"orders\",service=\"orders\"} 3\n",
        "gateway_http_response_bytes_total{route=\"orders\",service=\"orders\"} 1000\n",
        "gateway_cache_requests_total{route=\"orders\",service=\"orders\",status=\"hit\"} 1\n",
        "gateway_shared_dict_objects{dict=\"gateway_cache\"} 0\n",
        "gateway_upstream_target_up{upstream=\"orders.v1\",target=\"127.0.0.1:9001\"} 1\n",
        "gateway_upstream_target_in_flight{upstream=\"orders.v1\",target=\"127.0.0.1:9002\"} 0\n",
        "gateway_connections_accepted_total 5\n",
        "gateway_connections{state=\"active\"} 0\n",
        "gateway_worker_restarts_total 1\n",
        "gateway_reloads_total 2\n",
        "gateway_config_generation 3\n",
        "gateway_uptime_seconds 100\n",
        "gateway_workers{state=\"running\"} 2\n",
        "gateway_info{version=\"" GATEWAY_VERSION "\"} 1\n",
    };
    char *text = text_of(*state);

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (strstr(text, lines[i]) == NULL)
            fail_msg("missing: %s", lines[i]);
    assert_null(strstr(text, "code=\"4xx\""));
    free(text);
}

static void test_a_target_down(void **state)
{
    struct fixture *f = *state;

    fixture_row(f, 1)->verdict = HEALTH_DOWN;
    char *text = text_of(f);
    assert_non_null(strstr(
        text, "gateway_upstream_target_up{upstream=\"orders.v1\",target=\"127.0.0.1:9002\"} 0\n"));
    free(text);
    fixture_row(f, 1)->verdict = HEALTH_UP;
}

static void assert_label(const char *value, const char *wanted)
{
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);

    metrics_label(out, "l", value);
    fclose(out);
    assert_string_equal(text, wanted);
    free(text);
}

static void test_labels(void **state)
{
    (void)state;
    assert_label("a\\b\"c\nd", "l=\"a\\\\b\\\"c\\nd\"");
    assert_label("\xc3\xa9", "l=\"\xc3\xa9\"");
    assert_label("a\xff", "l=\"a?\"");
    assert_label("", "l=\"\"");
}

static void test_call(void **state)
{
    char *answer =
        fixture_call(*state, API_DOOR_STATUS, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");

    assert_int_equal(fixture_status(answer), 200);
    assert_non_null(
        strstr(answer, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),          cmocka_unit_test(test_values),
        cmocka_unit_test(test_a_target_down), cmocka_unit_test(test_labels),
        cmocka_unit_test(test_call),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
