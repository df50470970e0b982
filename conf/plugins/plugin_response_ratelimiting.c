/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of response-ratelimiting, as Kong has them. The names of the fields that tell of a
 * limit are made here, once. */
#include "conf/plugins/plugin_response_ratelimiting.h"
#include "conf/limit_rows.h"
#include "conf/redis_rows.h"

#define CONFIG struct conf_response_ratelimiting
/* As written. */
struct source_response_ratelimiting {
    struct conf_response_ratelimiting as;
    struct source_list limits;      /* source_response_limit */
    struct source_redis redis, old; /* old: as Kong wrote it up to 3.5, "redis_host" */
    enum { RESPONSE_RATELIMITING_LOCAL, RESPONSE_RATELIMITING_REDIS } policy;
};

struct source_response_limit {
    struct conf_response_limit as;
    const config_setting_t *at;
};

#define LIMIT struct source_response_limit
#define PERIOD(i, k)                                                                               \
    .type = FIELDS_INT, .key = k, .offset = FIELDS_AT(LIMIT, as.limits[i], int), .preset = "0",    \
    .max = INT32_MAX
static const struct fields_row limit_rows[] = {
    { PERIOD(0, "second"), .doc = "How much a second; 0 is no such limit." },
    { PERIOD(1, "minute"), .doc = "How much a minute." },
    { PERIOD(2, "hour"), .doc = "How much an hour." },
    { PERIOD(3, "day"), .doc = "How much a day, in UTC." },
    { PERIOD(4, "month"), .doc = "How much a calendar month." },
    { PERIOD(5, "year"), .doc = "How much a calendar year." },
};
static const struct fields_table limit_table = {
    .title = "response-ratelimiting.limits",
    .doc = "The limits of one name: limits = { sms = { minute = 10; }; };",
    FIELDS_TABLE(limit_rows),
    .size = sizeof(LIMIT),
    .at = offsetof(LIMIT, at)
};

static const struct fields_name by[] = { { "consumer", CONF_LIMIT_BY_CONSUMER },
                                         { "credential", CONF_LIMIT_BY_CREDENTIAL },
                                         { "ip", CONF_LIMIT_BY_IP },
                                         { 0 } };
static const struct fields_name policies[] = { { "local", RESPONSE_RATELIMITING_LOCAL },
                                               { "redis", RESPONSE_RATELIMITING_REDIS },
                                               { 0 } };
static const struct fields_row rows[] = {
    { FIELDS_ROW_MAP(struct source_response_ratelimiting, limits, "limits", limit_table),
      .flags = FIELDS_REQUIRED | FIELDS_FILLED,
      .doc = "By names of your own, each with limits of its own." },
    { FIELDS_ROW_TEXT(CONFIG, header_name, "header_name"), .preset = "\"X-Kong-Limit\"",
      .flags = FIELDS_FILLED, .check = value_is_token,
      .doc = "The field of the upstream's response that says how much of what it used: \"sms=2, "
             "video=1\". Clients do not see it." },
    { FIELDS_ROW_ENUM(CONFIG, counted.limit_by, "limit_by"), .preset = "\"consumer\"", .names = by,
      .doc = "Whose responses are counted together. Where a request has no such thing, its "
             "client's address is taken." },
    { FIELDS_ROW_ENUM(struct source_response_ratelimiting, policy, "policy"), .preset = "\"local\"",
      .names = policies,
      .doc = "Where counts are kept: local is shared memory, exact over all workers; redis is a "
             "Redis that several gateways share: requests are refused by what it says before they "
             "go upstream, so that those under way together may use some more." },
    { FIELDS_ROW_BOOL(CONFIG, fault_tolerant, "fault_tolerant"), .preset = "true",
      .doc = "Whether responses are counted in shared memory, and no headers tell of it, while "
             "Redis does not answer; otherwise 500." },
    { FIELDS_ROW_BOOL(CONFIG, block_on_first_violation, "block_on_first_violation"),
      .preset = "false",
      .doc = "Whether requests are refused before they go upstream as soon as any name has "
             "nothing left." },
    { FIELDS_ROW_BOOL(CONFIG, hide_client_headers, "hide_client_headers"), .preset = "false",
      .doc = "Whether X-RateLimit-Limit-NAME-PERIOD and X-RateLimit-Remaining-NAME-PERIOD are left "
             "out." },
    REDIS_FIELDS_ROWS(struct source_response_ratelimiting),
};
static const struct fields_table table = {
    .title = "response-ratelimiting",
    .doc = "Bounds what the upstream says that a client has used. A response that uses some of "
           "what there is nothing left of becomes a 429, and is not counted. What is left goes "
           "upstream as X-RateLimit-Remaining-NAME. Stored answers cost nothing.",
    FIELDS_TABLE(rows),
    .size = sizeof(struct source_response_ratelimiting),
    .at = SIZE_MAX
};

/* Returns how many periods it has a limit for. */
static size_t finish_limit(struct load *load, const struct source_plugin *p,
                           struct source_response_limit *from, struct conf_response_limit *out)
{
    struct conf_response_limit *l = &from->as;
    size_t n = 0;
    char why[128] = "";

    limit_by_periods(load, l->limits, from->at);
    if (!value_is_token(l->name.s, l->name.n, why, sizeof why))
        report_add(&load->report, from->at, "%s %s",
                   report_quote(&load->report, l->name.s, l->name.n), why);
    l->scope = fnv_text(plugin_scope(&p->as), l->name.s);
    l->remaining = memory_format(&load->memory, "X-RateLimit-Remaining-%s", l->name.s);
    l->refusal = memory_format(&load->memory, "API rate limit exceeded for '%s'", l->name.s);
    for (int i = 0; i < LIMIT_BY_PERIODS; i++) {
        const char *period = limit_by_period_names[i];
        n += l->limits[i] > 0;
        l->fields[i].limit =
            memory_format(&load->memory, "X-RateLimit-Limit-%s-%s", l->name.s, period);
        l->fields[i].remaining =
            memory_format(&load->memory, "X-RateLimit-Remaining-%s-%s", l->name.s, period);
    }
    *out = *l;
    return n;
}

static void finish(struct load *load, struct source_plugin *p)
{
    struct source_response_ratelimiting *from = p->config;
    struct source_response_limit *limits = from->limits.v;
    struct conf_response_limit *out = memory_array(&load->memory, from->limits.n, sizeof *out);
    const config_setting_t *config = config_setting_get_member(p->at, "config");
    const config_setting_t *at = config ? config : p->at;

    for (size_t i = 0; i < from->limits.n; i++)
        from->as.windows_n += finish_limit(load, p, &limits[i], &out[i]);
    from->as.limits = out;
    from->as.limits_n = from->limits.n;
    redis_fields_old(load, &from->redis, &from->old, at);
    if (from->policy == RESPONSE_RATELIMITING_REDIS)
        from->as.redis = redis_fields_finish(load, &from->redis, at);
    if (from->as.redis && from->as.windows_n > RESPONSE_RATELIMITING_WINDOWS)
        report_key(&load->report, at, "limits", "are %zu; with policy = \"redis\" at most %d",
                   from->as.windows_n, RESPONSE_RATELIMITING_WINDOWS);
    from->as.id = p->as.id;
}

const struct load_kind plugin_response_ratelimiting_kind = { &table, false, finish };
