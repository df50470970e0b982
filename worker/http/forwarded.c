/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elements are separated by commas and their parameters by semicolons, outside quoted strings
 * (RFC 7239 section 4). No address needs an escape, so one that has any is nobody's.
 */
#include "worker/http/forwarded.h"
#include "worker/http/field.h"

/* The value of a parameter called "for"; false: it is called something else. */
static bool is_for(struct slice parameter, struct slice *value)
{
    const char *equals = parameter.n ? memchr(parameter.p, '=', parameter.n) : NULL;

    if (!equals ||
        !slice_equal_nocase(slice_of(parameter.p, (size_t)(equals - parameter.p)), SLICE("for")))
        return false;
    *value = slice_from(parameter, (size_t)(equals + 1 - parameter.p));
    return true;
}

/* What is quoted; empty when that is not sound. */
static struct slice unquoted(struct slice value)
{
    if (value.n == 0 || *value.p != '"')
        return value;
    struct slice inner = slice_of(value.p + 1, value.n > 1 ? value.n - 2 : 0);
    bool sound =
        value.n > 1 && value.p[value.n - 1] == '"' &&
        (inner.n == 0 || (!memchr(inner.p, '"', inner.n) && !memchr(inner.p, '\\', inner.n)));

    return sound ? inner : slice_of(value.p, 0);
}

bool forwarded_next(struct slice *rest, struct slice *node)
{
    struct slice element, value;
    unsigned times = 0;

    if (!field_list_next(rest, &element))
        return false;
    *node = slice_of(element.p, 0);
    while (element.n > 0)
        if (is_for(field_trim(field_cut(&element, ';')), &value)) {
            times++;
            *node = unquoted(value);
        }
    if (times > 1)
        node->n = 0;
    return true;
}
