/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as text (RFC 8259): checked once, then walked without a copy. Numbers stay as they were
 * written, whatever their size, and nothing costs more memory than the text itself. Bytes above 127
 * pass in strings as they are. Pure.
 */
#ifndef HTTP_JSON_TEXT_H
#define HTTP_JSON_TEXT_H

#include "worker/base/slice.h"

enum { JSON_TEXT_DEPTH = 1000 }; /* of arrays and objects; what is deeper is refused */

/* One member of an object: both as they are written, the name in its quotes. */
struct json_text_member {
    struct slice name, value;
};

/* Whether the whole of it is one value with nothing but white space around it. *value is that. */
bool json_text_check(struct slice text, struct slice *value);
bool json_text_is_number(struct slice text);

/* Walks an object that was checked: `rest` is its value at first. True with the next member while
 * there are any. */
bool json_text_next(struct slice *rest, struct json_text_member *member);

/* The same for an array: the next element. */
bool json_text_element(struct slice *rest, struct slice *value);

/* Whether the string, in its quotes, means `name`. */
bool json_text_means(struct slice string, struct slice name);

#endif
