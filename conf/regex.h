/* SPDX-License-Identifier: Apache-2.0 */
/* PCRE2 with JIT and match limits, behind the one header that knows of it. Compiled in the master,
 * used after fork. */
#ifndef CONF_REGEX_H
#define CONF_REGEX_H

#include <stddef.h>

struct conf_regex;

struct regex_span {
    size_t from, to; /* from == to == (size_t)-1: the group took no part */
};

/* Compiles `pattern`; NULL on error, with the reason and offset in `why`. Free with regex_free().
 */
struct conf_regex *regex_compile(const char *pattern, size_t n, char *why, size_t why_size);
/* The same for text[from..n): offsets in `why` are counted in the whole text, as its writer sees
 * it. */
struct conf_regex *regex_compile_from(const char *text, size_t n, size_t from, char *why,
                                      size_t why_size);
/* One that regex_match() looks for anywhere in the subject. */
struct conf_regex *regex_compile_search(const char *pattern, size_t n, char *why, size_t why_size);
void regex_free(struct conf_regex **re);

/* Matches at the start of the subject only, or anywhere in it (regex_compile_search). Returns the
 * number of spans set (>= 1, whole match first), 0 for no match, REGEX_UNDECIDED when a limit was
 * reached: the caller must not take that for "no match" where something is protected by the
 * pattern. Not for two threads at once. */
enum { REGEX_UNDECIDED = -1 };
int regex_match(const struct conf_regex *re, const char *s, size_t n, struct regex_span *spans,
                int max);

/* The names of the capture groups, for uri_captures: the number of group `i` named `name`, or -1.
 */
int regex_group(const struct conf_regex *re, const char *name);

#endif
