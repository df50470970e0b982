/* SPDX-License-Identifier: Apache-2.0 */
/* A look at the file's text before libconfig gets it, for what libconfig 1.5 would do wrong without
 * a word. */
#ifndef CONF_SYNTAX_H
#define CONF_SYNTAX_H

#include "conf/report.h"

/* The terminated text to be parsed, of the same lines; NULL when it is refused, which is reported.
 */
const char *syntax_prepare(struct memory *memory, struct report *report, const char *text,
                           size_t n);

#endif
