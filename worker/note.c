/* SPDX-License-Identifier: Apache-2.0 */
/* See note.h. A list in the arena: few plugins keep anything. */
#include "worker/note.h"

#include "worker/stream_life.h"

struct stream_note {
    struct stream_note *next;
    const void *config, *what;
};

bool note_keep(struct stream *s, const void *config, const void *what)
{
    struct stream_note *note = arena_take(&s->arena, sizeof *note);

    if (!note)
        return false;
    *note = (struct stream_note){ s->notes, config, what };
    s->notes = note;
    return true;
}

const void *note_kept(const struct stream *s, const void *config)
{
    for (const struct stream_note *note = s->notes; note; note = note->next)
        if (note->config == config)
            return note->what;
    return NULL;
}
