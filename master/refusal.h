/* SPDX-License-Identifier: Apache-2.0 */
/* Why something was not done, as text for the log and for whoever asked; cut to fit. */
#ifndef MASTER_REFUSAL_H
#define MASTER_REFUSAL_H

#include <stdbool.h>

struct refusal {
    char text[1024]; /* "" = none */
};

/* Always false, so that it can end a function: return refusal_say(...). */
bool refusal_say(struct refusal *refusal, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same with ": strerror(errno)" at the end. */
bool refusal_errno(struct refusal *refusal, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
