/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugin instances and the order they run in. A plugin's configuration struct is declared in
 * conf/plugin_<name>.h and filled by its own field table in conf/plugin_<name>.c; what it does is
 * in worker/plugins/<name>.c.
 */
#ifndef CONF_PLUGIN_H
#define CONF_PLUGIN_H

#include "conf/entities.h"
#include "conf/fnv.h"

/* Kind, name, default priority (the table of the Kong documents; proxy-cache after the access
 * plugins). */
#define CONF_PLUGINS(X)                                                                            \
    X(IP_RESTRICTION, "ip-restriction", 3000)                                                      \
    X(BOT_DETECTION, "bot-detection", 2500)                                                        \
    X(CORS, "cors", 2000)                                                                          \
    X(OAUTH2_INTROSPECTION, "oauth2-introspection", 1700)                                          \
    X(JWT, "jwt", 1005)                                                                            \
    X(KEY_AUTH, "key-auth", 1003)                                                                  \
    X(BASIC_AUTH, "basic-auth", 1001)                                                              \
    X(HMAC_AUTH, "hmac-auth", 1000)                                                                \
    X(REQUEST_SIZE_LIMITING, "request-size-limiting", 951)                                         \
    X(ACL, "acl", 950)                                                                             \
    X(CONCURRENCY_LIMITING, "concurrency-limiting", 902)                                           \
    X(RATE_LIMITING, "rate-limiting", 901)                                                         \
    X(RESPONSE_RATELIMITING, "response-ratelimiting", 900)                                         \
    X(REQUEST_TRANSFORMER, "request-transformer", 801)                                             \
    X(RESPONSE_TRANSFORMER, "response-transformer", 800)                                           \
    X(SECURITY_HEADERS, "security-headers", 790)                                                   \
    X(REDIRECT, "redirect", 779)                                                                   \
    X(PROXY_CACHE, "proxy-cache", 100)                                                             \
    X(COMPRESSION, "compression", 90)                                                              \
    X(REQUEST_TERMINATION, "request-termination", 2)                                               \
    X(CORRELATION_ID, "correlation-id", 1)

enum conf_plugin_kind {
#define CONF_PLUGIN_ENUM(kind, name, priority) CONF_PLUGIN_##kind,
    CONF_PLUGINS(CONF_PLUGIN_ENUM)
#undef CONF_PLUGIN_ENUM
        CONF_PLUGIN_KINDS
};

struct conf_plugin {
    enum conf_plugin_kind kind;
    struct conf_text name, id;
    uint32_t index;
    bool enabled;
    int priority;
    unsigned protocols; /* bits of enum conf_protocol; the instance is skipped on others */
    const struct conf_service *service; /* the scope; NULL: any */
    const struct conf_route *route;
    const struct conf_consumer *consumer;
    const void *config;     /* the kind's struct */
    const char *holds;      /* "the request's body": what of a message it holds back until all of
                             * it has come; NULL: nothing. Set by the kind's finish() */
    struct conf_text where; /* "gateway.conf:88", for explanations */
};

/* The instance's own number for what it counts in shared memory: the same over reloads. */
static inline uint64_t plugin_scope(const struct conf_plugin *plugin)
{
    return fnv_text(FNV_BEGIN, plugin->id.s);
}

/* One kind in a chain: the instance for any consumer (may be NULL) and those bound to one consumer.
 */
struct conf_link {
    enum conf_plugin_kind kind;
    int priority; /* of `any`; without one the highest of by_consumer */
    const struct conf_plugin *any;
    const struct conf_plugin *const *by_consumer; /* sorted by consumer index */
    size_t by_consumer_n;
};

/* What runs on one route, highest priority first. Precedence is resolved: the most specific
 * instance of a kind wins. */
struct conf_chain {
    const struct conf_link *links;
    size_t links_n;
};

/* The instance of `link` that holds for `consumer` (NULL: unknown), or NULL when none does. */
const struct conf_plugin *plugin_pick(const struct conf_link *link,
                                      const struct conf_consumer *consumer);

const char *plugin_kind_name(enum conf_plugin_kind kind);

#endif
