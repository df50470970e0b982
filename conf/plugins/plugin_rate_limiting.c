/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of rate-limiting, as Kong has them. Counts live in shared memory that all workers use,
 * so policy "local" is exact for the machine. */
#include "conf/plugins/plugin_rate_limiting.h"
#include "conf/limit_rows.h"
#include "conf/redis_rows.h"

#define CONFIG struct conf_rate_limiting
/* As written. */
struct source_rate_limiting {
    struct conf_rate_limiting as;
    struct source_redis redis, old; /* old: as Kong wrote it up to 3.5, "redis_host" */
};

static const struct fields_name policies[] = { { "local", CONF_LIMIT_LOCAL },
                                               { "cluster", CONF_LIMIT_CLUSTER },
                                               { "redis", CONF_LIMIT_REDIS },
                                               { 0 } };
static const struct fields_name windows[] = { { "fixed", CONF_LIMIT_FIXED },
                                              { "sliding", CONF_LIMIT_SLIDING },
                                              { "token-bucket", CONF_LIMIT_BUCKET },
                                              { 0 } };
static const struct fields_row rows[] = {
    { LIMIT_BY_PERIOD(CONFIG, 0, "second"), .doc = "Requests a second; 0 is no such limit." },
    { LIMIT_BY_PERIOD(CONFIG, 1, "minute"), .doc = "Requests a minute." },
    { LIMIT_BY_PERIOD(CONFIG, 2, "hour"), .doc = "Requests an hour." },
    { LIMIT_BY_PERIOD(CONFIG, 3, "day"), .doc = "Requests a day, in UTC." },
    { LIMIT_BY_PERIOD(CONFIG, 4, "month"), .doc = "Requests a calendar month." },
    { LIMIT_BY_PERIOD(CONFIG, 5, "year"), .doc = "Requests a calendar year." },
    LIMIT_BY_ROWS(CONFIG),
    { FIELDS_ROW_ENUM(CONFIG, policy, "policy"), .preset = "\"local\"", .names = policies,
      .doc = "Where counts are kept: local is shared memory, exact over all workers; redis is a "
             "Redis that several gateways share, exact over all of them." },
    { FIELDS_ROW_NUMBER(CONFIG, sync_rate, "sync_rate"), .preset = "-1", .min = -1, .max = 1000000,
      .doc = "With policy = \"redis\": -1 asks Redis for each request; otherwise each machine "
             "counts for itself and tells Redis every so many seconds, 0.02 or more, so that "
             "gateways together may let some more pass." },
    { FIELDS_ROW_ENUM(CONFIG, window_type, "window_type"), .preset = "\"fixed\"", .names = windows,
      .doc = "fixed: windows that begin with the second, minute, ...; sliding: the last so many "
             "seconds, with the window before taken as evenly filled; token-bucket: tokens come "
             "back evenly." },
    { FIELDS_ROW_INT(CONFIG, burst, "burst"), .preset = "0", .max = INT32_MAX,
      .doc = "Tokens that a bucket holds, with token-bucket; 0 is as many as the limit." },
    { FIELDS_ROW_BOOL(CONFIG, fault_tolerant, "fault_tolerant"), .preset = "true",
      .doc =
          "Whether requests are counted in shared memory, and no headers tell of it, while Redis "
          "does not answer; otherwise 500." },
    { FIELDS_ROW_BOOL(CONFIG, hide_client_headers, "hide_client_headers"), .preset = "false",
      .doc = "Whether X-RateLimit-*, RateLimit-* and Retry-After are left out." },
    { FIELDS_ROW_INT(CONFIG, error_code, "error_code"), .preset = "429", .min = 400, .max = 599,
      .doc = "The status of a refusal." },
    { FIELDS_ROW_TEXT(CONFIG, error_message, "error_message"),
      .preset = "\"API rate limit exceeded\"", .flags = FIELDS_FILLED, .check = value_is_printable,
      .doc = "Its message." },
    { FIELDS_ROW_BOOL(CONFIG, dry_run, "dry_run"), .preset = "false",
      .doc = "Whether requests that would be refused pass all the same, with the log saying so." },
    REDIS_FIELDS_ROWS(struct source_rate_limiting),
};
static const struct fields_table table = { .title = "rate-limiting",
                                           .doc = "Bounds how many requests somebody may send.",
                                           FIELDS_TABLE(rows),
                                           .size = sizeof(struct source_rate_limiting),
                                           .at = SIZE_MAX };

static void finish(struct load *load, struct source_plugin *p)
{
    struct source_rate_limiting *from = p->config;
    struct conf_rate_limiting *c = &from->as;
    const config_setting_t *config = config_setting_get_member(p->at, "config");
    const config_setting_t *at = config ? config : p->at;
    limit_by_periods(load, c->limits, at);
    limit_by_check(load, p, &c->counted);
    if (c->policy == CONF_LIMIT_CLUSTER)
        report_key(&load->report, at, "policy", "cannot be \"cluster\": there is no database");
    redis_fields_old(load, &from->redis, &from->old, at);
    if (c->policy == CONF_LIMIT_REDIS)
        c->redis = redis_fields_finish(load, &from->redis, at);
    else if (c->sync_rate != -1)
        report_key(&load->report, at, "sync_rate", "needs policy = \"redis\"");
    if (c->sync_rate != -1 && c->sync_rate < 0.02)
        report_key(&load->report, at, "sync_rate", "must be -1, or 0.02 and more");
    c->id = p->as.id;
    if (c->burst && c->window_type != CONF_LIMIT_BUCKET)
        report_key(&load->report, at, "burst", "needs window_type = \"token-bucket\"");
    c->scope = plugin_scope(&p->as);
}

const struct load_kind plugin_rate_limiting_kind = { &table, false, finish };
