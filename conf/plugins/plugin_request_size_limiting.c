/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of request-size-limiting, as Kong has them: a number and its unit. */
#include "conf/plugins/plugin_request_size_limiting.h"
#include "conf/load.h"

struct request_size_limiting_source {
    struct conf_request_size_limiting as; /* the first member: what others see */
    int allowed_payload_size, size_unit;
};

static const struct fields_name units[] = {
    { "megabytes", 1 << 20 }, { "kilobytes", 1 << 10 }, { "bytes", 1 }, { 0 }
};

#define CONFIG struct request_size_limiting_source
static const struct fields_row rows[] = {
    { FIELDS_ROW_INT(CONFIG, allowed_payload_size, "allowed_payload_size"), .preset = "128",
      .max = INT32_MAX, .doc = "How large the body of a request may be, in size_unit." },
    { FIELDS_ROW_ENUM(CONFIG, size_unit, "size_unit"), .preset = "\"megabytes\"", .names = units,
      .doc = "Of 1048576, 1024 or 1 bytes." },
    { FIELDS_ROW_BOOL(CONFIG, as.require_content_length, "require_content_length"),
      .preset = "false",
      .doc = "Whether a body whose length is not told in advance is refused with 411." },
};
static const struct fields_table table = {
    .title = "request-size-limiting",
    .doc =
        "Refuses large bodies: with 413 before a byte of them is read where Content-Length tells "
        "(417 where the client waits for 100 Continue), and while they stream where it does "
        "not. A smaller request_body_max_size holds too.",
    FIELDS_TABLE(rows),
    .size = sizeof(CONFIG),
    .at = SIZE_MAX
};

static void finish(struct load *load, struct source_plugin *p)
{
    struct request_size_limiting_source *config = p->config;
    (void)load;
    config->as.allowed = (uint64_t)config->allowed_payload_size * (uint64_t)config->size_unit;
}

const struct load_kind plugin_request_size_limiting_kind = { &table, false, finish };
