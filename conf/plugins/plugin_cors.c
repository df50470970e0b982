/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of cors, as Kong has them. An origin with anything but letters, digits and .:/- in it
 * that is no IPv6 address is a pattern, anchored at both ends; "*" among others stands for all.
 */
#include "conf/plugins/plugin_cors.h"
#include "conf/endpoint.h"
#include "conf/load.h"
#include "conf/value.h"
#include <ctype.h>
#include <string.h>

struct cors_source {
    struct conf_cors as; /* the first member: what others see */
    struct conf_texts origins, methods, headers, exposed_headers;
};

#define CONFIG struct cors_source
static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXTS(CONFIG, origins, "origins"), .preset = "[ ]", .flags = FIELDS_SET,
      .check = value_is_printable,
      .doc = "Origins that may: texts (\"https://example.com\") or PCRE2 patterns for the whole "
             "origin, without \":\" for its host alone; \"*\" or [ ] is any." },
    { FIELDS_ROW_TEXTS(CONFIG, methods, "methods"),
      .preset = "[ \"GET\", \"HEAD\", \"PUT\", \"PATCH\", \"POST\", \"DELETE\", \"OPTIONS\", "
                "\"TRACE\", \"CONNECT\" ]",
      .flags = FIELDS_FILLED | FIELDS_SET, .check = value_is_method,
      .doc = "Access-Control-Allow-Methods." },
    { FIELDS_ROW_TEXTS(CONFIG, headers, "headers"), .preset = "[ ]", .flags = FIELDS_SET,
      .check = value_is_token,
      .doc = "Access-Control-Allow-Headers; [ ] is those that the preflight asks for." },
    { FIELDS_ROW_TEXTS(CONFIG, exposed_headers, "exposed_headers"), .preset = "[ ]",
      .flags = FIELDS_SET, .check = value_is_token, .doc = "Access-Control-Expose-Headers." },
    { FIELDS_ROW_INT(CONFIG, as.max_age, "max_age"), .preset = "-1", .min = -1, .max = INT32_MAX,
      .doc = "Seconds that a preflight's answer holds; -1 says nothing of it." },
    { FIELDS_ROW_BOOL(CONFIG, as.credentials, "credentials"), .preset = "false",
      .doc = "Whether Access-Control-Allow-Credentials is sent." },
    { FIELDS_ROW_BOOL(CONFIG, as.private_network, "private_network"), .preset = "false",
      .doc = "Whether requests from less private networks are allowed when they ask." },
    { FIELDS_ROW_BOOL(CONFIG, as.preflight_continue, "preflight_continue"), .preset = "false",
      .doc = "Whether the upstream answers preflight requests." },
    { FIELDS_ROW_BOOL(CONFIG, as.allow_origin_absent, "allow_origin_absent"), .preset = "true",
      .doc = "Whether responses to requests without Origin get the fields, too." },
};
static const struct fields_table table = {
    .title = "cors",
    .doc = "Answers preflight requests and lets browsers read responses from other origins.",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};

static struct conf_text joined(struct load *load, const struct conf_texts *texts)
{
    struct conf_text list = { "", 0 };
    for (size_t i = 0; i < texts->n; i++)
        list = memory_format(i + 1 == texts->n ? &load->memory : &load->scratch, "%s%s%s", list.s,
                             i ? "," : "", texts->v[i].s);
    return list;
}

/* "[2001:db8::1]" alone or behind "://" is an address, whatever it would be as a pattern. Returns
 * where it ends, 0: there is none. */
static size_t end_of_address(struct conf_text text)
{
    const char *mark = strstr(text.s, "://"), *begin = mark ? mark + 3 : text.s;
    const char *close = *begin == '[' ? strchr(begin, ']') : NULL;
    char six[ENDPOINT_SIX];
    bool sound = close && endpoint_six(begin + 1, (size_t)(close - begin - 1), six);
    return sound && (close[1] == ':' || close[1] == '\0') ? (size_t)(close + 1 - text.s) : 0;
}

static bool is_pattern(struct conf_text text)
{
    for (size_t i = end_of_address(text); i < text.n; i++)
        if (!isalnum((unsigned char)text.s[i]) && !strchr(".:/-", text.s[i]))
            return true;
    return false;
}

/* An address in the form that browsers send. */
static struct conf_text in_one_form(struct load *load, struct conf_text text)
{
    size_t end = end_of_address(text);
    char six[ENDPOINT_SIX];
    if (end == 0 || is_pattern(text))
        return text;
    int before = (int)(strchr(text.s, '[') - text.s);
    (void)endpoint_six(text.s + before + 1, end - (size_t)before - 2, six);
    return memory_format(&load->memory, "%.*s[%s]%s", before, text.s, six, text.s + end);
}

/* Compiled as it is written first, so that the reason names the right offset; then as a whole. */
static const struct conf_regex *pattern(struct load *load, struct conf_text text,
                                        const config_setting_t *at)
{
    char why[192];
    struct conf_regex *re = regex_compile(text.s, text.n, why, sizeof why);
    if (re) {
        regex_free(&re);
        struct conf_text whole = memory_format(&load->scratch, "(?:%s)$", text.s);
        re = regex_compile(whole.s, whole.n, why, sizeof why);
    }
    if (re)
        load_regex(load, re);
    else
        report_key(&load->report, at, "origins", "%s is not a valid pattern: %s",
                   report_quote(&load->report, text.s, text.n), why);
    return re;
}

static void read_origins(struct load *load, struct cors_source *config, const config_setting_t *at)
{
    struct conf_cors_origin *out = memory_array(&load->memory, config->origins.n, sizeof *out);
    config->as.any_origin = config->origins.n == 0;
    for (size_t i = 0; i < config->origins.n; i++) {
        struct conf_text text = in_one_form(load, config->origins.v[i]);
        if (strcmp(text.s, "*") == 0) {
            config->as.any_origin = true;
            continue;
        }
        struct conf_cors_origin *o = &out[config->as.origins_n++];
        o->text = text;
        o->by_host = !strchr(text.s, ':') || (text.s[0] == '[' && end_of_address(text) == text.n);
        if (is_pattern(text))
            o->regex = pattern(load, text, at);
    }
    config->as.origins = out;
}

static void finish(struct load *load, struct source_plugin *p)
{
    struct cors_source *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    config->as.methods = joined(load, &config->methods);
    config->as.headers = joined(load, &config->headers);
    config->as.exposed_headers = joined(load, &config->exposed_headers);
    read_origins(load, config, at);
}

const struct load_kind plugin_cors_kind = { &table, false, finish };
