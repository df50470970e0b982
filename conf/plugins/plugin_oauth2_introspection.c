/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of oauth2-introspection, as Kong has them; beside introspection_url the pair of
 * oauth_service_url and token_validation_endpoint. Whom it asks becomes a service of the plugin's
 * own: its host may be the name of an upstream, with all that those can do.
 */
#include "conf/plugins/plugin_oauth2_introspection.h"
#include "conf/hex.h"
#include "conf/ids.h"
#include "conf/load.h"
#include "conf/value.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

struct oauth2_introspection_source {
    struct conf_oauth2_introspection as; /* the first member: what others see */
    struct conf_text introspection_url, oauth_service_url, token_validation_endpoint;
    struct conf_text authorization_value, client_id, client_secret, ca_certificates, anonymous;
    bool tls_verify;
    int keepalive; /* ms */
};

static const struct fields_name consumer_bys[] = { { "username", CONF_BY_USERNAME },
                                                   { "client_id", CONF_BY_CLIENT_ID },
                                                   { 0 } };
static const struct fields_name on_errors[] = { { "deny", CONF_ON_ERROR_DENY },
                                                { "allow", CONF_ON_ERROR_ALLOW },
                                                { 0 } };

/* Words that WWW-Authenticate may repeat (RFC 6749 section 3.3). */
static bool is_scopes(const char *s, size_t n, char *why, size_t size)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < 0x20 || s[i] > 0x7e || s[i] == '"' || s[i] == '\\') {
            snprintf(why, size, "is not a list of scopes, separated by spaces");
            return false;
        }
    return true;
}

#define CONFIG struct oauth2_introspection_source
static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXT(CONFIG, introspection_url, "introspection_url"), .preset = "\"\"",
      .doc = "Where tokens are asked about by RFC 7662: POST token=TOKEN, and an answer in JSON "
             "that says whether it is active. The host may be an upstream's name." },
    { FIELDS_ROW_TEXT(CONFIG, oauth_service_url, "oauth_service_url"), .preset = "\"\"",
      .doc = "Instead of introspection_url, a service that is sent GET with the token as "
             "Authorization: Bearer. 2xx lets pass, unless a JSON answer says that \"active\" or "
             "\"valid\" is false; 401 and 403 refuse." },
    { FIELDS_ROW_TEXT(CONFIG, token_validation_endpoint, "token_validation_endpoint"),
      .preset = "\"/api/auth/validate\"", .check = value_is_target,
      .doc = "The path at oauth_service_url." },
    { FIELDS_ROW_TEXT(CONFIG, authorization_value, "authorization_value"), .preset = "\"\"",
      .flags = FIELDS_SECRET,
      .doc = "What introspection_url is shown as Authorization, such as \"Basic ...\"." },
    { FIELDS_ROW_TEXT(CONFIG, client_id, "client_id"), .preset = "\"\"",
      .check = value_is_printable,
      .doc = "With client_secret, instead of authorization_value: shown as Basic." },
    { FIELDS_ROW_TEXT(CONFIG, client_secret, "client_secret"), .preset = "\"\"",
      .flags = FIELDS_SECRET, .doc = "The password of client_id." },
    { FIELDS_ROW_TEXT(CONFIG, as.token_type_hint, "token_type_hint"), .preset = "\"\"",
      .check = value_is_printable, .doc = "Sent along as token_type_hint." },
    { FIELDS_ROW_NUMBER(CONFIG, as.ttl, "ttl"), .preset = "30", .max = 31536000,
      .doc = "Seconds that an answer holds at most, never beyond the token's exp; 0 is until exp, "
             "and no time where there is none." },
    { FIELDS_ROW_NUMBER(CONFIG, as.negative_ttl, "negative_ttl"), .preset = "5", .max = 86400,
      .doc = "Seconds that a refusal holds; 0 asks again each time." },
    { FIELDS_ROW_INT(CONFIG, as.timeout, "timeout"), .preset = "10000", .min = 1, .max = 600000,
      .doc = "Milliseconds for a question and its answer, all in all." },
    { FIELDS_ROW_SIZE(CONFIG, as.max_answer_size, "max_answer_size"), .preset = "\"64k\"",
      .min = 1024, .max = 1 << 20,
      .doc = "An answer of more bytes is none. Those of more than 4k have 8m together in a worker: "
             "what does not fit is no answer either." },
    { FIELDS_ROW_INT(CONFIG, keepalive, "keepalive"), .preset = "60000", .min = 1, .max = INT32_MAX,
      .doc = "Milliseconds that an idle connection to the service is kept; those to one host and "
             "port are kept alike, and those to an upstream as that says." },
    { FIELDS_ROW_BOOL(CONFIG, as.introspect_request, "introspect_request"), .preset = "false",
      .doc = "Whether the question says X-Request-Path and X-Request-Http-Method of the request; "
             "answers then hold for these alone." },
    { FIELDS_ROW_HEADERS(CONFIG, as.custom_introspection_headers, "custom_introspection_headers"),
      .preset = "{ }", .flags = FIELDS_REFERS, .check = value_is_probe_header,
      .doc = "More fields of the question: { name = [ \"...\" ]; }." },
    { FIELDS_ROW_TEXTS(CONFIG, as.custom_claims_forward, "custom_claims_forward"), .preset = "[ ]",
      .flags = FIELDS_SET, .check = value_is_token,
      .doc = "Further members of the answer that the upstream is told as X-Credential-NAME." },
    { FIELDS_ROW_ENUM(CONFIG, as.consumer_by, "consumer_by"), .preset = "\"username\"",
      .names = consumer_bys,
      .doc = "Which member of the answer names the consumer: username its username, client_id its "
             "custom_id. A token whose consumer is not known passes without one." },
    { FIELDS_ROW_TEXTS(CONFIG, as.scopes_required, "scopes_required"), .preset = "[ ]",
      .flags = FIELDS_SET, .check = is_scopes,
      .doc = "Scopes, one of which the token needs; several in one string, it needs all of them. "
             "403 otherwise." },
    { FIELDS_ROW_TEXTS(CONFIG, as.audience_required, "audience_required"), .preset = "[ ]",
      .flags = FIELDS_SET, .check = value_is_printable,
      .doc = "Audiences, one of which the answer's aud has to name." },
    { FIELDS_ROW_TEXTS(CONFIG, as.header_names, "header_names"), .preset = "[ \"authorization\" ]",
      .flags = FIELDS_SET, .check = value_is_token,
      .doc = "Header fields in which a token is looked for, after \"Bearer\"." },
    { FIELDS_ROW_TEXTS(CONFIG, as.uri_param_names, "uri_param_names"), .preset = "[ ]",
      .flags = FIELDS_SET, .check = value_is_printable,
      .doc = "Query parameters in which it is looked for, such as \"access_token\". Bodies are not "
             "read." },
    { FIELDS_ROW_BOOL(CONFIG, as.hide_credentials, "hide_credentials"), .preset = "false",
      .doc = "The token is not sent upstream." },
    { FIELDS_ROW_BOOL(CONFIG, as.run_on_preflight, "run_on_preflight"), .preset = "true",
      .doc = "Whether OPTIONS requests need a token too." },
    { FIELDS_ROW_ENUM(CONFIG, as.on_error, "on_error"), .preset = "\"deny\"", .names = on_errors,
      .doc = "What follows where the service gives no answer that can be used: deny is 503, allow "
             "lets the request pass, as anonymous where that is set." },
    { FIELDS_ROW_BOOL(CONFIG, tls_verify, "tls_verify"), .preset = "true",
      .doc = "Whether an https service must have a valid certificate." },
    { FIELDS_ROW_TEXT(CONFIG, ca_certificates, "ca_certificates"), .preset = "\"\"",
      .doc = "A PEM file of the authorities to trust; \"\" is those of the system." },
    { FIELDS_ROW_TEXT(CONFIG, as.realm, "realm"), .preset = "\"\"", .check = value_is_printable,
      .doc = "The realm named in WWW-Authenticate." },
    { FIELDS_ROW_TEXT(CONFIG, anonymous, "anonymous"), .preset = "\"\"",
      .doc = "The consumer (username, custom_id or id) of requests without an active token; \"\" "
             "refuses them." },
};
static const struct fields_table table = {
    .title = "oauth2-introspection",
    .doc =
        "Asks an authorization service about the token of a request. Answers are kept in shared "
        "memory (tokens_size) under a keyed digest, and all requests with one token, in all "
        "workers, ask together once. The upstream is told X-Consumer-*, and X-Credential-Scope, "
        "-Client-ID, -Username, -Identifier, -Token-Type, -Exp, -Iat, -Nbf, -Sub, -Aud, -Iss and "
        "-Jti, which no client can say itself.",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};

/* --- whom to ask ---------------------------------------------------------------------------- */

static void split_query(struct load *load, struct conf_oauth2_introspection *c,
                        struct conf_text target)
{
    const char *mark = memchr(target.s, '?', target.n);
    size_t n = mark ? (size_t)(mark - target.s) : target.n;
    c->path = n ? memory_text(&load->memory, target.s, n) : (struct conf_text){ "/", 1 };
    c->query =
        mark ? memory_text(&load->memory, mark + 1, target.n - n - 1) : (struct conf_text){ "", 0 };
}

/* The service behind a URL, and its path with the query. */
static struct conf_text find_host(struct load *load, struct source_plugin *p, struct conf_text url,
                                  const char *key)
{
    CONFIG *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    const char *mark = memchr(url.s, '?', url.n);
    size_t n = mark ? (size_t)(mark - url.s) : url.n;
    char why[128];
    struct services_own own = { .name =
                                    memory_format(&load->memory, "%s %s", p->as.name.s, p->as.id.s),
                                .url = memory_text(&load->memory, url.s, n),
                                .ca_certificates = config->ca_certificates,
                                .tls_verify = config->tls_verify,
                                .timeout = config->as.timeout,
                                .keepalive = config->keepalive,
                                .at = at,
                                .key = key };
    config->as.service = services_own(load, &own);
    struct conf_text path =
        config->as.service ? config->as.service->path : (struct conf_text){ "", 0 };
    struct conf_text whole =
        memory_format(&load->memory, "%s%s", path.n || !mark ? path.s : "/", mark ? mark : "");
    if (mark && !value_is_target(whole.s, whole.n, why, sizeof why))
        report_key(&load->report, at, key, "has a query with a character that it cannot contain");
    return whole;
}

static void find_service(struct load *load, struct source_plugin *p)
{
    CONFIG *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    if (config->introspection_url.n && config->oauth_service_url.n) {
        report_key(&load->report, at, "oauth_service_url", "cannot be used with introspection_url");
        return;
    }
    if (config->introspection_url.n) {
        split_query(load, &config->as,
                    find_host(load, p, config->introspection_url, "introspection_url"));
        return;
    }
    if (config->oauth_service_url.n == 0) {
        report_key(&load->report, at ? at : p->at, "introspection_url",
                   "is missing, and so is oauth_service_url");
        return;
    }
    config->as.way = CONF_INTROSPECTION_STATUS;
    if (memchr(config->oauth_service_url.s, '?', config->oauth_service_url.n))
        report_key(&load->report, at, "oauth_service_url", "must not have a query");
    struct conf_text base = find_host(load, p, config->oauth_service_url, "oauth_service_url");
    if (base.n && base.s[base.n - 1] == '/')
        base.n--;
    split_query(load, &config->as,
                memory_format(&load->memory, "%.*s%s", (int)base.n, base.s,
                              config->token_validation_endpoint.s));
}

/* --- what the gateway shows ----------------------------------------------------------------- */

/* Form encoding (RFC 6749 section 2.3.1). */
static char *encode(char *to, struct conf_text text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.s[i];
        if (hex_is_unreserved(c))
            *to++ = (char)c;
        else
            to = hex_escape(to, c);
    }
    return to;
}

static struct conf_text basic(struct load *load, struct conf_text id, struct conf_text secret)
{
    size_t room = 3 * (id.n + secret.n) + 2;
    char *both = memory_alloc(&load->scratch, room), *at = encode(both, id);
    *at++ = ':';
    at = encode(at, secret);
    char *out = memory_alloc(&load->memory, 6 + room * 2);
    memcpy(out, "Basic ", 6);
    int n =
        EVP_EncodeBlock((unsigned char *)out + 6, (const unsigned char *)both, (int)(at - both));
    OPENSSL_cleanse(both, room);
    return (struct conf_text){ out, 6 + (size_t)n };
}

static void find_authorization(struct load *load, CONFIG *config, const config_setting_t *at)
{
    char why[128];
    struct conf_text value = config->authorization_value;
    if (config->client_id.n && config->client_secret.n && value.n == 0)
        value = basic(load, config->client_id, config->client_secret);
    else if (config->client_id.n && value.n)
        report_key(&load->report, at, "client_id", "cannot be used with authorization_value");
    else if (config->client_id.n || config->client_secret.n)
        report_key(&load->report, at, config->client_id.n ? "client_secret" : "client_id",
                   "is missing");
    if (value.n && !value_is_printable(value.s, value.n, why, sizeof why))
        report_key(&load->report, at, "authorization_value", "holds a control character");
    if (value.n && config->as.way == CONF_INTROSPECTION_STATUS)
        report_key(&load->report, at, config->client_id.n ? "client_id" : "authorization_value",
                   "cannot be used with oauth_service_url: it is shown the token");
    config->as.authorization = value;
}

/* --- all of it ------------------------------------------------------------------------------ */

static struct conf_text join(struct load *load, struct conf_text text, struct conf_texts more)
{
    for (size_t i = 0; i < more.n; i++)
        text = memory_format(&load->scratch, "%s\n%s", text.s, more.v[i].s);
    return text;
}

static struct conf_text fingerprint(struct load *load, const CONFIG *config)
{
    const struct conf_oauth2_introspection *c = &config->as;
    const struct conf_route_header *headers = c->custom_introspection_headers.v;
    struct conf_text text = memory_format(
        &load->scratch, "%d\n%s\n%s\n%s\n%s\n%s\n%s\n%d", (int)c->way, config->introspection_url.s,
        config->oauth_service_url.s, c->path.s, c->query.s, c->authorization.s,
        c->token_type_hint.s, (int)c->introspect_request);
    /* nor is an answer for one who would have asked again by now, or trusts others */
    text = memory_format(&load->scratch, "%s\n%.17g\n%.17g\n%d\n%s", text.s, c->ttl,
                         c->negative_ttl, (int)config->tls_verify, config->ca_certificates.s);
    text = join(load, text, c->custom_claims_forward);
    for (size_t i = 0; i < c->custom_introspection_headers.n; i++)
        text = join(load, memory_format(&load->scratch, "%s\n\n%s", text.s, headers[i].name.s),
                    headers[i].values);
    return ids_uuid(&load->memory, "%s", text.s);
}

static void finish(struct load *load, struct source_plugin *p)
{
    CONFIG *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    config->as.anonymous = load_consumer(load, config->anonymous, at, "anonymous");
    load_secret_arguments(load, &config->as.uri_param_names);
    find_service(load, p);
    find_authorization(load, config, at);
    const struct conf_route_header *headers = config->as.custom_introspection_headers.v;
    for (size_t i = 0; i < config->as.custom_introspection_headers.n; i++)
        if (headers[i].values.n > 1)
            report_key(&load->report, at, "custom_introspection_headers",
                       "has more than one value for %s", headers[i].name.s);
    if (config->as.header_names.n + config->as.uri_param_names.n == 0)
        report_key(&load->report, at, "header_names", "a token must be allowed somewhere");
    config->as.fingerprint = fingerprint(load, config);
}

const struct load_kind plugin_oauth2_introspection_kind = { &table, true, finish };
