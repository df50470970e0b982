/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of upstreams: targets, algorithms, health checks. Defaults and ranges are Kong's. What
 * the fields mean together is checked in upstreams.c.
 */
#include "conf/fields.h"
#include "conf/value.h"

#define SIDE struct conf_check_side
#define INTERVAL                                                                                   \
    {                                                                                              \
        FIELDS_ROW_NUMBER(SIDE, interval, "interval"),                                             \
            .preset = "0.0", .max = 65535, .doc = "Seconds between two probes; 0 is off."          \
    }
#define SUCCESSES                                                                                  \
    {                                                                                              \
        FIELDS_ROW_INT(SIDE, successes, "successes"),                                              \
            .preset = "0", .max = 255,                                                             \
            .doc = "Successes in a row after which a target is healthy; 0 is never."               \
    }
#define FAILURES                                                                                   \
    { FIELDS_ROW_INT(SIDE, tcp_failures, "tcp_failures"), .preset = "0", .max = 255,               \
      .doc = "No connection, TLS or answer, so often in a row: unhealthy. 0 is never." },          \
        { FIELDS_ROW_INT(SIDE, timeouts, "timeouts"), .preset = "0", .max = 255,                   \
          .doc = "Timeouts in a row after which a target is unhealthy; 0 is never." },             \
    {                                                                                              \
        FIELDS_ROW_INT(SIDE, http_failures, "http_failures"),                                      \
            .preset = "0", .max = 255,                                                             \
            .doc = "Failing statuses in a row: the target is unhealthy. 0 is never."               \
    }
#define STATUSES(list, text)                                                                       \
    {                                                                                              \
        FIELDS_ROW_INTS(SIDE, http_statuses, "http_statuses"), .preset = list, .min = 100,         \
                                                               .max = 999, .doc = text             \
    }
#define OK  "Statuses that count as a success."
#define BAD "Statuses that count as a failure."
#define SIDE_TABLE(name, text, rows_)                                                              \
    {                                                                                              \
        .title = name, .doc = text, FIELDS_TABLE(rows_), .size = sizeof(SIDE), .at = SIZE_MAX      \
    }

static const struct fields_row active_healthy_rows[] = { INTERVAL, SUCCESSES,
                                                         STATUSES("[ 200, 302 ]", OK) };
static const struct fields_row active_unhealthy_rows[] = {
    INTERVAL, FAILURES, STATUSES("[ 429, 404, 500, 501, 502, 503, 504, 505 ]", BAD)
};
static const struct fields_row passive_healthy_rows[] = {
    SUCCESSES, STATUSES("[ 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, "
                        "300, 301, 302, 303, 304, 305, 306, 307, 308 ]",
                        OK)
};
static const struct fields_row passive_unhealthy_rows[] = {
    FAILURES,
    STATUSES("[ 429, 500, 503 ]", BAD),
    { FIELDS_ROW_NUMBER(SIDE, retry_after, "retry_after"), .preset = "30", .max = 65535,
      .doc = "Seconds after which one request tries an unhealthy target that no probe watches; "
             "doubled at each failure, up to five minutes. 0 is never." }
};

static const struct fields_table active_healthy = SIDE_TABLE(
    "upstreams.healthchecks.active.healthy", "Probing of healthy targets.", active_healthy_rows);
static const struct fields_table active_unhealthy =
    SIDE_TABLE("upstreams.healthchecks.active.unhealthy", "Probing of unhealthy targets.",
               active_unhealthy_rows);
static const struct fields_table passive_healthy =
    SIDE_TABLE("upstreams.healthchecks.passive.healthy", "Proxied requests that went well.",
               passive_healthy_rows);
static const struct fields_table passive_unhealthy =
    SIDE_TABLE("upstreams.healthchecks.passive.unhealthy", "Proxied requests that failed.",
               passive_unhealthy_rows);

static const struct fields_name probe_types[] = { { "http", CONF_PROBE_HTTP },
                                                  { "https", CONF_PROBE_HTTPS },
                                                  { "tcp", CONF_PROBE_TCP },
                                                  { "grpc", CONF_PROBE_GRPC },
                                                  { 0 } };

#define ACTIVE struct conf_active
static const struct fields_row active_rows[] = {
    { FIELDS_ROW_ENUM(ACTIVE, type, "type"), .preset = "\"http\"", .names = probe_types,
      .doc = "What a probe is: a request, or for tcp a connection alone. grpc needs HTTP/2 to "
             "targets and may follow with it." },
    { FIELDS_ROW_TEXT(ACTIVE, http_method, "http_method"), .preset = "\"GET\"",
      .flags = FIELDS_FILLED, .check = value_is_method, .doc = "The probe's method." },
    { FIELDS_ROW_TEXT(ACTIVE, http_path, "http_path"), .preset = "\"/\"", .flags = FIELDS_FILLED,
      .check = value_is_target, .doc = "The probe's path, with its query." },
    { FIELDS_ROW_HEADERS(ACTIVE, headers, "headers"), .preset = "{ }", .flags = FIELDS_REFERS,
      .check = value_is_probe_header,
      .doc = "Headers of the probe, each with its values: { x-probe = [ \"1\" ]; }." },
    { FIELDS_ROW_NUMBER(ACTIVE, timeout, "timeout"), .preset = "1.0", .max = 65535,
      .doc = "Seconds that a probe may take; 0 is a minute." },
    { FIELDS_ROW_INT(ACTIVE, concurrency, "concurrency"), .preset = "10", .min = 1, .max = 65535,
      .doc = "Targets of this upstream that are probed at the same time." },
    { FIELDS_ROW_BOOL(ACTIVE, https_verify_certificate, "https_verify_certificate"),
      .preset = "true", .doc = "Whether an https probe checks the certificate." },
    { FIELDS_ROW_TEXT(ACTIVE, https_sni, "https_sni"), .preset = "\"\"", .check = value_is_host,
      .doc =
          "The name that an https probe asks for and checks the certificate against; \"\" is the "
          "target's host. Authorities are those of the first https service with this upstream." },
    { FIELDS_ROW_GROUP(ACTIVE, healthy, "healthy", active_healthy),
      .doc = "While a target is healthy." },
    { FIELDS_ROW_GROUP(ACTIVE, unhealthy, "unhealthy", active_unhealthy),
      .doc = "While it is not." },
};
static const struct fields_table active_fields = { .title = "upstreams.healthchecks.active",
                                                   .doc = "Probes, sent by the checker process.",
                                                   FIELDS_TABLE(active_rows),
                                                   .size = sizeof(ACTIVE),
                                                   .at = SIZE_MAX };

#define PASSIVE struct conf_passive
static const struct fields_row passive_rows[] = {
    { FIELDS_ROW_GROUP(PASSIVE, healthy, "healthy", passive_healthy),
      .doc = "What makes a target healthy." },
    { FIELDS_ROW_GROUP(PASSIVE, unhealthy, "unhealthy", passive_unhealthy),
      .doc = "What makes it unhealthy." },
};
static const struct fields_table passive_fields = {
    .title = "upstreams.healthchecks.passive",
    .doc = "The circuit breaker: what proxied requests tell.",
    FIELDS_TABLE(passive_rows),
    .size = sizeof(PASSIVE),
    .at = SIZE_MAX
};

static const struct fields_name on_unhealthy[] = { { "fail", CONF_UNHEALTHY_FAIL },
                                                   { "panic", CONF_UNHEALTHY_PANIC },
                                                   { 0 } };

#define CHECKS struct conf_healthchecks
static const struct fields_row check_rows[] = {
    { FIELDS_ROW_NUMBER(CHECKS, threshold, "threshold"), .preset = "0.0", .max = 100,
      .doc =
          "Percent of weight that must be available for the upstream to be healthy; backups do not "
          "count while another target is available." },
    { FIELDS_ROW_ENUM(CHECKS, on_unhealthy, "on_unhealthy"), .preset = "\"fail\"",
      .names = on_unhealthy,
      .doc = "What an upstream below the threshold does: answer 503, or use all its targets, "
             "unhealthy ones as well." },
    { FIELDS_ROW_INT(CHECKS, max_ejection_percent, "max_ejection_percent"), .preset = "100",
      .max = 100,
      .doc = "Percent of weight that checks may take out at the most; the targets that failed last "
             "stay "
             "in use. What is taken out by hand is not counted." },
    { FIELDS_ROW_GROUP(CHECKS, active, "active", active_fields), .doc = "Probes." },
    { FIELDS_ROW_GROUP(CHECKS, passive, "passive", passive_fields), .doc = "The circuit breaker." },
};
static const struct fields_table check_fields = {
    .title = "upstreams.healthchecks",
    .doc = "Who may be asked. Health is known for each target.",
    FIELDS_TABLE(check_rows),
    .size = sizeof(CHECKS),
    .at = SIZE_MAX
};

#define TARGET struct source_target
static const struct fields_row target_rows[] = {
    { FIELDS_ROW_TEXT(TARGET, as.target, "target"), .flags = FIELDS_REQUIRED,
      .check = value_is_printable,
      .doc = "HOST:PORT, IP:PORT, [IP6]:PORT or unix:/PATH; port 8000 where none is written. A "
             "name is resolved again and again, and each of its addresses is used, with the port "
             "and the weight of its SRV record where it has some." },
    { FIELDS_ROW_INT(TARGET, as.weight, "weight"), .preset = "100", .max = 65535,
      .doc = "Its share beside the weights of the other targets; 0 takes no traffic." },
    { FIELDS_ROW_INT(TARGET, as.max_connections, "max_connections"), .preset = "0", .max = 1 << 24,
      .doc = "Requests that may be under way to it, over all workers; 0 is no limit." },
    { FIELDS_ROW_BOOL(TARGET, as.backup, "backup"), .preset = "false",
      .doc = "Takes traffic only while no other target is available and has a place left." },
};
static const struct fields_table target_fields = { .title = "upstreams.targets",
                                                   .doc = "A server.",
                                                   FIELDS_TABLE(target_rows),
                                                   .size = sizeof(TARGET),
                                                   .at = offsetof(TARGET, at) };

static const struct fields_name algorithms[] = { { "round-robin", CONF_ROUND_ROBIN },
                                                 { "least-connections", CONF_LEAST_CONNECTIONS },
                                                 { "consistent-hashing", CONF_CONSISTENT_HASHING },
                                                 { "latency", CONF_LATENCY },
                                                 { 0 } };
static const struct fields_name hash_inputs[] = { { "none", CONF_HASH_NONE },
                                                  { "ip", CONF_HASH_IP },
                                                  { "consumer", CONF_HASH_CONSUMER },
                                                  { "header", CONF_HASH_HEADER },
                                                  { "cookie", CONF_HASH_COOKIE },
                                                  { "path", CONF_HASH_PATH },
                                                  { "query_arg", CONF_HASH_QUERY_ARG },
                                                  { "uri_capture", CONF_HASH_URI_CAPTURE },
                                                  { 0 } };

#define UPSTREAM struct source_upstream
static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXT(UPSTREAM, as.name, "name"), .flags = FIELDS_REQUIRED, .check = value_is_host,
      .doc = "What services name as their host." },
    { FIELDS_ROW_TEXT(UPSTREAM, as.id, "id"), .preset = "\"\"", .flags = FIELDS_LOWER,
      .check = value_is_uuid, .doc = "A UUID; made from the name when \"\"." },
    { FIELDS_ROW_ENUM(UPSTREAM, as.algorithm, "algorithm"), .preset = "\"round-robin\"",
      .names = algorithms, .doc = "How a target is chosen." },
    { FIELDS_ROW_ENUM(UPSTREAM, as.hash_on, "hash_on"), .preset = "\"none\"", .names = hash_inputs,
      .doc = "What consistent-hashing hashes." },
    { FIELDS_ROW_ENUM(UPSTREAM, as.hash_fallback, "hash_fallback"), .preset = "\"none\"",
      .names = hash_inputs, .doc = "What it hashes when the request has no such thing." },
    { FIELDS_ROW_TEXT(UPSTREAM, as.hash_on_header, "hash_on_header"), .preset = "\"\"",
      .check = value_is_token, .doc = "The header, with hash_on = \"header\"." },
    { FIELDS_ROW_TEXT(UPSTREAM, as.hash_fallback_header, "hash_fallback_header"), .preset = "\"\"",
      .check = value_is_token, .doc = "The header, with hash_fallback = \"header\"." },
    { FIELDS_ROW_TEXT(UPSTREAM, as.hash_on_cookie, "hash_on_cookie"), .preset = "\"\"",
      .check = value_is_token, .doc = "The cookie, which is set where a request has none." },
    { FIELDS_ROW_TEXT(UPSTREAM, as.hash_on_cookie_path, "hash_on_cookie_path"), .preset = "\"/\"",
      .flags = FIELDS_FILLED, .check = value_is_location,
      .doc = "The path of the cookie that is set." },
    { FIELDS_ROW_TEXT(UPSTREAM, as.hash_on_query_arg, "hash_on_query_arg"), .preset = "\"\"",
      .check = value_is_printable, .doc = "The query parameter, with hash_on = \"query_arg\"." },
    { FIELDS_ROW_TEXT(UPSTREAM, as.hash_fallback_query_arg, "hash_fallback_query_arg"),
      .preset = "\"\"", .check = value_is_printable,
      .doc = "The query parameter, with hash_fallback = \"query_arg\"." },
    { FIELDS_ROW_TEXT(UPSTREAM, as.hash_on_uri_capture, "hash_on_uri_capture"), .preset = "\"\"",
      .check = value_is_printable,
      .doc = "The named group of the route's pattern, with hash_on = \"uri_capture\"." },
    { FIELDS_ROW_TEXT(UPSTREAM, as.hash_fallback_uri_capture, "hash_fallback_uri_capture"),
      .preset = "\"\"", .check = value_is_printable,
      .doc = "The named group, with hash_fallback = \"uri_capture\"." },
    { FIELDS_ROW_TEXT(UPSTREAM, as.host_header, "host_header"), .preset = "\"\"",
      .check = value_is_authority,
      .doc = "The Host that the targets see where the client's is not preserved; \"\" is the "
             "service's host." },
    { FIELDS_ROW_INT(UPSTREAM, as.slots, "slots"), .preset = "10000", .min = 10, .max = 65536,
      .doc = "Positions of the ring of consistent-hashing." },
    { FIELDS_ROW_INT(UPSTREAM, as.keepalive_pool_size, "keepalive_pool_size"), .preset = "512",
      .max = 65535, .doc = "Idle connections that one worker keeps to this upstream." },
    { FIELDS_ROW_NUMBER(UPSTREAM, as.keepalive_idle_timeout, "keepalive_idle_timeout"),
      .preset = "60", .max = 86400, .doc = "Seconds that an idle connection is kept." },
    { FIELDS_ROW_NUMBER(UPSTREAM, as.slow_start, "slow_start"), .preset = "0", .max = 86400,
      .doc = "Seconds in which the share of a new or recovered target grows to its weight; 0 is at "
             "once." },
    { FIELDS_ROW_INT(UPSTREAM, as.queue_size, "queue_size"), .preset = "1024", .max = 1 << 20,
      .doc = "Requests that may wait, over all workers, while every target has its "
             "max_connections; 503 past it." },
    { FIELDS_ROW_NUMBER(UPSTREAM, as.queue_timeout, "queue_timeout"), .preset = "10", .max = 86400,
      .doc = "Seconds that a request waits there; 503 past it." },
    { FIELDS_ROW_INT(UPSTREAM, as.retry_budget_percent, "retry_budget_percent"), .preset = "20",
      .max = 1000,
      .doc = "Percent of the requests under way, over all workers, that may be retries; three may "
             "be at any time." },
    { FIELDS_ROW_LIST(UPSTREAM, targets, "targets", target_fields), .preset = "( )",
      .doc = "The servers." },
    { FIELDS_ROW_GROUP(UPSTREAM, as.healthchecks, "healthchecks", check_fields),
      .doc = "Health checks." },
    { FIELDS_ROW_TEXTS(UPSTREAM, as.tags, "tags"), .preset = "[ ]", .flags = FIELDS_SET,
      .check = value_is_printable, .doc = "Words to find it by." },
};
const struct fields_table upstream_fields_table = {
    .title = "upstreams",
    .doc = "Servers among which requests are shared out.",
    FIELDS_TABLE(rows),
    .size = sizeof(UPSTREAM),
    .at = offsetof(UPSTREAM, at)
};
