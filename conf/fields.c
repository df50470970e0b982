/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The top level of the file. To add a setting: a member in conf.h, a row here, a line in
 * gateway.conf; reading, range checks, -T, the manual page and the environment variable follow from
 * the row.
 */
#include "conf/fields.h"
#include "conf/value.h"

#define BOOL(m, k)    FIELDS_ROW_BOOL(struct source, m, k)
#define INT(m, k)     FIELDS_ROW_INT(struct source, m, k)
#define SIZE(m, k)    FIELDS_ROW_SIZE(struct source, m, k)
#define TEXT(m, k)    FIELDS_ROW_TEXT(struct source, m, k)
#define ENUM(m, k)    FIELDS_ROW_ENUM(struct source, m, k)
#define LIST(m, k, t) FIELDS_ROW_LIST(struct source, m, k, t)

enum { FIELDS_TIME_MAX = INT32_MAX }; /* ms */

const struct fields_name fields_protocols[] = { { "http", CONF_HTTP },
                                                { "https", CONF_HTTPS },
                                                { 0 } };

static const struct fields_name log_levels[] = {
    { "debug", CONF_LOG_DEBUG }, { "info", CONF_LOG_INFO },   { "notice", CONF_LOG_NOTICE },
    { "warn", CONF_LOG_WARN },   { "error", CONF_LOG_ERROR }, { 0 }
};
static const struct fields_name access_formats[] = { { "json", CONF_ACCESS_JSON },
                                                     { "combined", CONF_ACCESS_COMBINED },
                                                     { 0 } };

static const struct fields_name dns_types[] = {
    { "A", CONF_DNS_A }, { "AAAA", CONF_DNS_AAAA }, { "SRV", CONF_DNS_SRV }, { 0 }
};

static const struct fields_row listen_rows[] = {
    { FIELDS_ROW_TEXT(struct source_listen, address, "address"), .flags = FIELDS_REQUIRED,
      .doc = "IP:PORT, [IP6]:PORT or unix:/PATH. [::] is all of IPv6 and nothing of IPv4, which "
             "0.0.0.0 is beside it." },
    { FIELDS_ROW_INT(struct source_listen, as.backlog, "backlog"), .preset = "4096", .min = 1,
      .max = 65535,
      .doc = "Connections that may wait to be accepted; the kernel's somaxconn bounds it too." },
    { FIELDS_ROW_BOOL(struct source_listen, as.ssl, "ssl"), .preset = "false",
      .doc = "TLS, with the certificates of the file." },
    { FIELDS_ROW_BOOL(struct source_listen, as.http2, "http2"), .preset = "false",
      .doc = "HTTP/2 as well; with ssl it is negotiated by ALPN." },
};
static const struct fields_table listen_fields = { .title = "proxy_listen",
                                                   .doc = "Where clients connect to.",
                                                   FIELDS_TABLE(listen_rows),
                                                   .size = sizeof(struct source_listen),
                                                   .at = offsetof(struct source_listen, at) };

static const struct fields_name huge_pages[] = { { "off", CONF_HUGE_OFF },
                                                 { "try", CONF_HUGE_TRY },
                                                 { NULL, 0 } };
static const struct fields_row dict_rows[] = {
    { FIELDS_ROW_TEXT(struct source_dict, as.name, "name"), .flags = FIELDS_REQUIRED,
      .check = value_is_name, .doc = "What a proxy-cache calls it in memory.dictionary_name." },
    { FIELDS_ROW_SIZE(struct source_dict, as.size, "size"), .flags = FIELDS_REQUIRED,
      .min = 1 << 20, .max = (int64_t)1 << 46, .doc = "Bytes of memory that it takes." },
    { FIELDS_ROW_ENUM(struct source_dict, as.huge_pages, "huge_pages"), .preset = "\"off\"",
      .names = huge_pages,
      .doc =
          "try: memory from the pool of huge pages (vm.nr_hugepages), the size rounded up to "
          "whole ones, and ordinary memory, with a warning, where the pool has not enough; a hit "
          "among very many objects costs less. off: transparent huge pages, where Linux gives "
          "them to shared memory. Counts when the dictionary is made." },
};
static const struct fields_table dict_fields = {
    .title = "shared_dicts",
    .doc = "Shared memory that all workers use at once: a cache. It stays over reloads while its "
           "size is the same.",
    FIELDS_TABLE(dict_rows),
    .size = sizeof(struct source_dict),
    .at = offsetof(struct source_dict, at)
};

static const struct fields_row rows[] = {
    { INT(as.workers, "workers"), .preset = "0", .max = 120,
      .doc = "Worker processes; 0 is one for each online CPU." },
    { BOOL(as.worker_cpu_affinity, "worker_cpu_affinity"), .preset = "false",
      .doc = "Pins worker N to the Nth allowed CPU." },
    { INT(as.worker_connections, "worker_connections"), .preset = "16384", .min = 64,
      .max = 4194304,
      .doc = "Connections that one worker may hold, client and upstream together." },
    { TEXT(as.user, "user"), .preset = "\"gateway\"", .flags = FIELDS_FILLED,
      .check = value_is_printable,
      .doc = "What the unprivileged processes run as when started by root; ignored otherwise." },
    { TEXT(prefix, "prefix"), .preset = "\"/run/gateway\"", .flags = FIELDS_FILLED,
      .doc = "Where relative paths start; created when missing. A relative prefix starts at this "
             "file's folder." },
    { TEXT(pid_file, "pid_file"), .preset = "\"gateway.pid\"", .flags = FIELDS_FILLED,
      .doc = "Where the master's process id is written." },
    { TEXT(control_socket, "control_socket"), .preset = "\"control.sock\"", .flags = FIELDS_FILLED,
      .doc = "HTTP/1.1 and JSON over a Unix socket: what gatewayctl speaks." },
    { FIELDS_ROW_MODE(struct source, as.control_socket_mode, "control_socket_mode"),
      .preset = "\"0660\"", .doc = "Who may connect to it, in octal." },
    { ENUM(as.log_level, "log_level"), .preset = "\"info\"", .names = log_levels,
      .doc = "The least serious messages that the error log takes." },
    { TEXT(error_log, "error_log"), .preset = "\"stderr\"", .flags = FIELDS_FILLED,
      .doc = "stderr, syslog or a file's path." },
    { TEXT(access_log, "access_log"), .preset = "\"off\"", .flags = FIELDS_FILLED,
      .doc =
          "off, stdout or a file's path. Of arguments in which a plugin looks for keys or tokens "
          "it has no values." },
    { ENUM(as.access_log_format, "access_log_format"), .preset = "\"json\"",
      .names = access_formats,
      .doc = "One JSON object a line, or the combined format of other servers. Both say why the "
             "cache was passed by, or did not store: cache_reason, or a last column." },
    { INT(as.shutdown_timeout, "shutdown_timeout"), .preset = "30000", .max = FIELDS_TIME_MAX,
      .doc = "Milliseconds that a draining worker may take before it is ended." },

    { LIST(proxy_listen, "proxy_listen", listen_fields),
      .preset = "( { address = \"127.0.0.1:8000\"; } )", .flags = FIELDS_FILLED,
      .doc = "Where clients connect to." },
    { TEXT(status_listen, "status_listen"), .preset = "\"127.0.0.1:8100\"", .flags = FIELDS_FILLED,
      .doc = "GET /status (JSON) and GET /metrics (Prometheus); off." },
    { TEXT(admin_listen, "admin_listen"), .preset = "\"off\"", .flags = FIELDS_FILLED,
      .doc = "The control socket's API on a loopback address too; off. Whoever reaches it may do "
             "everything." },

    { INT(as.client_header_timeout, "client_header_timeout"), .preset = "60000", .min = 1,
      .max = FIELDS_TIME_MAX, .doc = "Milliseconds for a whole request head; 408 past it." },
    { INT(as.client_body.timeout, "client_body_timeout"), .preset = "60000", .min = 1,
      .max = FIELDS_TIME_MAX,
      .doc = "Milliseconds between two reads of a body; 408 past it. Of this and the three below a "
             "route may set its own. Only time in which the client is waited for counts, not what "
             "an upstream takes." },
    { INT(as.client_body.total_timeout, "client_body_total_timeout"), .preset = "0",
      .max = FIELDS_TIME_MAX,
      .doc = "Milliseconds that a client may be waited for in all while a body comes; 408 past "
             "them, 0 is no limit." },
    { SIZE(as.client_body.min_rate, "client_body_min_rate"), .preset = "\"0\"",
      .max = INT64_C(1) << 40,
      .doc = "Bytes a second; a client that is slower for longer than client_body_min_rate_grace "
             "gets a 408. 0 is no limit." },
    { INT(as.client_body.min_rate_grace, "client_body_min_rate_grace"), .preset = "5000", .min = 1,
      .max = FIELDS_TIME_MAX,
      .doc = "Milliseconds that a client may be slower than client_body_min_rate." },
    { INT(as.keepalive_timeout, "keepalive_timeout"), .preset = "75000", .max = FIELDS_TIME_MAX,
      .doc = "Milliseconds that an idle client connection is kept." },
    { INT(as.keepalive_requests, "keepalive_requests"), .preset = "10000", .min = 1,
      .max = INT32_MAX, .doc = "Requests on one client connection before it is closed." },
    { SIZE(as.client_header_buffer_size, "client_header_buffer_size"), .preset = "\"16k\"",
      .min = 1024, .max = 1 << 20, .doc = "The largest request head; 431 past it." },
    { SIZE(as.client_request_buffer_max_size, "client_request_buffer_max_size"),
      .preset = "\"64k\"", .min = 4096, .max = 1 << 30,
      .doc = "Bytes of one request's body held in memory while it streams on." },
    { SIZE(as.request_body_max_size, "request_body_max_size"), .preset = "\"0\"", .max = INT64_MAX,
      .doc = "The largest request body, 413 past it; 0 is no limit. A route may set its own." },
    { FIELDS_ROW_TEXTS(struct source, trusted_ips, "trusted_ips"), .preset = "[ ]",
      .flags = FIELDS_SET,
      .doc = "Networks (CIDR) whose X-Forwarded-* fields are believed; \"unix:\" is whoever comes "
             "by a Unix socket." },
    { TEXT(as.real_ip_header, "real_ip_header"), .preset = "\"X-Real-IP\"", .flags = FIELDS_FILLED,
      .check = value_is_token,
      .doc = "The field in which a trusted peer names the client's address: one address, or the "
             "list of X-Forwarded-For or Forwarded (RFC 7239)." },
    { BOOL(as.header_upstream_latency, "headers_upstream_latency"), .preset = "true",
      .doc = "X-Gateway-Upstream-Latency on responses: milliseconds until the upstream's response "
             "head." },
    { BOOL(as.header_proxy_latency, "headers_proxy_latency"), .preset = "true",
      .doc = "X-Gateway-Proxy-Latency on responses: milliseconds that the gateway itself took." },
    { BOOL(as.header_request_id, "headers_request_id"), .preset = "true",
      .doc = "X-Gateway-Request-Id on responses." },

    { FIELDS_ROW_TEXTS(struct source, dns_resolver, "dns_resolver"), .preset = "[ ]",
      .flags = FIELDS_SET,
      .doc =
          "Name servers, IP[:PORT] or [IP6][:PORT], for the names of targets and services; none: "
          "those of /etc/resolv.conf. The hosts file comes first." },
    { FIELDS_ROW_FLAGS(struct source, as.dns_types, "dns_types"),
      .preset = "[ \"A\", \"AAAA\", \"SRV\" ]", .flags = FIELDS_FILLED, .names = dns_types,
      .doc = "The records that are asked for. SRV records of a name go before its addresses; a "
             "name that begins with \"_\" has SRV records alone." },
    { FIELDS_ROW_NUMBER(struct source, as.dns_min_ttl, "dns_min_ttl"), .preset = "1", .min = 0,
      .max = 86400, .doc = "Seconds for which an answer holds at least, whatever its TTL." },
    { FIELDS_ROW_NUMBER(struct source, as.dns_max_ttl, "dns_max_ttl"), .preset = "3600", .min = 0,
      .max = 86400, .doc = "Seconds for which it holds at most." },
    { FIELDS_ROW_NUMBER(struct source, as.dns_error_ttl, "dns_error_ttl"), .preset = "1", .min = 0,
      .max = 3600,
      .doc = "Seconds until a name is asked for again that could not be resolved; the last good "
             "answer stays in use." },
    { FIELDS_ROW_NUMBER(struct source, as.jwks_min_ttl, "jwks_min_ttl"), .preset = "60", .min = 0,
      .max = 86400,
      .doc = "Seconds for which the keys of an issuer (jwks_uri of jwt) are not fetched again at "
             "least, whatever max-age they came with." },
    { FIELDS_ROW_NUMBER(struct source, as.jwks_max_ttl, "jwks_max_ttl"), .preset = "3600", .min = 1,
      .max = 604800,
      .doc = "Seconds after which they are fetched again at most, and where they came without a "
             "max-age." },
    { FIELDS_ROW_NUMBER(struct source, as.jwks_error_ttl, "jwks_error_ttl"), .preset = "10",
      .min = 0, .max = 3600,
      .doc = "Seconds until they are fetched again when that failed; the last good keys stay in "
             "use." },
    { FIELDS_ROW_NUMBER(struct source, as.jwks_refresh_interval, "jwks_refresh_interval"),
      .preset = "30", .min = 0, .max = 3600,
      .doc = "Seconds between two fetches out of turn, which a token with an unknown key (kid) "
             "causes, over all workers." },
    { FIELDS_ROW_NUMBER(struct source, as.jwks_grace, "jwks_grace"), .preset = "3600", .min = 0,
      .max = 604800,
      .doc = "Seconds for which a key still counts that an issuer no longer has; not one whose kid "
             "another key has got." },
    { FIELDS_ROW_NUMBER(struct source, as.jwks_timeout, "jwks_timeout"), .preset = "5", .min = 1,
      .max = 60, .doc = "Seconds that a fetch may take." },
    { FIELDS_ROW_NUMBER(struct source, as.jwks_wait, "jwks_wait"), .preset = "3", .min = 0,
      .max = 60, .doc = "Seconds that a request may wait for keys which are being fetched." },
    { SIZE(as.limits_size, "limits_size"), .preset = "\"16m\"", .min = 65536,
      .max = (int64_t)1 << 36,
      .doc =
          "Shared memory for the counters of rate-limiting, 16 bytes each; it is used as clients "
          "come, and when it is full those that counted least are forgotten." },
    { SIZE(as.tokens_size, "tokens_size"), .preset = "\"16m\"", .min = 65536,
      .max = (int64_t)1 << 36,
      .doc =
          "Shared memory for what oauth2-introspection was told of tokens, 2 KiB each; it is used "
          "as tokens come, and when it is full refusals and those that end soonest make room." },
    { LIST(shared_dicts, "shared_dicts", dict_fields),
      .preset = "( { name = \"gateway_cache\"; size = \"128m\"; } )",
      .doc = "Dictionaries in shared memory, for caches." },
    { LIST(certificates, "certificates", certificates_fields), .preset = "( )",
      .doc = "Certificates of listeners with ssl, chosen by server name." },
    { LIST(upstreams, "upstreams", upstream_fields_table), .preset = "( )",
      .doc = "Who can serve." },
    { LIST(services, "services", service_fields_table), .preset = "( )",
      .doc = "What is served, and by which routes." },
    { LIST(consumers, "consumers", consumers_fields), .preset = "( )", .doc = "Who is asking." },
    { LIST(plugins, "plugins", plugin_fields), .preset = "( )",
      .doc = "Plugins on every request, or bound by name to a service, a route or a consumer." },
};

const struct fields_table fields_top = {
    .title = "SETTINGS",
    .doc = "The top level of the file. Its scalars can be overridden by the environment.",
    FIELDS_TABLE(rows),
    .size = sizeof(struct source),
    .at = SIZE_MAX
};
