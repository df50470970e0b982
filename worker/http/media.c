/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Media types compare by type, subtype and parameters, without regard to case, spaces, quotes and
 * the order of parameters; "*" in the configuration stands for any.
 */
#include "worker/http/media.h"
#include "worker/http/field.h"

/* "name=value" without spaces around the parts, the value without its quotes; compared without
 * case. */
static bool same_parameter(struct slice a, struct slice b)
{
    struct slice a_name = field_trim(field_cut(&a, '=')), b_name = field_trim(field_cut(&b, '='));

    a = field_trim(a);
    b = field_trim(b);
    if (a.n >= 2 && *a.p == '"')
        a = slice_of(a.p + 1, a.n - 2);
    if (b.n >= 2 && *b.p == '"')
        b = slice_of(b.p + 1, b.n - 2);
    return slice_equal_nocase(a_name, b_name) && slice_equal_nocase(a, b);
}

static bool has_parameter(struct slice list, struct slice wanted)
{
    while (list.n)
        if (same_parameter(field_trim(field_cut(&list, ';')), wanted))
            return true;
    return false;
}

static size_t count_parameters(struct slice list)
{
    size_t n = 0;

    while (list.n)
        if (field_trim(field_cut(&list, ';')).n)
            n++;
    return n;
}

bool media_matches(const struct conf_mime *m, struct slice value)
{
    struct slice rest = value, kind = field_trim(field_cut(&rest, ';')), subtype = kind;
    struct slice type = field_trim(field_cut(&subtype, '/')), wanted = slice_text(m->parameters);

    if (!slice_equal(slice_text(m->type), SLICE("*")) &&
        !slice_equal_nocase(slice_text(m->type), type))
        return false;
    if (!slice_equal(slice_text(m->subtype), SLICE("*")) &&
        !slice_equal_nocase(slice_text(m->subtype), field_trim(subtype)))
        return false;
    if (count_parameters(wanted) != count_parameters(rest))
        return false;
    while (wanted.n)
        if (!has_parameter(rest, field_trim(field_cut(&wanted, ';'))))
            return false;
    return true;
}

static bool ends_with(struct slice text, struct slice end)
{
    return text.n > end.n && slice_equal_nocase(slice_of(text.p + text.n - end.n, end.n), end);
}

bool media_is_kind(const struct conf_mime *m, struct slice value)
{
    struct slice subtype = field_trim(field_cut(&value, ';'));
    struct slice type = field_trim(field_cut(&subtype, '/')), wanted = slice_text(m->subtype);

    subtype = field_trim(subtype);
    if (type.n == 0 || subtype.n == 0)
        return false;
    if (!slice_equal(slice_text(m->type), SLICE("*")) &&
        !slice_equal_nocase(slice_text(m->type), type))
        return false;
    if (wanted.n > 2 && wanted.p[0] == '*' && wanted.p[1] == '+')
        return ends_with(subtype, slice_from(wanted, 1));
    return slice_equal(wanted, SLICE("*")) || slice_equal_nocase(wanted, subtype);
}
