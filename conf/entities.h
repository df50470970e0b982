/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kong's entities as checked, immutable structs. Cross references are resolved pointers; `id` is a
 * UUID in text (configured, or derived from kind and name, so that it is the same after each load).
 */
#ifndef CONF_ENTITIES_H
#define CONF_ENTITIES_H

#include "conf/consumer.h"
#include "conf/text.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct conf_regex; /* conf/regex.h */
struct conf_address;

/* --- upstreams ------------------------------------------------------------------------------ */

enum conf_algorithm {
    CONF_ROUND_ROBIN,
    CONF_LEAST_CONNECTIONS,
    CONF_CONSISTENT_HASHING,
    CONF_LATENCY
};
enum conf_hash_on {
    CONF_HASH_NONE,
    CONF_HASH_IP,
    CONF_HASH_CONSUMER,
    CONF_HASH_HEADER,
    CONF_HASH_COOKIE,
    CONF_HASH_PATH,
    CONF_HASH_QUERY_ARG,
    CONF_HASH_URI_CAPTURE
};
enum conf_on_unhealthy { CONF_UNHEALTHY_FAIL, CONF_UNHEALTHY_PANIC };
enum conf_probe_type { CONF_PROBE_HTTP, CONF_PROBE_HTTPS, CONF_PROBE_TCP, CONF_PROBE_GRPC };

struct conf_target {
    struct conf_text target; /* as written: host:port, ip:port, [ip6]:port, unix:/path */
    struct conf_text host;   /* without the port; "" for a Unix socket */
    int port;
    int weight;                        /* 0..65535; 0 drains */
    int max_connections;               /* over all workers; 0: no limit */
    bool backup;                       /* used while no other is available */
    const struct conf_address *places; /* what can be connected to, with texts as in logs */
    size_t places_n;
};

struct conf_check_side {
    double interval;    /* s; 0 = off; active checks only */
    double retry_after; /* s; 0 = never; passive.unhealthy only */
    int successes, tcp_failures, timeouts, http_failures;
    struct conf_ints http_statuses;
};

struct conf_healthchecks {
    double threshold; /* percent of weight */
    enum conf_on_unhealthy on_unhealthy;
    int max_ejection_percent; /* of the weight */
    struct conf_active {
        enum conf_probe_type type;
        struct conf_text http_method, http_path;
        struct source_list headers; /* conf_route_header: what probes say beside Host */
        double timeout;             /* s */
        int concurrency;
        bool https_verify_certificate;
        struct conf_text https_sni;
        struct conf_check_side healthy, unhealthy;
    } active;
    struct conf_passive {
        struct conf_check_side healthy, unhealthy;
    } passive;
};

struct conf_upstream {
    struct conf_text name, id;
    uint32_t index;
    bool implied; /* made for a service whose host is no upstream's name */
    enum conf_algorithm algorithm;
    enum conf_hash_on hash_on, hash_fallback;
    struct conf_text hash_on_header, hash_fallback_header, hash_on_cookie, hash_on_cookie_path,
        hash_on_query_arg, hash_fallback_query_arg, hash_on_uri_capture, hash_fallback_uri_capture;
    struct conf_text host_header;
    int slots;
    int keepalive_pool_size;
    double keepalive_idle_timeout; /* s */
    double slow_start;             /* s; 0: none */
    int queue_size;                /* requests over all workers; 0: none waits */
    double queue_timeout;          /* s */
    int retry_budget_percent;      /* of the active requests */
    const struct conf_target *targets;
    size_t targets_n;
    struct conf_healthchecks healthchecks;
    struct conf_texts tags;
};

/* --- services and routes -------------------------------------------------------------------- */

enum conf_protocol { CONF_HTTP = 1, CONF_HTTPS = 2 }; /* bits */

struct conf_service {
    struct conf_text name, id;
    uint32_t index;
    bool enabled; /* false: its routes take no request */
    enum conf_protocol protocol;
    struct conf_text host;      /* an upstream's name, a host name or an address without brackets */
    int port;                   /* means nothing where host is a configured upstream's name */
    struct conf_text authority; /* what Host says where nobody says otherwise: the host, with a port
                                 * that is not the usual one where the host is no upstream's name */
    struct conf_text path;      /* "" or begins with "/" */
    int connect_timeout, write_timeout, read_timeout; /* ms */
    int retries;
    bool tls_verify;
    const struct conf_upstream *upstream;              /* never NULL */
    const struct conf_certificate *client_certificate; /* NULL: none */
    struct conf_text ca_certificates;        /* a PEM file's absolute path; "": the system's */
    const struct stack_st_X509 *authorities; /* what that file held; NULL: not read */
    struct conf_texts tags;
};

struct conf_path {
    struct conf_text text;          /* the prefix, or the pattern without its "~" */
    const struct conf_regex *regex; /* NULL: a prefix */
};

struct conf_route_header {
    struct conf_text name; /* lower case */
    struct conf_texts values;
};

/* Whether something on a route may hold a body back until all of it has come. */
enum conf_stream { CONF_STREAM_OPTIONAL, CONF_STREAM_REQUIRED };

/* How long a client may be waited for while its request's body comes. */
struct conf_client_body {
    int timeout;        /* ms between two reads */
    int total_timeout;  /* ms in all; 0: no limit */
    int min_rate_grace; /* ms that it may be slower than */
    uint64_t min_rate;  /* bytes a second; 0: no limit */
};

struct conf_route {
    struct conf_text name, id;
    uint32_t index; /* file order: the "earlier created_at" of Kong's last tie */
    const struct conf_service *service;
    unsigned protocols; /* bits of enum conf_protocol */
    struct conf_texts hosts, methods,
        snis; /* hosts and snis lower case; a "*" at one end is a wildcard */
    const struct conf_path *paths;
    size_t paths_n;
    const struct conf_route_header *headers;
    size_t headers_n;
    bool strip_path, preserve_host, request_buffering, response_buffering;
    enum conf_stream stream;
    int regex_priority;
    int https_redirect_status_code; /* 426, 301, 302, 307, 308 */
    uint64_t request_body_max_size; /* bytes; UINT64_MAX: the global one holds */
    struct conf_client_body client_body;
    const struct conf_chain *chain; /* plugins that run on this route */
    struct conf_texts tags;
};

/* --- certificates --------------------------------------------------------------------------- */

struct conf_certificate {
    struct conf_text cert, key; /* absolute paths */
    struct conf_texts snis; /* lower case, "*.example.com" allowed; none: the default certificate */
    struct x509_st *x509;   /* the leaf; owned by the configuration */
    struct evp_pkey_st *pkey;
    struct stack_st_X509 *chain; /* what follows the leaf; may be NULL */
};

/* --- plugins: see conf/plugin.h ------------------------------------------------------------- */
struct conf_plugin;
struct conf_chain;

#endif
