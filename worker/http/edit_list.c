/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken out loses its name and stays in its place, so that the others keep their order. */
#include "worker/http/edit_list.h"

static size_t find(const struct edit_list *l, size_t from, struct slice name)
{
    while (from < l->n && (!l->v[from].name.p || !l->form->means(l->v[from].name, name)))
        from++;
    return from;
}

static void take_out(struct edit_list *l, size_t from, struct slice name)
{
    for (size_t i = find(l, from, name); i < l->n; i = find(l, i + 1, name)) {
        l->v[i].name = slice_of(NULL, 0);
        l->changed = true;
    }
}

static void rename_all(struct edit_list *l, const struct edit *edit)
{
    size_t first = find(l, 0, edit->name);
    if (first == l->n || slice_equal(edit->name, edit->value))
        return;
    struct slice to = l->form->name(l, edit->value);
    take_out(l, 0, edit->value);
    for (size_t i = first; i < l->n; i = find(l, i + 1, edit->name))
        l->v[i].name = to;
    l->changed = true;
}

static void change(struct edit_list *l, const struct edit *edit)
{
    if (edit->kind == CONF_CHANGE_REMOVE) {
        take_out(l, 0, edit->name);
        return;
    }
    if (edit->kind == CONF_CHANGE_RENAME) {
        rename_all(l, edit);
        return;
    }
    size_t first = find(l, 0, edit->name);
    if (edit->kind != CONF_CHANGE_APPEND && (first == l->n) != (edit->kind == CONF_CHANGE_ADD))
        return;
    if (edit->kind == CONF_CHANGE_REPLACE)
        take_out(l, first + 1, edit->name);
    else
        first = l->n++; /* there is room for one of each change */
    l->v[first] = l->form->make(l, edit);
    l->changed = true;
}

static void allow_only(struct edit_list *l, const struct edits *edits)
{
    bool any = false;
    for (size_t i = 0; i < edits->n; i++)
        any |= edits->v[i].kind == CONF_CHANGE_ALLOW;
    for (size_t k = 0; any && k < l->n; k++) {
        bool stays = !l->v[k].name.p;
        for (size_t i = 0; !stays && i < edits->n; i++)
            stays = edits->v[i].kind == CONF_CHANGE_ALLOW &&
                    l->form->means(l->v[k].name, edits->v[i].name);
        if (stays)
            continue;
        l->v[k].name = slice_of(NULL, 0);
        l->changed = true;
    }
}

enum edit_result edit_list_apply(struct edit_list *l, const struct edits *edits, struct slice *out)
{
    for (size_t i = 0; i < edits->n; i++)
        if (edits->v[i].kind != CONF_CHANGE_ALLOW)
            change(l, &edits->v[i]);
    allow_only(l, edits);
    if (l->refused)
        return EDIT_REFUSED;
    if (l->changed && !l->starved)
        *out = l->form->write(l);
    if (l->starved)
        return EDIT_NO_MEMORY;
    return l->changed ? EDIT_DONE : EDIT_SAME;
}
