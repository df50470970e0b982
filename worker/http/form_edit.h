/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of a form's fields or a query's arguments (application/x-www-form-urlencoded). What is
 * not changed stays as it came, in its order. Names compare decoded, so that no spelling hides one.
 * Pure.
 */
#ifndef HTTP_FORM_EDIT_H
#define HTTP_FORM_EDIT_H

#include "worker/http/edit.h"

/* Each change is about all fields of its name; values are percent-encoded as a whole. `out` is in
 * `arena` where it is DONE. */
enum edit_result form_edit(struct slice text, const struct edits *edits, struct arena *arena,
                           struct slice *out);

/* Whether a name, as it came, means that one: percent-encoded, "+" for a space; malformed, it means
 * itself. */
bool form_edit_means(struct slice raw, struct slice name);

/* Percent-encodes all but unreserved characters (RFC 3986 section 2.3); `out` has room for three
 * times as many. Returns where it ends. */
char *form_edit_encode(char *out, struct slice text);

/* The pairs of a form behind those of a query: what a request line cannot hold is percent-encoded,
 * the rest stays as it came. {NULL, 0}: no memory, or both are empty. */
struct slice form_edit_join(struct slice query, struct slice form, struct arena *arena);

#endif
