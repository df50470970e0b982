/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of services and their routes. Defaults are Kong's, but for the two bufferings: this
 * gateway streams. What the fields mean together is checked in services.c and routes.c.
 */
#include "conf/fields.h"
#include "conf/value.h"

static const struct fields_name streams[] = { { "optional", CONF_STREAM_OPTIONAL },
                                              { "required", CONF_STREAM_REQUIRED },
                                              { 0 } };

#define ROUTE   struct source_route
#define SERVICE struct source_service

static const struct fields_name redirects[] = { { "426", 426 }, { "301", 301 }, { "302", 302 },
                                                { "307", 307 }, { "308", 308 }, { 0 } };

static const struct fields_row route_rows[] = {
    { FIELDS_ROW_TEXT(ROUTE, as.name, "name"), .flags = FIELDS_REQUIRED, .check = value_is_name,
      .doc = "Its name in logs, metrics and references." },
    { FIELDS_ROW_TEXT(ROUTE, as.id, "id"), .preset = "\"\"", .flags = FIELDS_LOWER,
      .check = value_is_uuid, .doc = "A UUID; made from the name when \"\"." },
    { FIELDS_ROW_FLAGS(ROUTE, as.protocols, "protocols"), .preset = "[ \"http\", \"https\" ]",
      .flags = FIELDS_FILLED, .names = fields_protocols,
      .doc = "http alone, https alone, or both." },
    { FIELDS_ROW_TEXTS(ROUTE, as.hosts, "hosts"), .preset = "[ ]",
      .flags = FIELDS_LOWER | FIELDS_SET, .check = value_is_route_host,
      .doc = "Host names, where \"*\" may be the first or the last label, or addresses: "
             "\"[2001:db8::1]\"." },
    { FIELDS_ROW_TEXTS(ROUTE, paths, "paths"), .preset = "[ ]", .flags = FIELDS_SET,
      .doc = "Prefixes, which begin with \"/\", and after \"~\" PCRE2 patterns anchored at the "
             "start." },
    { FIELDS_ROW_TEXTS(ROUTE, as.methods, "methods"), .preset = "[ ]", .flags = FIELDS_SET,
      .check = value_is_method, .doc = "Methods, in capitals." },
    { FIELDS_ROW_HEADERS(ROUTE, headers, "headers"), .check = value_is_route_header,
      .doc = "Header fields and the values that they may have: { version = [ \"v1\", \"v2\" ]; }. "
             "All names must match." },
    { FIELDS_ROW_TEXTS(ROUTE, as.snis, "snis"), .preset = "[ ]", .flags = FIELDS_LOWER | FIELDS_SET,
      .check = value_is_wildcard, .doc = "Server names of the TLS connection." },
    { FIELDS_ROW_BOOL(ROUTE, as.strip_path, "strip_path"), .preset = "true",
      .doc = "The part of the path that matched is not sent upstream." },
    { FIELDS_ROW_BOOL(ROUTE, as.preserve_host, "preserve_host"), .preset = "false",
      .doc = "The client's Host is sent upstream, not the service's." },
    { FIELDS_ROW_INT(ROUTE, as.regex_priority, "regex_priority"), .preset = "0", .min = INT32_MIN,
      .max = INT32_MAX, .doc = "Which of several patterns that match is taken: the highest." },
    { FIELDS_ROW_BOOL(ROUTE, as.request_buffering, "request_buffering"), .preset = "false",
      .doc = "The request's body is taken in completely before it is sent upstream." },
    { FIELDS_ROW_BOOL(ROUTE, as.response_buffering, "response_buffering"), .preset = "false",
      .doc = "The response is taken in completely before it is sent to the client." },
    { FIELDS_ROW_ENUM(ROUTE, as.stream, "stream"), .preset = "\"optional\"", .names = streams,
      .doc =
          "\"required\": a file in which something on this route would hold a body back until all "
          "of it has come, a plugin of any scope or buffering, is refused." },
    { FIELDS_ROW_INT(ROUTE, as.https_redirect_status_code, "https_redirect_status_code"),
      .preset = "426", .names = redirects,
      .doc = "What plain HTTP is answered on a route for https alone." },
    { FIELDS_ROW_SIZE(ROUTE, as.request_body_max_size, "request_body_max_size"), .preset = "\"\"",
      .flags = FIELDS_UNSET, .max = INT64_MAX,
      .doc = "The largest request body, 413 past it; \"0\" is no limit, \"\" the limit of the top "
             "level." },
    { FIELDS_ROW_INT(ROUTE, as.client_body.timeout, "client_body_timeout"), .preset = "-1",
      .min = -1, .max = INT32_MAX,
      .doc = "Milliseconds between two reads of a request's body, 408 past it; -1 is the value of "
             "the top level, here and below." },
    { FIELDS_ROW_INT(ROUTE, as.client_body.total_timeout, "client_body_total_timeout"),
      .preset = "-1", .min = -1, .max = INT32_MAX,
      .doc = "Milliseconds that the client may be waited for in all; 0 is no limit." },
    { FIELDS_ROW_SIZE(ROUTE, as.client_body.min_rate, "client_body_min_rate"), .preset = "\"\"",
      .flags = FIELDS_UNSET, .max = INT64_C(1) << 40,
      .doc = "Bytes a second; \"0\" is no limit, \"\" the value of the top level." },
    { FIELDS_ROW_INT(ROUTE, as.client_body.min_rate_grace, "client_body_min_rate_grace"),
      .preset = "-1", .min = -1, .max = INT32_MAX,
      .doc = "Milliseconds that the client may be slower than that." },
    { FIELDS_ROW_LIST(ROUTE, plugins, "plugins", plugin_fields), .preset = "( )",
      .doc = "Plugins on this route." },
    { FIELDS_ROW_TEXTS(ROUTE, as.tags, "tags"), .preset = "[ ]", .flags = FIELDS_SET,
      .check = value_is_printable, .doc = "Words to find it by." },
};
static const struct fields_table route_fields = {
    .title = "services.routes",
    .doc = "Which requests a service takes: all kinds of conditions that are set must hold, one "
           "value of each. At least "
           "one of hosts, paths, methods, headers and snis must be set.",
    FIELDS_TABLE(route_rows),
    .size = sizeof(ROUTE),
    .at = offsetof(ROUTE, at)
};

static const struct fields_row service_rows[] = {
    { FIELDS_ROW_TEXT(SERVICE, as.name, "name"), .flags = FIELDS_REQUIRED, .check = value_is_name,
      .doc = "Its name in logs, metrics and references." },
    { FIELDS_ROW_TEXT(SERVICE, as.id, "id"), .preset = "\"\"", .flags = FIELDS_LOWER,
      .check = value_is_uuid, .doc = "A UUID; made from the name when \"\"." },
    { FIELDS_ROW_BOOL(SERVICE, as.enabled, "enabled"), .preset = "true",
      .doc = "Whether its routes take requests." },
    { FIELDS_ROW_TEXT(SERVICE, url, "url"), .preset = "\"\"", .flags = FIELDS_INPUT,
      .doc = "PROTOCOL://HOST[:PORT][/PATH], instead of the four fields that follow." },
    { FIELDS_ROW_ENUM(SERVICE, as.protocol, "protocol"), .preset = "\"http\"",
      .names = fields_protocols, .doc = "How the upstream is spoken to." },
    { FIELDS_ROW_TEXT(SERVICE, as.host, "host"), .preset = "\"\"", .check = value_is_printable,
      .doc = "An upstream's name, or else a host name or an address." },
    { FIELDS_ROW_INT(SERVICE, as.port, "port"), .min = 1, .max = 65535,
      .doc = "The port, where host is no upstream's name; default 80, or 443 with https." },
    { FIELDS_ROW_TEXT(SERVICE, as.path, "path"), .preset = "\"\"", .check = value_is_location,
      .doc = "What is put before the path of a request." },
    { FIELDS_ROW_INT(SERVICE, as.connect_timeout, "connect_timeout"), .preset = "60000", .min = 1,
      .max = INT32_MAX - 1, .doc = "Milliseconds to connect to a target." },
    { FIELDS_ROW_INT(SERVICE, as.write_timeout, "write_timeout"), .preset = "60000", .min = 1,
      .max = INT32_MAX - 1, .doc = "Milliseconds between two writes of a request." },
    { FIELDS_ROW_INT(SERVICE, as.read_timeout, "read_timeout"), .preset = "60000", .min = 1,
      .max = INT32_MAX - 1, .doc = "Milliseconds between two reads of a response." },
    { FIELDS_ROW_INT(SERVICE, as.retries, "retries"), .preset = "5", .max = 32767,
      .doc = "How often a request is tried again that safely can." },
    { FIELDS_ROW_BOOL(SERVICE, as.tls_verify, "tls_verify"), .preset = "true",
      .doc = "Whether an https upstream must have a valid certificate." },
    { FIELDS_ROW_TEXT(SERVICE, ca_certificates, "ca_certificates"), .preset = "\"\"",
      .doc = "A PEM file of the authorities to trust; \"\" is those of the system." },
    { FIELDS_ROW_GROUP(SERVICE, client_certificate, "client_certificate",
                       certificates_client_fields),
      .doc = "The certificate and key to show to an https upstream: { cert = \"...\"; key = "
             "\"...\"; }." },
    { FIELDS_ROW_LIST(SERVICE, routes, "routes", route_fields), .preset = "( )",
      .doc = "Which requests it takes." },
    { FIELDS_ROW_LIST(SERVICE, plugins, "plugins", plugin_fields), .preset = "( )",
      .doc = "Plugins on all its routes." },
    { FIELDS_ROW_TEXTS(SERVICE, as.tags, "tags"), .preset = "[ ]", .flags = FIELDS_SET,
      .check = value_is_printable, .doc = "Words to find it by." },
};
const struct fields_table service_fields_table = {
    .title = "services",
    .doc = "What is served: an upstream, a way to speak to it, and the "
           "routes that lead there.",
    FIELDS_TABLE(service_rows),
    .size = sizeof(SERVICE),
    .at = offsetof(SERVICE, at)
};
