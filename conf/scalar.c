/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single values as libconfig gives them: integers come as int or int64 by their size, and where a
 * fraction is meant an integer is one too. Nothing else is converted: a quoted number is a string.
 */
#include "conf/scalar.h"
#include "conf/secret.h"
#include "conf/value.h"
#include <inttypes.h>
#include <string.h>

enum { SCALAR_WHY = 256 };

/* ---- types ---- */

static const char *type_text(const config_setting_t *s)
{
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "an integer";
    case CONFIG_TYPE_FLOAT:
        return "a fraction";
    case CONFIG_TYPE_BOOL:
        return "a boolean";
    case CONFIG_TYPE_STRING:
        return "a string";
    case CONFIG_TYPE_GROUP:
        return "a group { }";
    case CONFIG_TYPE_ARRAY:
        return "an array [ ]";
    default:
        return "a list ( )";
    }
}

void scalar_wrong_type(struct reader *r, const config_setting_t *s, const char *wanted)
{
    report_add(r->report, s, "must be %s, not %s", wanted, type_text(s));
}

static bool is_integer(const config_setting_t *s)
{
    return config_setting_type(s) == CONFIG_TYPE_INT || config_setting_type(s) == CONFIG_TYPE_INT64;
}

/* ---- scalars ---- */

/* "a, b, c" of all names. */
static const char *names_text(struct reader *r, const struct fields_name *names)
{
    struct conf_text text = { "", 0 };
    for (const struct fields_name *name = names; name->name; name++)
        text = memory_format(r->scratch, "%s%s%s", text.s, text.n ? ", " : "", name->name);
    return text.s;
}

bool scalar_name(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                 int *out)
{
    if (config_setting_type(s) != CONFIG_TYPE_STRING) {
        scalar_wrong_type(r, s, "a string");
        return false;
    }
    const char *value = config_setting_get_string(s);
    for (const struct fields_name *name = row->names; name->name; name++) {
        if (strcmp(name->name, value) == 0) {
            *out = name->value;
            return true;
        }
    }
    report_add(r->report, s, "%s is not one of: %s", report_quote(r->report, value, strlen(value)),
               names_text(r, row->names));
    return false;
}

bool scalar_int(struct reader *r, const struct fields_row *row, const config_setting_t *s, int *out)
{
    if (!is_integer(s)) {
        scalar_wrong_type(r, s, "an integer");
        return false;
    }
    int64_t value = config_setting_get_int64(s);
    for (const struct fields_name *name = row->names; name && name->name; name++) {
        if (name->value == value) {
            *out = (int)value;
            return true;
        }
    }
    if (row->names) {
        report_add(r->report, s, "%" PRId64 " is not one of: %s", value, names_text(r, row->names));
        return false;
    }
    if (value < row->min || value > row->max) {
        report_add(r->report, s, "%" PRId64 " is out of range, %" PRId64 " to %" PRId64, value,
                   row->min, row->max);
        return false;
    }
    *out = (int)value;
    return true;
}

void scalar_size(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                 uint64_t *out)
{
    const char *text =
        config_setting_type(s) == CONFIG_TYPE_STRING ? config_setting_get_string(s) : NULL;
    uint64_t value = 0;
    if (text && !*text && (row->flags & FIELDS_UNSET)) {
        *out = UINT64_MAX;
        return;
    }
    if (!text && !is_integer(s)) {
        scalar_wrong_type(
            r, s, "a size: a number of bytes, or a string like \"16k\", \"128m\" or \"1g\"");
        return;
    }
    if (text && !value_size(text, &value)) {
        report_add(r->report, s, "%s is not a size like \"16k\", \"128m\" or \"1g\"",
                   report_quote(r->report, text, strlen(text)));
        return;
    }
    if (!text && config_setting_get_int64(s) < 0) {
        report_add(r->report, s, "a size is not negative");
        return;
    }
    if (!text)
        value = (uint64_t)config_setting_get_int64(s);
    char least[VALUE_SIZE_TEXT], most[VALUE_SIZE_TEXT];
    if (value < (uint64_t)row->min || value > (uint64_t)row->max) {
        value_size_text((uint64_t)row->min, least);
        value_size_text((uint64_t)row->max, most);
        report_add(r->report, s, "%" PRIu64 " bytes is out of range, %s to %s", value, least, most);
        return;
    }
    *out = value;
}

void scalar_number(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                   double *out)
{
    if (!is_integer(s) && config_setting_type(s) != CONFIG_TYPE_FLOAT) {
        scalar_wrong_type(r, s, "a number");
        return;
    }
    double value =
        is_integer(s) ? (double)config_setting_get_int64(s) : config_setting_get_float(s);
    if (!(value >= (double)row->min && value <= (double)row->max)) {
        report_add(r->report, s, "%g is out of range, %" PRId64 " to %" PRId64, value, row->min,
                   row->max);
        return;
    }
    *out = value;
}

void scalar_mode(struct reader *r, const config_setting_t *s, int *out)
{
    if (config_setting_type(s) != CONFIG_TYPE_STRING) {
        scalar_wrong_type(r, s, "a string like \"0660\"");
        return;
    }
    const char *text = config_setting_get_string(s);
    if (!value_mode(text, out))
        report_add(r->report, s, "%s is not a mode like \"0660\"",
                   report_quote(r->report, text, strlen(text)));
}

static bool refers(const struct fields_row *row, const char *text, size_t n)
{
    return (row->flags & FIELDS_SECRET && secret_is_reference(text, n)) ||
           (row->flags & FIELDS_REFERS && secret_refers(text, n));
}

/* What is wrong with the secret itself is told without it. */
static bool read_secret(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                        struct conf_text *out)
{
    const char *text = config_setting_get_string(s);
    struct conf_text value;
    char why[SCALAR_WHY] = "";
    bool (*read)(struct memory *, const char *, size_t, struct conf_text *, char *, size_t) =
        row->flags & FIELDS_SECRET ? secret_read : secret_expand;
    bool ok = read(r->memory, text, strlen(text), &value, why, sizeof why) &&
              (!row->check || row->check(value.s, value.n, why, sizeof why));
    if (ok)
        *out = value;
    else
        report_add(r->report, s, "%s %s", report_quote(r->report, text, strlen(text)), why);
    return ok;
}

bool scalar_text(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                 struct conf_text *out)
{
    if (config_setting_type(s) != CONFIG_TYPE_STRING) {
        scalar_wrong_type(r, s, "a string");
        return false;
    }
    const char *text = config_setting_get_string(s);
    size_t n = strlen(text);
    char why[SCALAR_WHY] = "";
    if (n == 0 && (row->flags & (FIELDS_FILLED | FIELDS_REQUIRED))) {
        report_add(r->report, s, "must not be empty");
        return false;
    }
    if (refers(row, text, n))
        return read_secret(r, row, s, out);
    if (n > 0 && row->check && !row->check(text, n, why, sizeof why)) {
        report_add(r->report, s, "%s %s", report_quote(r->report, text, n), why);
        return false;
    }
    *out = memory_text(r->memory, text, n);
    if (row->flags & FIELDS_LOWER)
        *out = memory_lower(r->memory, *out);
    if (row->flags & (FIELDS_SECRET | FIELDS_REFERS))
        *out = secret_plain(r->memory, out->s, out->n);
    return true;
}
