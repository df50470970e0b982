/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of compression. Kong has no such plugin: names follow proxy-cache's, what they mean
 * nginx's and HAProxy's. */
#include "conf/plugins/plugin_compression.h"
#include "conf/load.h"
#include "conf/mime.h"
#include "conf/value.h"
#include <stdio.h>
#include <string.h>

struct compression_source {
    struct conf_compression as; /* the first member: what others see */
    struct conf_texts algorithms, types;
};

static bool read_coding(const char *s, enum conf_coding *out)
{
    *out = strcmp(s, "br") == 0     ? CONF_CODING_BROTLI
           : strcmp(s, "gzip") == 0 ? CONF_CODING_GZIP
                                    : CONF_CODING_IDENTITY;
    return *out != CONF_CODING_IDENTITY;
}

static bool is_coding(const char *s, size_t n, char *why, size_t size)
{
    enum conf_coding coding;

    (void)n;
    if (read_coding(s, &coding))
        return true;
    snprintf(why, size, "is not br or gzip");
    return false;
}

static bool is_type(const char *s, size_t n, char *why, size_t size)
{
    if (mime_is_valid(s, n) && !memchr(s, ';', n))
        return true;
    snprintf(why, size,
             "is not a media type like \"text/html\", \"text/*\" or "
             "\"application/*+json\", without parameters");
    return false;
}

#define CONFIG struct compression_source
static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXTS(CONFIG, algorithms, "algorithms"), .preset = "[ \"br\", \"gzip\" ]",
      .flags = FIELDS_FILLED | FIELDS_SET, .check = is_coding,
      .doc = "Content codings. The client's weights decide, among equals this order." },
    { FIELDS_ROW_INT(CONFIG, as.gzip_level, "gzip_level"), .preset = "5", .min = 1, .max = 9,
      .doc = "From 1, fast, to 9, small." },
    { FIELDS_ROW_INT(CONFIG, as.brotli_level, "brotli_level"), .preset = "4", .max = 9,
      .doc = "From 0, fast, to 9, small. 10 and 11 would hold up a worker's other clients." },
    { FIELDS_ROW_SIZE(CONFIG, as.min_length, "min_length"), .preset = "\"1024\"",
      .max = (int64_t)1 << 46,
      .doc = "Bodies that are known to be shorter stay as they are, unless the client refuses "
             "identity." },
    { FIELDS_ROW_TEXTS(CONFIG, types, "types"),
      .preset = "[ \"text/*\", \"application/json\", \"application/*+json\", \"application/xml\", "
                "\"application/*+xml\", \"application/javascript\", \"application/wasm\", "
                "\"image/svg+xml\", \"font/ttf\", \"font/otf\" ]",
      .flags = FIELDS_FILLED | FIELDS_SET, .check = is_type,
      .doc =
          "Media types that are compressed, whatever their parameters; a subtype may be \"*\" or "
          "\"*+suffix\"." },
    { FIELDS_ROW_INTS(CONFIG, as.response_code, "response_code"),
      .preset = "[ 200, 201, 202, 203, 403, 404 ]", .min = 200, .max = 599,
      .doc = "Statuses that are compressed; none listed: any. 206 never is." },
    { FIELDS_ROW_TEXTS(CONFIG, as.request_method, "request_method"), .preset = "[ ]",
      .flags = FIELDS_SET, .check = value_is_method,
      .doc = "Methods whose responses are compressed; none listed: any." },
    { FIELDS_ROW_BOOL(CONFIG, as.vary, "vary"), .preset = "true",
      .doc = "Whether Vary: Accept-Encoding is added to what may be compressed. Caches behind the "
             "gateway need it." },
    { FIELDS_ROW_BOOL(CONFIG, as.offload, "offload"), .preset = "false",
      .doc =
          "Whether Accept-Encoding is kept from upstreams, so that they leave compressing to the "
          "gateway and its cache holds one object for all clients." },
    { FIELDS_ROW_INT(CONFIG, as.max_encoders, "max_encoders"), .preset = "256", .max = 65536,
      .doc = "Responses that a worker encodes at the same time, each with up to 3 MiB of memory; "
             "those beyond stay as they are." },
};
static const struct fields_table table = {
    .title = "compression",
    .doc =
        "Sends responses in gzip or brotli to clients that accept them. What is already encoded, "
        "is a part (206), carries a digest, or says Cache-Control: no-transform stays as it is. "
        "A strong ETag becomes weak. The cache holds the response as it came, and each coding of "
        "it once it was asked for. Do not compress pages that hold a secret beside what a client "
        "sent: their size tells it (BREACH).",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};

static void finish(struct load *load, struct source_plugin *p)
{
    struct compression_source *config = p->config;
    struct conf_mime *types = memory_array(&load->memory, config->types.n, sizeof *types);

    for (size_t i = 0; i < config->types.n; i++)
        mime_parse(&load->memory, config->types.v[i], &types[i]);
    config->as.types = types;
    config->as.types_n = config->types.n;
    config->as.algorithms_n = 0;
    for (size_t i = 0; i < config->algorithms.n && i < CONF_CODINGS; i++)
        if (read_coding(config->algorithms.v[i].s, &config->as.algorithms[config->as.algorithms_n]))
            config->as.algorithms_n++;
}

const struct load_kind plugin_compression_kind = { &table, false, finish };
