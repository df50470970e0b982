/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The group `redis`, with Kong's names; `sentinel_addresses` and `cluster_addresses` are how older
 * files say what the lists of nodes say. Certificates are checked unless somebody asks for less. A
 * host may be a name, which the checker asks for as for those of targets.
 */
#include "conf/redis_fields.h"
#include "conf/load.h"
#include "conf/value.h"
#include <string.h>

enum { REDIS_PORT = 6379, SENTINEL_PORT = 26379 };

struct source_redis_node {
    struct conf_text host;
    int port;
    const config_setting_t *at;
};

static bool is_address_text(const char *s, size_t n, char *why, size_t size)
{
    struct conf_text host;
    int port;
    const char *reason = endpoint_target((struct conf_text){ s, n }, REDIS_PORT, &host, &port);
    if (reason)
        snprintf(why, size, "%s", reason);
    return !reason;
}

#define NODE struct source_redis_node
static const struct fields_row sentinel_rows[] = {
    { FIELDS_ROW_TEXT(NODE, host, "host"), .flags = FIELDS_REQUIRED | FIELDS_FILLED,
      .doc = "A name or an address." },
    { FIELDS_ROW_INT(NODE, port, "port"), .preset = "26379", .min = 1, .max = 65535,
      .doc = "Its port." },
};
static const struct fields_table sentinel_fields = { .title = "redis.sentinel_nodes",
                                                     .doc = "A Sentinel.",
                                                     FIELDS_TABLE(sentinel_rows),
                                                     .size = sizeof(NODE),
                                                     .at = offsetof(NODE, at) };
static const struct fields_row cluster_rows[] = {
    { FIELDS_ROW_TEXT(NODE, host, "ip"), .flags = FIELDS_REQUIRED | FIELDS_FILLED,
      .doc = "An address or a name." },
    { FIELDS_ROW_INT(NODE, port, "port"), .preset = "6379", .min = 1, .max = 65535,
      .doc = "Its port." },
};
static const struct fields_table cluster_fields = { .title = "redis.cluster_nodes",
                                                    .doc = "A node of a Cluster; it names the "
                                                           "others.",
                                                    FIELDS_TABLE(cluster_rows),
                                                    .size = sizeof(NODE),
                                                    .at = offsetof(NODE, at) };

static const struct fields_name roles[] = { { "master", CONF_SENTINEL_MASTER },
                                            { "slave", CONF_SENTINEL_SLAVE },
                                            { "any", CONF_SENTINEL_ANY },
                                            { 0 } };

#define REDIS struct source_redis
static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXT(REDIS, host, "host"), .preset = "\"\"",
      .doc = "A name, an address, or \"unix:/path\"; with neither Sentinels nor a Cluster." },
    { FIELDS_ROW_INT(REDIS, port, "port"), .preset = "6379", .min = 1, .max = 65535,
      .doc = "Its port." },
    { FIELDS_ROW_INT(REDIS, as.timeout, "timeout"), .preset = "2000", .min = 1, .max = INT32_MAX,
      .doc = "ms to wait for an answer, connecting included; then Redis counts as being down." },
    { FIELDS_ROW_TEXT(REDIS, as.username, "username"), .preset = "\"\"", .flags = FIELDS_SECRET,
      .doc = "Who to be (Redis 6 and later); \"\" is the default user." },
    { FIELDS_ROW_TEXT(REDIS, as.password, "password"), .preset = "\"\"", .flags = FIELDS_SECRET,
      .doc = "The password; \"\" sends no AUTH. It may be kept elsewhere: \"$(env:NAME)\", "
             "\"$(file:/path)\"." },
    { FIELDS_ROW_INT(REDIS, as.database, "database"), .preset = "0", .max = INT32_MAX,
      .doc = "Which database; a Cluster has 0 alone." },
    { FIELDS_ROW_BOOL(REDIS, as.ssl, "ssl"), .preset = "false", .doc = "Whether TLS is spoken." },
    { FIELDS_ROW_BOOL(REDIS, as.ssl_verify, "ssl_verify"), .preset = "true",
      .doc = "Whether its certificate is checked." },
    { FIELDS_ROW_TEXT(REDIS, as.server_name, "server_name"), .preset = "\"\"",
      .flags = FIELDS_LOWER, .check = value_is_host,
      .doc = "The name in its certificate, also asked for by SNI; \"\" is the host." },
    { FIELDS_ROW_TEXT(REDIS, ca_certificates, "ca_certificates"), .preset = "\"\"",
      .doc = "PEM file of the authorities that are trusted; \"\" is the system's." },
    { FIELDS_ROW_TEXT(REDIS, as.sentinel_master, "sentinel_master"), .preset = "\"\"",
      .doc = "What the Sentinels call the master." },
    { FIELDS_ROW_ENUM(REDIS, sentinel_role, "sentinel_role"), .preset = "\"master\"",
      .names = roles, .doc = "Whom to ask; counting needs the master, which any stands for too." },
    { FIELDS_ROW_TEXT(REDIS, as.sentinel_username, "sentinel_username"), .preset = "\"\"",
      .flags = FIELDS_SECRET, .doc = "Who to be at the Sentinels." },
    { FIELDS_ROW_TEXT(REDIS, as.sentinel_password, "sentinel_password"), .preset = "\"\"",
      .flags = FIELDS_SECRET, .doc = "The password there; \"\" sends no AUTH." },
    { FIELDS_ROW_LIST(REDIS, sentinel_nodes, "sentinel_nodes", sentinel_fields), .preset = "( )",
      .doc = "The Sentinels, asked in this order." },
    { FIELDS_ROW_TEXTS(REDIS, sentinel_addresses, "sentinel_addresses"), .preset = "[ ]",
      .check = is_address_text, .doc = "The same as \"host:port\"." },
    { FIELDS_ROW_LIST(REDIS, cluster_nodes, "cluster_nodes", cluster_fields), .preset = "( )",
      .doc = "Some nodes of a Cluster." },
    { FIELDS_ROW_TEXTS(REDIS, cluster_addresses, "cluster_addresses"), .preset = "[ ]",
      .check = is_address_text, .doc = "The same as \"host:port\"." },
    { FIELDS_ROW_INT(REDIS, as.cluster_max_redirections, "cluster_max_redirections"), .preset = "5",
      .max = 100, .doc = "How often one question follows a MOVED or an ASK." },
};
const struct fields_table redis_fields_table = { .title = "redis",
                                                 .doc = "How a Redis is reached.",
                                                 FIELDS_TABLE(rows),
                                                 .size = sizeof(REDIS),
                                                 .at = offsetof(REDIS, at) };

/* --- old names ------------------------------------------------------------------------------ */

void redis_fields_old(struct load *load, struct source_redis *to, const struct source_redis *old,
                      const config_setting_t *at)
{
#define OLD(member, key)                                                                           \
    {                                                                                              \
        key, offsetof(struct source_redis, member), sizeof old->member                             \
    }
    static const struct {
        const char *key;
        size_t offset, size;
    } names[] = { OLD(host, "redis_host"),
                  OLD(port, "redis_port"),
                  OLD(as.timeout, "redis_timeout"),
                  OLD(as.username, "redis_username"),
                  OLD(as.password, "redis_password"),
                  OLD(as.database, "redis_database"),
                  OLD(as.ssl, "redis_ssl"),
                  OLD(as.ssl_verify, "redis_ssl_verify"),
                  OLD(as.server_name, "redis_server_name") };
    enum { PREFIX = 6 };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!config_setting_get_member(at, names[i].key))
            continue;
        if (to->at && config_setting_get_member(to->at, names[i].key + PREFIX))
            report_key(&load->report, at, names[i].key, "is said by redis.%s already",
                       names[i].key + PREFIX);
        memcpy((char *)to + names[i].offset, (const char *)old + names[i].offset, names[i].size);
    }
}

/* --- nodes ---------------------------------------------------------------------------------- */

/* False: it is neither an address nor a name, which is reported at member `key` of `at`. */
static bool read_node(struct load *load, struct conf_redis_node *node, struct conf_text text,
                      int port, const config_setting_t *at, const char *key)
{
    char place_text[ENDPOINT_TEXT], why[128];
    struct conf_address place;
    struct conf_text host = load_host(load, text);
    const char *lost = endpoint_of_a_link(host);
    struct conf_target target = { .target = text, .host = host, .port = port };

    if (strncmp(text.s, "unix:", 5) == 0)
        target.host = (struct conf_text){ "", 0 };
    node->host = memory_lower(&load->memory, target.host);
    node->port = port;
    if (!lost && endpoint_place(&target, &place, place_text)) {
        struct conf_address *kept = memory_alloc(&load->memory, sizeof *kept);
        *kept = place;
        node->text = kept->text = memory_text(&load->memory, place_text, strlen(place_text));
        node->place = kept;
        return true;
    }
    node->text = memory_format(&load->memory, "%s:%d", text.s, port);
    if (value_is_host(text.s, text.n, why, sizeof why) && target.host.n)
        return true;
    report_key(&load->report, at, key, "%s %s", report_quote(&load->report, text.s, text.n),
               lost ? lost : "is not a host: a name, an address or unix:/PATH");
    return false;
}

static void read_nodes(struct load *load, struct source_redis *from, const struct source_list *list,
                       const struct conf_texts *addresses, const char *key)
{
    const struct source_redis_node *v = list->v;
    struct conf_redis *redis = &from->as;
    int preset = redis->mode == CONF_REDIS_SENTINEL ? SENTINEL_PORT : REDIS_PORT;
    struct conf_redis_node *out = memory_array(&load->memory, list->n + addresses->n, sizeof *out);
    for (size_t i = 0; i < list->n; i++)
        if (read_node(load, &out[redis->nodes_n], v[i].host, v[i].port, v[i].at, key))
            redis->nodes_n++;
    for (size_t i = 0; i < addresses->n; i++) {
        struct conf_text host;
        int port;
        if (endpoint_target(addresses->v[i], preset, &host, &port))
            continue; /* reported when it was read */
        host = host.n ? memory_text(&load->memory, host.s, host.n) : addresses->v[i];
        if (read_node(load, &out[redis->nodes_n], host, port, from->at, key))
            redis->nodes_n++;
    }
    redis->nodes = out;
}

static void read_single(struct load *load, struct source_redis *from, const config_setting_t *at)
{
    struct conf_redis_node *node = memory_alloc(&load->memory, sizeof *node);
    from->as.nodes = node;
    if (from->host.n == 0)
        report_key(&load->report, at, "host",
                   "is missing, and so are sentinel_nodes and cluster_nodes");
    else if (read_node(load, node, from->host, from->port, at, "host"))
        from->as.nodes_n = 1;
}

/* --- what goes together --------------------------------------------------------------------- */

static void check(struct load *load, const struct source_redis *from, const config_setting_t *at,
                  bool sentinels, bool cluster)
{
    struct report *report = &load->report;
    if (sentinels && cluster)
        report_key(report, at, "cluster_nodes", "cannot be together with sentinel_nodes");
    if ((sentinels || cluster) && from->host.n)
        report_key(report, at, "host", "cannot be together with sentinel_nodes or cluster_nodes");
    if (sentinels && from->as.sentinel_master.n == 0)
        report_key(report, at, "sentinel_master", "is missing: the Sentinels may know several");
    if (!sentinels && from->as.sentinel_master.n)
        report_key(report, at, "sentinel_master", "needs sentinel_nodes");
    if (from->sentinel_role == CONF_SENTINEL_SLAVE)
        report_key(report, at, "sentinel_role", "cannot be \"slave\": counting writes");
    if (cluster && from->as.database)
        report_key(report, at, "database", "must be 0: a Cluster has no other");
}

static bool same_text(struct conf_text a, struct conf_text b)
{
    return a.n == b.n && memcmp(a.s, b.s, a.n) == 0;
}

static bool same(const struct conf_redis *a, const struct conf_redis *b)
{
    if (a->mode != b->mode || a->nodes_n != b->nodes_n || a->timeout != b->timeout ||
        a->database != b->database || a->ssl != b->ssl || a->ssl_verify != b->ssl_verify ||
        a->cluster_max_redirections != b->cluster_max_redirections)
        return false;
    for (size_t i = 0; i < a->nodes_n; i++)
        if (!same_text(a->nodes[i].text, b->nodes[i].text))
            return false;
    return same_text(a->username, b->username) && same_text(a->password, b->password) &&
           same_text(a->server_name, b->server_name) &&
           same_text(a->ca_certificates, b->ca_certificates) &&
           same_text(a->sentinel_master, b->sentinel_master) &&
           same_text(a->sentinel_username, b->sentinel_username) &&
           same_text(a->sentinel_password, b->sentinel_password);
}

const struct conf_redis *redis_fields_finish(struct load *load, struct source_redis *from,
                                             const config_setting_t *at)
{
    struct conf_redis *redis = &from->as;
    bool sentinels = from->sentinel_nodes.n || from->sentinel_addresses.n;
    bool cluster = from->cluster_nodes.n || from->cluster_addresses.n;

    at = from->at ? from->at : at;
    check(load, from, at, sentinels, cluster);
    redis->mode = sentinels ? CONF_REDIS_SENTINEL
                  : cluster ? CONF_REDIS_CLUSTER
                            : CONF_REDIS_SINGLE;
    if (sentinels)
        read_nodes(load, from, &from->sentinel_nodes, &from->sentinel_addresses, "host");
    else if (cluster)
        read_nodes(load, from, &from->cluster_nodes, &from->cluster_addresses, "ip");
    else
        read_single(load, from, at);
    redis->ca_certificates = (struct conf_text){ "", 0 };
    if (from->ca_certificates.n && redis->ssl)
        redis->ca_certificates = load_path(load, from->ca_certificates);
    for (const struct conf_redis *r = load->conf->redis; r; r = r->next)
        if (same(r, redis))
            return r;
    if (redis->ca_certificates.n)
        redis->authorities = certificates_list(load, redis->ca_certificates, at, "ca_certificates");
    redis->next = load->conf->redis;
    load->conf->redis = redis;
    return redis;
}
