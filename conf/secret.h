/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets that are kept elsewhere: "$(env:NAME)" is a variable of the environment, "$(file:/path)"
 * what a file holds, without the end of its last line. They are read when the configuration is;
 * what is printed of it, and what errors say, is the reference. "$(hidden:N)" is how a secret is
 * printed that the file has in plain: read again it is one that nobody knows, so that a printed
 * configuration lets nobody in.
 */
#ifndef CONF_SECRET_H
#define CONF_SECRET_H

#include "conf/memory.h"
#include <stdbool.h>

/* Whether all of the text is a reference. */
bool secret_is_reference(const char *s, size_t n);

/* What reference s[0..n) stands for, followed by the reference (see secret_written). False with the
 * reason in why, worded to follow the quoted reference. */
bool secret_read(struct memory *memory, const char *s, size_t n, struct conf_text *out, char *why,
                 size_t size);

/* Whether there is a reference to the environment or a file in the text. */
bool secret_refers(const char *s, size_t n);

/* The same for a text with references in it: what they stand for takes their place. A
 * control character in that is refused: the texts are headers. */
bool secret_expand(struct memory *memory, const char *s, size_t n, struct conf_text *out, char *why,
                   size_t size);

/* A text that is written as itself, in the same form. */
struct conf_text secret_plain(struct memory *memory, const char *s, size_t n);
/* How a text of either function above is written in the file. */
struct conf_text secret_written(struct conf_text text);

#endif
