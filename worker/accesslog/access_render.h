/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of the access log: what is known of a request when it ended, as JSON (RFC 8259) or in
 * the combined format that log readers know. Pure: bytes in, bytes out. Whatever a client sends,
 * the line stays one line, valid and bounded.
 */
#ifndef WORKER_ACCESS_RENDER_H
#define WORKER_ACCESS_RENDER_H

#include "worker/base/slice.h"

/* A line with its newline is never longer: so that it fits one atomic write to a pipe (PIPE_BUF),
 * with a byte to spare. */
enum { ACCESS_LINE_MAX = 4095 };

/* Absent slices and negative numbers are left out (JSON) or written as "-" (combined). */
struct access_record {
    int64_t time_ms;                       /* when the request began; ms since 1970 */
    struct slice client_ip;                /* text, after trusted_ips */
    struct slice method, target, protocol; /* as received: "GET", "/a?b", "HTTP/1.1" */
    struct slice host;
    int status;                   /* 0: closed without an answer */
    uint64_t bytes_in, bytes_out; /* of the request and the response, heads included */
    uint64_t body_out; /* body bytes of the response alone (the combined format counts these) */
    struct slice request_id;
    struct slice route, service, consumer; /* names; absent: none */
    struct slice upstream;                 /* "127.0.0.1:9001" of the last target that was tried */
    int upstream_status;                   /* -1: none */
    int tries;                             /* targets tried; 0: none */
    int64_t total_us;          /* from the request's first byte to the response's last */
    int64_t proxy_us;          /* of the gateway itself; -1: unknown */
    int64_t upstream_us;       /* waited for the upstream's head; -1: none */
    struct slice cache;        /* "Hit", "Miss", ...; absent: no cache */
    struct slice cache_reason; /* why it was not asked, or did not store; absent: nothing to say */
    struct slice referer, user_agent;
    struct slice tls_version; /* "TLSv1.3"; absent: plain */
    struct slice error; /* cause of an answer that the gateway made itself, "upstream timed out" */
};

/* Writes one line with its newline to out; cap >= ACCESS_LINE_MAX. Returns its length, <=
 * ACCESS_LINE_MAX. Values that are too long are cut at a character and end in "...". */
size_t access_render_json(const struct access_record *record, char *out, size_t cap);
/* nginx's combined: ip - consumer [time] "request" status body_out "referer" "user agent"; time in
 * UTC. One more column, "Bypass: reason", where there is a reason of the cache to tell. */
size_t access_render_combined(const struct access_record *record, char *out, size_t cap);

#endif
