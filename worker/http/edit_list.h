/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of a list of named things: a form's fields, the parts of a multipart body. An engine for
 * one form of body reads the list, has it changed here, and writes it again. Pure.
 */
#ifndef HTTP_EDIT_LIST_H
#define HTTP_EDIT_LIST_H

#include "worker/http/edit.h"

/* As it is written: `before` is what stands ahead of its name. name.p NULL: it was taken out. */
struct edit_item {
    struct slice before, name, after;
};

struct edit_list {
    const struct edit_list_form *form;
    struct arena *arena;
    struct edit_item *v; /* from the arena, with room for one more of each change */
    size_t n;
    bool changed, starved, refused; /* starved: memory ran out; refused: EDIT_REFUSED */
};

/* How one form is written. What allocates sets `starved` when it fails, and returns anything. */
struct edit_list_form {
    bool (*means)(struct slice raw, struct slice name); /* a name as it is written */
    struct slice (*name)(struct edit_list *l, struct slice name);
    struct edit_item (*make)(struct edit_list *l, const struct edit *edit);
    struct slice (*write)(struct edit_list *l);
};

/* Makes the changes one after the other, each to all things of its name, then takes out what is not
 * allowed. `out` is in the list's arena where it is DONE. */
enum edit_result edit_list_apply(struct edit_list *l, const struct edits *edits, struct slice *out);

#endif
