/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of the members of a JSON object. What is not changed stays as it is written, numbers to
 * their last digit. Pure.
 *
 * A name that is changed, or only looked for, is there once afterwards: its last member holds
 * (RFC 8259 section 4), so that no two readers see two things. To append to what is no array makes
 * it the first element of one. A number that is none is not set. Allowing goes by the outermost
 * names; a nested name is renamed within its object.
 *
 * Nested names lead into objects by a dot, and into arrays by "[*]", all elements, or "[3]", the
 * third: "orders[*].lines[1].price". Elements are counted as the changes before have left them;
 * they are removed, replaced and appended to, and neither added nor renamed.
 */
#ifndef HTTP_JSON_EDIT_H
#define HTTP_JSON_EDIT_H

#include "worker/http/edit.h"

/* By so many bytes may a text grow: one value may be set in each element of an array. */
enum { JSON_EDIT_GROWTH = 8 << 20 };

/* An empty text counts as an object without members. `out` is in `arena` where it is DONE.
 * NO_MEMORY: also one that would grow too much. */
enum edit_result json_edit(struct slice text, const struct edits *edits, struct arena *arena,
                           struct slice *out);

#endif
