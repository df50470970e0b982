/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be changed in a body: values as they are meant; how they are written is the business
 * of the engine for the body's form (json_edit.h, form_edit.h).
 */
#ifndef HTTP_EDIT_H
#define HTTP_EDIT_H

#include "conf/transform.h"
#include "worker/base/arena.h"

struct edit {
    enum conf_change_kind kind; /* in the order of their kinds */
    enum conf_json_type type;   /* of the value, where the form knows types */
    struct slice name, value;   /* value: or the new name; not looked at by removals */
};

struct edits {
    const struct edit *v;
    size_t n;
    bool nested; /* a dot in a name leads into an object, where the form has objects */
};

enum edit_result {
    EDIT_DONE,
    EDIT_SAME,    /* there was nothing to change, or it is not of that form: it stays as it is */
    EDIT_REFUSED, /* a value would break out of its place: no such request is sent */
    EDIT_NO_MEMORY,
};

#endif
