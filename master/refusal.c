/* SPDX-License-Identifier: Apache-2.0 */
/* Reasons travel up as text: the one who knows says it in full, the ones above only pass it on. */
#include "master/refusal.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool refusal_say(struct refusal *refusal, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(refusal->text, sizeof refusal->text, format, args);
    va_end(args);
    return false;
}

bool refusal_errno(struct refusal *refusal, const char *format, ...)
{
    const char *why = strerror(errno);
    size_t n;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(refusal->text, sizeof refusal->text, format, args);
    va_end(args);
    n = strlen(refusal->text);
    (void)snprintf(refusal->text + n, sizeof refusal->text - n, ": %s", why);
    return false;
}
