/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of several responses for one URL a request selects (RFC 9111 section 4.1). Pure. The names
 * of all Vary fields seen for a URL, lower case, sorted, apart by commas, are kept under its key;
 * the responses lie under keys made from the values that a request has for these names. There are
 * VARY_SLOTS such keys, so no client can fill the cache with variants of one URL: a request looks
 * in two of them, which its values choose, and compares the values themselves.
 */
#ifndef HTTP_VARY_H
#define HTTP_VARY_H

#include "worker/http/head.h"

enum { VARY_NAMES_MAX = 512, VARY_SLOTS = 256 };

/* Adds the names of all Vary lines of a response to `names` (may be empty), into out. Returns the
 * length; 0: no Vary at all and no names; -1: too long. "*" has to be ruled out before. */
ptrdiff_t vary_names(const struct head *response, struct slice names, char out[VARY_NAMES_MAX]);

/* Writes the value that a request has for a name as a line ":name: value\r\n", or "!name: \r\n"
 * where it has none (value.p NULL), in a form that does not depend on how lists are spaced. Returns
 * the new end; NULL: no room before `end`. */
char *vary_line(char *to, const char *end, struct slice name, struct slice value);

/* The two slots of all these lines, the snapshot of a request; they may be the same. */
void vary_slots(struct slice snapshot, uint8_t slots[2]);

#endif
