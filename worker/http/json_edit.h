/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of the members of a JSON object. What is not changed stays as it is written, numbers to
 * their last digit. Pure.
 *
 * A name that is changed, or only looked for, is there once afterwards: its last member holds
 * (RFC 8259 section 4), so that no two readers see two things. To append to what is no array makes
 * it the first element of one. A number that is none is not set. Allowing goes by the outermost
 * names; a nested name is renamed within its object.
 */
#ifndef HTTP_JSON_EDIT_H
#define HTTP_JSON_EDIT_H

#include "worker/http/edit.h"

/* An empty text counts as an object without members. `out` is in `arena` where it is DONE. */
enum edit_result json_edit(struct slice text, const struct edits *edits, struct arena *arena,
                           struct slice *out);

#endif
