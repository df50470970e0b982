/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of bot-detection, as Kong has them. The list of known crawlers is the gateway's own:
 * names of programs that fetch in bulk and say so, and what gives such away, as Kong sees it: HTTP
 * libraries, and names made of bot, crawl, spider, scrape. It is one pattern, so that all of it
 * costs one match.
 */
#include "conf/plugins/plugin_bot_detection.h"
#include "conf/load.h"
#include <string.h>

struct bot_detection_source {
    struct conf_bot_detection as; /* the first member: what others see */
    struct conf_texts allow, deny;
};

#define CONFIG struct bot_detection_source
static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXTS(CONFIG, allow, "allow"), .preset = "[ ]",
      .doc = "PCRE2 patterns, searched for in User-Agent, of clients that always pass." },
    { FIELDS_ROW_TEXTS(CONFIG, deny, "deny"), .preset = "[ ]",
      .doc = "Patterns of clients that do not pass, besides the crawlers that the gateway knows." },
};
static const struct fields_table table = {
    .title = "bot-detection",
    .doc =
        "Refuses crawlers by their User-Agent: 403. It knows the names of many, HTTP libraries "
        "that "
        "say what they are (\"okhttp\", \"Go-http-client\"), and whatever calls itself a spider, "
        "crawler, scraper, or a bot of some version. Requests without that field pass.",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};

static const char known[] =
    "(?i)spider|scrape|crawl|(?<!cu)bot[/ -]v?\\d|(?:indexer|archiver)[/ -]v?\\d|"
    "\\b(?:"
    /* search engines and archives */
    "googlebot|google-extended|adsbot-google|mediapartners-google|apis-google|storebot-google|"
    "bingbot|bingpreview|msnbot|adidxbot|slurp|duckduckbot|duckassistbot|baiduspider|yandex\\w*bot|"
    "yandexbot|sogou (?:web|inst|pic) spider|exabot|seznambot|naverbot|yeti|coccocbot\\w*|qwantify|"
    "mojeekbot|applebot|ia_archiver|archive\\.org_bot|petalbot|aspiegelbot|"
    /* those that measure other people's sites */
    "ahrefsbot|ahrefssiteaudit|semrushbot|mj12bot|dotbot|rogerbot|blexbot|dataforseobot|"
    "serpstatbot|seokicks|sistrix|linkdexbot|barkrowler|zoominfobot|megaindex|screaming frog|"
    /* those that gather text for models */
    "gptbot|chatgpt-user|oai-searchbot|claudebot|claude-web|anthropic-ai|perplexitybot|ccbot|"
    "bytespider|amazonbot|facebookbot|meta-externalagent|cohere-ai|diffbot|omgilibot|imagesiftbot|"
    /* previews and monitors */
    "facebookexternalhit|twitterbot|linkedinbot|slackbot\\S*|discordbot|telegrambot|whatsapp|"
    "pinterestbot|redditbot|embedly|pingdom\\S*|uptimerobot|statuscake|"
    /* programs, and libraries for them */
    "scrapy|nutch|heritrix|httrack|sqlmap|nikto|masscan|zgrab|"
    "go-http-client|python-urllib|apache-httpclient|google-http-java-client|okhttp|axios|reqwest|"
    "aihttp|scalaj-http|unirest-\\w+|winhttp|httpmonitor|tlsprober|jnlp|"
    "boto3?|jets3t|s3fs|aws-cli|aws-sdk-\\w+"
    ")\\b";

static const struct conf_regex *compiled(struct load *load, struct conf_text text,
                                         const config_setting_t *at, const char *key)
{
    char why[192];
    struct conf_regex *re = regex_compile_search(text.s, text.n, why, sizeof why);
    if (re)
        load_regex(load, re);
    else
        report_key(&load->report, at, key, "%s is not a valid pattern: %s",
                   report_quote(&load->report, text.s, text.n), why);
    return re;
}

static const struct conf_regex **compile_all(struct load *load, const struct conf_texts *texts,
                                             const config_setting_t *at, const char *key)
{
    const struct conf_regex **out = memory_array(&load->memory, texts->n, sizeof *out);
    for (size_t i = 0; i < texts->n; i++)
        out[i] = compiled(load, texts->v[i], at, key);
    return out;
}

static void finish(struct load *load, struct source_plugin *p)
{
    struct bot_detection_source *config = p->config;
    const config_setting_t *at = config_setting_get_member(p->at, "config");
    config->as.allow = compile_all(load, &config->allow, at, "allow");
    config->as.allow_n = config->allow.n;
    config->as.deny = compile_all(load, &config->deny, at, "deny");
    config->as.deny_n = config->deny.n;
    config->as.known =
        compiled(load, (struct conf_text){ known, strlen(known) }, at ? at : p->at, "deny");
}

const struct load_kind plugin_bot_detection_kind = { &table, false, finish };
