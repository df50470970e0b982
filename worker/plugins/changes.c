/* SPDX-License-Identifier: Apache-2.0 */
/* All kinds in one list, in the order in which they are done. */
#include "worker/plugins/changes.h"

#include "worker/http/field.h"
#include "worker/plugins/render.h"

enum changes_form changes_form(struct slice type, struct slice coding)
{
    const char *end = type.n ? memchr(type.p, ';', type.n) : NULL;
    if (end)
        type.n = (size_t)(end - type.p);
    type = field_trim(type);
    if (coding.n && !slice_equal_nocase(coding, SLICE("identity")))
        return CHANGES_NONE;
    if (slice_equal_nocase(type, SLICE("application/x-www-form-urlencoded")))
        return CHANGES_FORM;
    if (slice_equal_nocase(type, SLICE("multipart/form-data")))
        return CHANGES_MULTIPART;
    return slice_equal_nocase(type, SLICE("application/json")) ? CHANGES_JSON : CHANGES_NONE;
}

static bool read_one(struct stream *s, enum conf_change_kind kind, const struct conf_change *change,
                     struct edit *out)
{
    *out = (struct edit){ .kind = kind,
                          .type = change->type,
                          .name = slice_text(change->name),
                          .value = slice_text(change->to) };
    return !change->value ||
           render_text(s, change->value, RENDER_PLAIN, &out->value) == RENDER_DONE;
}

bool changes_render(struct stream *s, const struct conf_transform *changes, struct edits *out)
{
    size_t n = 0;
    for (int kind = 0; kind < CONF_CHANGE_KINDS; kind++)
        n += changes->kinds[kind].n;
    struct edit *v = arena_take(stream_arena(s), n * sizeof *v);
    *out = (struct edits){ .v = v };
    for (int kind = 0; v && kind < CONF_CHANGE_KINDS; kind++)
        for (size_t i = 0; i < changes->kinds[kind].n; i++)
            if (!read_one(s, (enum conf_change_kind)kind, &changes->kinds[kind].v[i], &v[out->n]))
                return false;
            else if (kind != CONF_CHANGE_RENAME || v[out->n].value.n) /* which is no name */
                out->n++;
    return v != NULL;
}
