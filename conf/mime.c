/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses a media type into the one form that is compared: lower case, no spaces, quotes taken off
 * where they are not needed, parameters sorted by name.
 */
#include "conf/mime.h"
#include "conf/value.h"
#include <stdlib.h>
#include <string.h>

struct mime_parameter {
    struct conf_text name, value; /* slices */
};

struct mime_parts {
    struct conf_text type, subtype; /* slices */
    struct mime_parameter parameters[MIME_PARAMETERS];
    size_t n;
};

static bool is_token(struct conf_text text)
{
    char why[64];
    return value_is_token(text.s, text.n, why, sizeof why);
}

static struct conf_text trim(const char *s, const char *end)
{
    while (s < end && (*s == ' ' || *s == '\t'))
        s++;
    while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct conf_text){ s, (size_t)(end - s) };
}

/* A quoted string without backslashes, quotes included; those with backslashes are not taken. */
static bool is_quoted(struct conf_text text)
{
    return text.n >= 2 && text.s[0] == '"' && text.s[text.n - 1] == '"' &&
           !memchr(text.s + 1, '"', text.n - 2) && !memchr(text.s, '\\', text.n);
}

static bool read_parameter(struct conf_text text, struct mime_parameter *out)
{
    const char *end = text.s + text.n, *equals = memchr(text.s, '=', text.n);
    if (!equals)
        return false;
    out->name = (struct conf_text){ text.s, (size_t)(equals - text.s) };
    out->value = (struct conf_text){ equals + 1, (size_t)(end - equals - 1) };
    if (is_quoted(out->value)) {
        struct conf_text inner = { out->value.s + 1, out->value.n - 2 };
        if (is_token(inner))
            out->value = inner;
        return is_token(out->name);
    }
    return is_token(out->name) && is_token(out->value);
}

/* The next ";" outside of quotes, or `end`. */
static const char *next_semicolon(const char *s, const char *end)
{
    for (bool quoted = false; s < end; s++) {
        if (*s == '"')
            quoted = !quoted;
        else if (*s == ';' && !quoted)
            break;
    }
    return s;
}

static bool split(const char *s, size_t n, struct mime_parts *out)
{
    const char *end = s + n, *semicolon = next_semicolon(s, end);
    struct conf_text essence = trim(s, semicolon);
    const char *slash = memchr(essence.s, '/', essence.n);
    if (!slash)
        return false;
    out->n = 0;
    out->type = (struct conf_text){ essence.s, (size_t)(slash - essence.s) };
    out->subtype = (struct conf_text){ slash + 1, essence.n - out->type.n - 1 };
    if (!is_token(out->type) || !is_token(out->subtype))
        return false;
    while (semicolon < end) {
        const char *from = semicolon + 1;
        semicolon = next_semicolon(from, end);
        if (out->n == MIME_PARAMETERS ||
            !read_parameter(trim(from, semicolon), &out->parameters[out->n++]))
            return false;
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct mime_parameter *x = a, *y = b;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
    int order = strncasecmp(x->name.s, y->name.s, n);
    return order ? order : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

bool mime_is_valid(const char *s, size_t n)
{
    struct mime_parts parts;
    return split(s, n, &parts);
}

void mime_parse(struct memory *memory, struct conf_text text, struct conf_mime *out)
{
    struct mime_parts parts;
    *out = (struct conf_mime){ { "", 0 }, { "", 0 }, { "", 0 } };
    if (!split(text.s, text.n, &parts))
        return;
    qsort(parts.parameters, parts.n, sizeof *parts.parameters, by_name);
    out->type = memory_lower(memory, parts.type);
    out->subtype = memory_lower(memory, parts.subtype);
    for (size_t i = 0; i < parts.n; i++) {
        const struct mime_parameter *p = &parts.parameters[i];
        struct conf_text line =
            memory_format(memory, "%s%s%.*s=%.*s", out->parameters.s, i ? ";" : "", (int)p->name.n,
                          p->name.s, (int)p->value.n, p->value.s);
        out->parameters = memory_lower(memory, line);
    }
}
