/* SPDX-License-Identifier: Apache-2.0 */
/* A Redis in the field tables of plugins whose counters it may keep. */
#ifndef CONF_REDIS_ROWS_H
#define CONF_REDIS_ROWS_H

#include "conf/load.h"
#include "conf/redis_fields.h"
#include "conf/value.h"

/* The group, and what Kong called its fields up to 3.5, "redis_host". `source` has two members that
 * are source_redis: `redis`, and `old` for redis_fields_old(). */
#define REDIS_FIELDS_ROWS(source)                                                                  \
    { FIELDS_ROW_GROUP(source, redis, "redis", redis_fields_table),                                \
      .doc = "Which Redis, with policy = \"redis\"." },                                            \
        { FIELDS_ROW_TEXT(source, old.host, "redis_host"), .preset = "\"\"",                       \
          .flags = FIELDS_INPUT, .doc = "The same as redis.host." },                               \
        { FIELDS_ROW_INT(source, old.port, "redis_port"),                                          \
          .preset = "6379",                                                                        \
          .flags = FIELDS_INPUT,                                                                   \
          .min = 1,                                                                                \
          .max = 65535,                                                                            \
          .doc = "The same as redis.port." },                                                      \
        { FIELDS_ROW_INT(source, old.as.timeout, "redis_timeout"),                                 \
          .preset = "2000",                                                                        \
          .flags = FIELDS_INPUT,                                                                   \
          .min = 1,                                                                                \
          .max = INT32_MAX,                                                                        \
          .doc = "The same as redis.timeout." },                                                   \
        { FIELDS_ROW_TEXT(source, old.as.username, "redis_username"), .preset = "\"\"",            \
          .flags = FIELDS_INPUT | FIELDS_SECRET, .doc = "The same as redis.username." },           \
        { FIELDS_ROW_TEXT(source, old.as.password, "redis_password"), .preset = "\"\"",            \
          .flags = FIELDS_INPUT | FIELDS_SECRET, .doc = "The same as redis.password." },           \
        { FIELDS_ROW_INT(source, old.as.database, "redis_database"), .preset = "0",                \
          .flags = FIELDS_INPUT, .max = INT32_MAX, .doc = "The same as redis.database." },         \
        { FIELDS_ROW_BOOL(source, old.as.ssl, "redis_ssl"), .preset = "false",                     \
          .flags = FIELDS_INPUT, .doc = "The same as redis.ssl." },                                \
        { FIELDS_ROW_BOOL(source, old.as.ssl_verify, "redis_ssl_verify"), .preset = "true",        \
          .flags = FIELDS_INPUT, .doc = "The same as redis.ssl_verify." },                         \
    {                                                                                              \
        FIELDS_ROW_TEXT(source, old.as.server_name, "redis_server_name"),                          \
            .preset = "\"\"", .flags = FIELDS_INPUT | FIELDS_LOWER, .check = value_is_host,        \
            .doc = "The same as redis.server_name."                                                \
    }

#endif
