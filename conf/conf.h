/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole configuration: read once by the master, checked, then immutable and inherited by fork.
 * The field table in fields.c fills it; names, units and defaults are those of gateway.conf(5).
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "conf/entities.h"
#include "conf/text.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

struct conf_address {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } u;
    socklen_t len;         /* 0: "off" */
    struct conf_text text; /* as written, "127.0.0.1:8000", "[::1]:80" or "unix:/path" */
};

struct conf_listen {
    struct conf_address address;
    int backlog;
    bool ssl, http2;
};

struct conf_cidr {
    uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d */
    int bits;       /* 0..128, over the mapped form */
};

struct conf_issuer; /* conf/issuer.h */
enum conf_huge_pages { CONF_HUGE_OFF, CONF_HUGE_TRY };

struct conf_dict {
    struct conf_text name;
    uint64_t size; /* bytes; with huge_pages a whole number of them */
    enum conf_huge_pages huge_pages;
};

enum conf_log_level {
    CONF_LOG_DEBUG,
    CONF_LOG_INFO,
    CONF_LOG_NOTICE,
    CONF_LOG_WARN,
    CONF_LOG_ERROR
};
enum conf_dns_types { CONF_DNS_A = 1, CONF_DNS_AAAA = 2, CONF_DNS_SRV = 4 }; /* bits */
enum conf_access_format { CONF_ACCESS_JSON, CONF_ACCESS_COMBINED };

struct conf {
    struct conf_text path; /* the file it came from */

    /* process */
    int workers; /* as configured; 0 = one per online CPU, see conf_worker_count() */
    bool worker_cpu_affinity;
    int worker_connections;
    struct conf_text user, prefix;             /* prefix: absolute, without a slash at its end */
    struct conf_text pid_file, control_socket; /* absolute, below prefix */
    int control_socket_mode;
    enum conf_log_level log_level;
    struct conf_text error_log;  /* "stderr", "syslog" or an absolute path */
    struct conf_text access_log; /* "off", "stdout" or an absolute path */
    enum conf_access_format access_log_format;
    int shutdown_timeout; /* ms */

    /* listeners */
    const struct conf_listen *proxy_listen;
    size_t proxy_listen_n;
    struct conf_address status_listen, admin_listen;

    /* the client side; times in ms, sizes in bytes */
    int client_header_timeout, keepalive_timeout;
    struct conf_client_body client_body;
    int keepalive_requests;
    uint64_t client_header_buffer_size, client_request_buffer_max_size, request_body_max_size;
    const struct conf_cidr *trusted_ips;
    size_t trusted_ips_n; /* sorted and disjoint (conf/networks.h) */
    bool trusts_unix;
    struct conf_text real_ip_header;
    bool header_upstream_latency, header_proxy_latency,
        header_request_id; /* X-Gateway-* on answers */

    /* names of targets and services, asked by the checker */
    const struct conf_address *dns_resolver; /* none: those of resolv.conf */
    size_t dns_resolver_n;
    unsigned dns_types;                             /* enum conf_dns_types */
    double dns_min_ttl, dns_max_ttl, dns_error_ttl; /* s */

    /* keys of issuers, fetched by the checker; s */
    double jwks_min_ttl, jwks_max_ttl, jwks_error_ttl, jwks_refresh_interval, jwks_grace,
        jwks_timeout, jwks_wait;

    uint64_t limits_size; /* bytes for the counters of rate limits */
    uint64_t tokens_size; /* bytes for what was said of tokens */
    const struct conf_dict *shared_dicts;
    size_t shared_dicts_n;
    const struct conf_certificate *certificates;
    size_t certificates_n;

    /* entities; index in these arrays is the entity's `index` */
    const struct conf_upstream
        *upstreams; /* those implied by a service's host come after the configured ones */
    size_t upstreams_n;
    /* behind the services of the file stand those that plugins ask, asked_n of them */
    const struct conf_service *services;
    size_t services_n, asked_n;
    const struct conf_route *routes; /* all routes of all services, in file order */
    size_t routes_n;
    const struct conf_consumer *consumers;
    size_t consumers_n;
    const struct conf_plugin *plugins; /* every instance of every scope */
    size_t plugins_n;
    const struct conf_chain *chain_unrouted; /* global plugins, for a request that no route takes */
    const struct conf_credentials *credentials;
    struct conf_texts secret_arguments; /* of URLs, in which plugins look for credentials: no log
                                         * has their values */
    const struct conf_redis *redis;     /* all that are asked, by `next`; NULL: none */
    const struct conf_issuer *issuers;  /* those that plugins name; a list (conf/issuer.h) */

    void *impl; /* the loader's: arena and what has to be destroyed */
};

/* All errors of one load, in file order. `text` has one line an error, "file:line: path: what".
 * Owned by the caller. */
struct conf_errors {
    char *text; /* NULL when there is none, or no memory for it */
    size_t n;   /* count of errors; 0 = fine */
};

/* Reads and checks PATH completely, certificates included; host names are not asked for. Returns
 * NULL when there is any error, which is then in *errors. `env` true: GATEWAY_<SETTING> variables
 * override top-level scalars. Blocking (files): for start and reload only. Free with conf_free().
 */
const struct conf *conf_load(const char *path, bool env, struct conf_errors *errors);
/* The same for text in memory, n bytes; `name` is what errors call it, and its folder is where a
 * relative prefix starts. */
const struct conf *conf_load_text(const char *text, size_t n, const char *name, bool env,
                                  struct conf_errors *errors);
void conf_free(const struct conf **conf);
void conf_errors_free(struct conf_errors *errors);

/* Prints the effective configuration, every default filled in, secrets as they are needed to load
 * again. What it prints loads again to an equal configuration. */
void conf_print(const struct conf *conf, FILE *out);

/* Prints gateway.conf(5) in man(7) markup, made from the field table. */
void conf_print_manual(FILE *out);

/* The number of worker processes to run, >= 1. */
int conf_worker_count(const struct conf *conf);

/* True when `ip` (16 bytes, IPv4 mapped, zeros for a Unix socket) is one of the trusted_ips. */
bool conf_trusts(const struct conf *conf, const uint8_t ip[16]);

#endif
