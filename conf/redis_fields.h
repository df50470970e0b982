/* SPDX-License-Identifier: Apache-2.0 */
/* How a Redis is reached: one server, the master that Sentinels know, or a Cluster. A group of
 * fields that plugins have as `redis`. */
#ifndef CONF_REDIS_FIELDS_H
#define CONF_REDIS_FIELDS_H

#include "conf/endpoint.h"
#include <libconfig.h>

enum conf_redis_mode { CONF_REDIS_SINGLE, CONF_REDIS_SENTINEL, CONF_REDIS_CLUSTER };
enum conf_sentinel_role { CONF_SENTINEL_MASTER, CONF_SENTINEL_SLAVE, CONF_SENTINEL_ANY };

struct conf_redis_node {
    struct conf_text host; /* lower case, as certificates name it; "" for a Unix socket */
    struct conf_text text; /* for logs */
    int port;
    const struct conf_address *place; /* NULL: the host is a name, see worker/base/answer.h */
};

/* Settings that are equal are one, however many plugins have them. */
struct conf_redis {
    const struct conf_redis *next; /* of the configuration's */
    enum conf_redis_mode mode;
    const struct conf_redis_node *nodes; /* who is asked first: the server; Sentinels; some of a
                                            Cluster */
    size_t nodes_n;
    int timeout;                         /* ms for one question */
    struct conf_text username, password; /* "": none */
    int database;
    bool ssl, ssl_verify;
    struct conf_text server_name;            /* what certificates must name; "": the host */
    struct conf_text ca_certificates;        /* a PEM file's absolute path; "": the system's */
    const struct stack_st_X509 *authorities; /* what that file held; NULL: not read */
    struct conf_text sentinel_master, sentinel_username, sentinel_password;
    int cluster_max_redirections;
};

/* As written. */
struct source_redis {
    struct conf_redis as;
    struct conf_text host, ca_certificates;
    int port;
    enum conf_sentinel_role sentinel_role;
    struct source_list sentinel_nodes, cluster_nodes; /* source_redis_node */
    struct conf_texts sentinel_addresses, cluster_addresses;
    const config_setting_t *at; /* NULL: not written */
};

extern const struct fields_table redis_fields_table;

struct load;
/* Takes over what `at` says under old names, "redis_host" for redis.host. */
void redis_fields_old(struct load *load, struct source_redis *to, const struct source_redis *old,
                      const config_setting_t *at);
/* Checks it, which is wanted, and adds it to the configuration's. `at`: where the group would be if
 * it is not written. */
const struct conf_redis *redis_fields_finish(struct load *load, struct source_redis *from,
                                             const config_setting_t *at);

#endif
