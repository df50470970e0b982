/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tags of a response, by which it can be purged: what its Cache-Tag and Surrogate-Key lines
 * list, apart by commas or spaces. Where they are not passed on to clients, they stand among the
 * own lines of a stored head, as "@Cache-Tag: ...". Pure; slices point into the lines.
 */
#ifndef HTTP_TAGS_H
#define HTTP_TAGS_H

#include "worker/http/head.h"

enum { TAGS_MAX = 1024 }; /* those behind are not told apart: labels.h */

struct tags {
    struct slice lines, value;
};

/* Over a whole stored head, own lines and all: tags_next() until it is false. */
struct tags tags_of(struct slice head);
bool tags_next(struct tags *tags, struct slice *tag);
/* The next one of a list such as a field's value. */
bool tags_cut(struct slice *list, struct slice *tag);

/* Is it the name of a line of tags, of a response or among the own lines? */
bool tags_named(struct slice name);
/* Does the response have such a line? */
bool tags_any(const struct head *response);

/* The own lines that hold the response's tags: at `to`, as far as there is room before `end`, NULL
 * if there is not. Returns the new end. */
char *tags_keep(char *to, const char *end, const struct head *response);
/* The own lines of a stored head that come behind those of the tags. */
struct slice tags_behind(struct slice own);

#endif
