/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bot-detection: crawlers by their User-Agent. A pattern that gives up counts as a match where it
 * denies, and as none where it allows.
 */
#include "conf/plugins/plugin_bot_detection.h"
#include "worker/plugins/lookup.h"
#include "worker/plugins/plugins.h"

static bool denies(const struct conf_regex *re, struct slice agent)
{
    return regex_match(re, agent.p, agent.n, NULL, 0) != 0;
}

static bool is_bot(const struct conf_bot_detection *c, struct slice agent)
{
    for (size_t i = 0; i < c->allow_n; i++)
        if (regex_match(c->allow[i], agent.p, agent.n, NULL, 0) > 0)
            return false;
    for (size_t i = 0; i < c->deny_n; i++)
        if (denies(c->deny[i], agent))
            return true;
    return denies(c->known, agent);
}

static enum stage_result bot_detection_access(struct stream *s, const void *config)
{
    static const struct conf_text name = { "User-Agent", 10 };
    const struct head *head = stream_request(s)->head;
    const struct field *f = lookup_field(head, &name, NULL);
    if (!f)
        return STAGE_NEXT;
    if (lookup_field(head, &name, f))
        return stream_answer(s, 400, "Only one User-Agent header allowed");
    if (is_bot(config, slice_of(f->value, f->value_n)))
        return stream_answer(s, 403, "Forbidden");
    return STAGE_NEXT;
}

const struct plugin_ops bot_detection_ops = {
    .kind = CONF_PLUGIN_BOT_DETECTION,
    .access = bot_detection_access,
};
