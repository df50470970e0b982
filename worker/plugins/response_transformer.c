/* SPDX-License-Identifier: Apache-2.0 */
/* response-transformer: lines stay lines, so that cookies are not run together. */
#include "conf/plugin_response_transformer.h"
#include "worker/plugins/plugins.h"
#include "worker/stream.h"

enum { RESPONSE_TRANSFORMER_LINES = 32 }; /* of one name; a rename leaves out what is more */

static struct slice slice_text(struct conf_text text)
{
    return slice_of(text.s, text.n);
}

static void rename_field(struct stream *s, struct slice from, struct slice to)
{
    struct slice values[RESPONSE_TRANSFORMER_LINES];
    size_t n = stream_get_response(s, from, values, RESPONSE_TRANSFORMER_LINES);
    if (n == 0 || slice_equal_nocase(from, to))
        return;
    stream_drop_response(s, to);
    for (size_t i = 0; i < n; i++)
        stream_add_response(s, to, values[n - 1 - i]); /* the last one added is sent first */
    stream_drop_response(s, from);
}

static void change(struct stream *s, enum conf_change_kind kind, const struct conf_change *change)
{
    struct slice name = slice_text(change->name), value = slice_text(change->to), found;
    bool there = stream_get_response(s, name, &found, 1) > 0;
    switch (kind) {
    case CONF_CHANGE_REMOVE:
        stream_drop_response(s, name);
        return;
    case CONF_CHANGE_RENAME:
        rename_field(s, name, value);
        return;
    case CONF_CHANGE_APPEND:
        stream_add_response(s, name, value);
        return;
    default:
        break;
    }
    if (there != (kind == CONF_CHANGE_REPLACE))
        return;
    stream_drop_response(s, name);
    stream_set_response(s, name, value);
}

static void response_transformer_header_filter(struct stream *s, const void *config)
{
    const struct conf_response_transformer *c = config;
    for (int kind = 0; kind < CONF_CHANGE_KINDS; kind++)
        for (size_t i = 0; i < c->headers.kinds[kind].n; i++)
            change(s, (enum conf_change_kind)kind, &c->headers.kinds[kind].v[i]);
}

const struct plugin_ops response_transformer_ops = {
    .kind = CONF_PLUGIN_RESPONSE_TRANSFORMER,
    .header_filter = response_transformer_header_filter,
};
