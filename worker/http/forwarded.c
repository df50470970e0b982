/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elements are separated by commas and their parameters by semicolons, outside quoted strings
 * (RFC 7239 section 4). No address needs an escape, so one that has any is nobody's. A quote that
 * does not stand around a whole value was left open by somebody, who swallows so what the next
 * proxy writes behind it: nothing of such an element is believed.
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

/* Without quotes, or with those around the whole value alone. */
static bool is_sound(struct slice parameter)
{
    const char *p = parameter.p, *end = p + parameter.n;
    const char *quote = parameter.n ? memchr(p, '"', parameter.n) : NULL;

    if (!quote)
        return true;
    if (quote == p || memchr(p, '=', parameter.n) != quote - 1)
        return false;
    for (p = quote + 1; p < end && *p != '"'; p++)
        if (*p == '\\' && p + 1 < end)
            p++;
    return p + 1 == end;
}

/* Of a sound parameter: without its quotes, empty where something is escaped. */
static struct slice unquoted(struct slice value)
{
    if (value.n == 0 || *value.p != '"')
        return value;
    struct slice inner = slice_of(value.p + 1, value.n - 2);
    bool escaped = inner.n && memchr(inner.p, '\\', inner.n);
    return escaped ? slice_of(value.p, 0) : inner;
}

bool forwarded_next(struct slice *rest, struct slice *node)
{
    struct slice element, parameter, value;
    unsigned times = 0;
    bool sound = true;

    if (!field_list_next(rest, &element))
        return false;
    *node = slice_of(element.p, 0);
    while (element.n > 0 && sound) {
        parameter = field_trim(field_cut(&element, ';'));
        sound = is_sound(parameter);
        if (sound && is_for(parameter, &value)) {
            times++;
            *node = unquoted(value);
        }
    }
    if (times > 1 || !sound)
        node->n = 0;
    return true;
}
