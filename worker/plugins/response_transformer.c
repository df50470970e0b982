/* SPDX-License-Identifier: Apache-2.0 */
/*
 * response-transformer: lines stay lines, so that cookies are not run together. JSON is changed on
 * its way to the client, whoever makes it: what is stored is what came. Nothing that is taken out
 * gets past: a part or an encoded form is not asked for, and what is too large to be read is
 * refused.
 */
#include "conf/plugins/plugin_response_transformer.h"
#include "worker/body/body_filter_whole.h"
#include "worker/http/json_edit.h"
#include "worker/plugins/changes.h"
#include "worker/plugins/plugins.h"
#include "worker/plugins/weak_tag.h"
#include "worker/stream.h"

enum { RESPONSE_TRANSFORMER_LINES = 32 }; /* of one name; a rename leaves out what is more */

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

/* --- the body ------------------------------------------------------------------------------- */

static struct slice only(struct stream *s, struct slice name)
{
    struct slice values[2];
    size_t n = stream_get_response(s, name, values, 2);
    return n == 0 ? slice_of(NULL, 0) : n == 1 ? values[0] : SLICE("?");
}

/* What says something about the bytes that came is not true of others. */
static void drop_digests(struct stream *s)
{
    for (size_t i = 0; i < FIELD_DIGESTS; i++)
        stream_drop_response(s, field_digests[i]);
}

/* A weak tag may stay: what is made of the same is the same. */
static void tell_of_change(struct stream *s)
{
    drop_digests(s);
    stream_drop_response(s, SLICE("Accept-Ranges"));
    weak_tag_set(s);
}

/* A 304 tells of a response that was changed, a HEAD of one that would be. */
static bool wanted(struct stream *s, const void *config, struct reply *reply)
{
    (void)config;
    if (reply->status == 304) {
        drop_digests(s);
        weak_tag_answer(s);
    }
    if (reply->status == 206 || reply->status == 304 ||
        changes_form(only(s, SLICE("Content-Type")), only(s, SLICE("Content-Encoding"))) !=
            CHANGES_JSON)
        return false;
    if (reply->length == REPLY_NO_BODY)
        tell_of_change(s);
    return true;
}

static bool replace(struct stream *s, const void *config, struct slice body, struct slice *out)
{
    const struct conf_body_transform *c = config;
    struct edits edits;
    struct arena arena; /* what is needed meanwhile is more than what comes of it */
    struct slice changed;
    if (body.n == 0)
        return true; /* is no JSON */
    if (!changes_render(s, &c->changes, &edits))
        return false;
    edits.nested = !c->dots_in_keys;
    arena_init(&arena, NULL, 0);
    enum edit_result r = json_edit(body, &edits, &arena, &changed);
    if (r == EDIT_DONE) {
        tell_of_change(s);
        *out = arena_copy(stream_arena(s), changed);
    }
    arena_reset(&arena);
    return r != EDIT_NO_MEMORY && out->p;
}

static const struct body_filter_whole filter = { .wanted = wanted,
                                                 .replace = replace,
                                                 .refuse = true };

static enum stage_result response_transformer_access(struct stream *s, const void *config)
{
    const struct conf_response_transformer *c = config;
    if (c->json.n == 0)
        return STAGE_NEXT;
    stream_ignore_range(s);
    stream_drop_upstream(s, SLICE("Accept-Encoding"));
    return STAGE_NEXT;
}

static void response_transformer_header_filter(struct stream *s, const void *config)
{
    const struct conf_response_transformer *c = config;
    for (int kind = 0; kind < CONF_CHANGE_KINDS; kind++)
        for (size_t i = 0; i < c->headers.kinds[kind].n; i++)
            change(s, (enum conf_change_kind)kind, &c->headers.kinds[kind].v[i]);
    if (c->json
            .n) /* no memory: no field could be taken out either, and the head will not be made */
        (void)body_filter_whole_add(s, &filter, &c->json, c->json.max_size);
}

const struct plugin_ops response_transformer_ops = {
    .kind = CONF_PLUGIN_RESPONSE_TRANSFORMER,
    .access = response_transformer_access,
    .header_filter = response_transformer_header_filter,
};
