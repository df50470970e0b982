/* SPDX-License-Identifier: Apache-2.0 */
/* Conditional requests with a weak tag need no translation, since If-None-Match compares weakly. */
#include "worker/plugins/weak_tag.h"

#include "worker/http/field.h"

/* False: there is none that could become weak. */
static bool strong_tag(struct stream *s, struct slice *tag)
{
    return stream_get_response(s, SLICE("ETag"), tag, 1) > 0 && tag->n > 0 && tag->p[0] == '"';
}

void weak_tag_set(struct stream *s)
{
    struct slice tag;

    if (!strong_tag(s, &tag))
        return;
    tag = arena_print(stream_arena(s), "W/%.*s", (int)tag.n, tag.p);
    if (tag.p)
        stream_set_response(s, SLICE("ETag"), tag);
}

void weak_tag_answer(struct stream *s)
{
    const struct head *h = stream_request(s)->head;
    struct slice tag;
    bool weak = false, strong = false;

    if (!strong_tag(s, &tag))
        return;
    for (const struct field *f = head_field(h, FIELD_IF_NONE_MATCH); f; f = head_next(h, f)) {
        struct slice rest = field_value(f);
        while (rest.n) {
            struct slice held = field_trim(field_cut_tag(&rest));
            strong |= slice_equal(held, tag);
            weak |= held.n == tag.n + 2 && slice_equal(slice_of(held.p + 2, tag.n), tag);
        }
    }
    if (weak && !strong)
        weak_tag_set(s);
}
