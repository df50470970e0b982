/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check is a loop over tokens with one bit for each level that is open: an array or an object.
 * There is no recursion, so that no text makes it use more of the stack. What walks the text
 * afterwards relies on the check and looks for brackets and quotes only.
 */
#include "worker/http/json_text.h"

struct scan {
    const char *p, *end;
    uint8_t objects[(JSON_TEXT_DEPTH + 7) / 8]; /* bit of a level: it is an object */
    unsigned depth;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end && is_space(*s->p))
        s->p++;
}

static bool take(struct scan *s, char c)
{
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

static int hex(char c)
{
    if (is_digit(c))
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool escape(struct scan *s)
{
    static const char letters[] = "\"\\/bfnrt";
    if (s->p == s->end)
        return false;
    char c = *s->p++;
    if (c != 'u')
        return memchr(letters, c, sizeof letters - 1) != NULL;
    for (int i = 0; i < 4; i++)
        if (s->p == s->end || hex(*s->p++) < 0)
            return false;
    return true;
}

static bool string(struct scan *s)
{
    if (!take(s, '"'))
        return false;
    while (s->p < s->end) {
        char c = *s->p++;
        if (c == '"')
            return true;
        if ((unsigned char)c < 0x20 || (c == '\\' && !escape(s)))
            return false;
    }
    return false;
}

static bool digits(struct scan *s)
{
    const char *from = s->p;
    while (s->p < s->end && is_digit(*s->p))
        s->p++;
    return s->p > from;
}

static bool number(struct scan *s)
{
    (void)take(s, '-');
    if (!take(s, '0') && !digits(s))
        return false;
    if (take(s, '.') && !digits(s))
        return false;
    if (!take(s, 'e') && !take(s, 'E'))
        return true;
    if (!take(s, '+'))
        (void)take(s, '-');
    return digits(s);
}

static bool word(struct scan *s, const char *text, size_t n)
{
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, text, n) != 0)
        return false;
    s->p += n;
    return true;
}

static bool scalar(struct scan *s)
{
    switch (*s->p) {
    case '"':
        return string(s);
    case 't':
        return word(s, "true", 4);
    case 'f':
        return word(s, "false", 5);
    case 'n':
        return word(s, "null", 4);
    default:
        return number(s);
    }
}

static bool in_object(const struct scan *s)
{
    unsigned top = s->depth - 1;
    return s->objects[top / 8] >> top % 8 & 1;
}

static bool open(struct scan *s, bool object)
{
    if (s->depth == JSON_TEXT_DEPTH)
        return false;
    unsigned bit = 1u << s->depth % 8;
    uint8_t *byte = &s->objects[s->depth++ / 8];
    *byte = (uint8_t)(object ? *byte | bit : *byte & ~bit);
    s->p++;
    return true;
}

static bool name(struct scan *s)
{
    skip_space(s);
    if (!string(s))
        return false;
    skip_space(s);
    return take(s, ':');
}

/* Behind a value: closes what ends here. True with *more where another value has to follow. */
static bool close_all(struct scan *s, bool *more)
{
    for (*more = false; s->depth > 0 && !*more;) {
        skip_space(s);
        if (take(s, ','))
            *more = true;
        else if (take(s, in_object(s) ? '}' : ']'))
            s->depth--;
        else
            return false;
    }
    return !*more || !in_object(s) || name(s);
}

/* A value begins at s->p: a scalar is taken, an array or object opened, and closed if it is empty.
 * *inside: its first value has to follow. */
static bool begin_value(struct scan *s, bool *inside)
{
    bool object;
    *inside = false;
    skip_space(s);
    if (s->p == s->end)
        return false;
    object = *s->p == '{';
    if (!object && *s->p != '[')
        return scalar(s);
    if (!open(s, object))
        return false;
    skip_space(s);
    if (take(s, object ? '}' : ']')) {
        s->depth--;
        return true;
    }
    *inside = true;
    return !object || name(s);
}

bool json_text_check(struct slice text, struct slice *value)
{
    struct scan s = { .p = text.p, .end = text.p + text.n };
    bool more = true;
    skip_space(&s);
    const char *from = s.p;
    while (more) {
        bool inside;
        if (!begin_value(&s, &inside))
            return false;
        if (!inside && !close_all(&s, &more))
            return false;
    }
    *value = slice_of(from, (size_t)(s.p - from));
    skip_space(&s);
    return s.p == s.end;
}

bool json_text_is_number(struct slice text)
{
    if (text.n == 0)
        return false;
    struct scan s = { .p = text.p, .end = text.p + text.n };
    return number(&s) && s.p == s.end;
}

/* --- what was checked ----------------------------------------------------------------------- */

static void pass_string(struct scan *s)
{
    for (s->p++; s->p < s->end && *s->p != '"'; s->p++)
        s->p += *s->p == '\\' && s->p + 1 < s->end;
    s->p += s->p < s->end;
}

static void pass_value(struct scan *s)
{
    size_t depth = 0;
    do {
        char c = *s->p;
        if (c == '"') {
            pass_string(s);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']' || is_space(c)))
            return;
        depth += c == '{' || c == '[';
        depth -= (c == '}' || c == ']') && depth > 0;
        s->p++;
        if ((c == '}' || c == ']') && depth == 0)
            return;
    } while (s->p < s->end);
}

bool json_text_next(struct slice *rest, struct json_text_member *member)
{
    if (rest->n == 0)
        return false;
    struct scan s = { .p = rest->p, .end = rest->p + rest->n };
    s.p++; /* the brace or the comma */
    skip_space(&s);
    if (s.p == s.end || *s.p != '"')
        return false;
    const char *from = s.p;
    pass_string(&s);
    member->name = slice_of(from, (size_t)(s.p - from));
    skip_space(&s);
    (void)take(&s, ':');
    skip_space(&s);
    from = s.p;
    if (s.p < s.end)
        pass_value(&s);
    member->value = slice_of(from, (size_t)(s.p - from));
    skip_space(&s);
    *rest = slice_of(s.p, (size_t)(s.end - s.p));
    return true;
}

bool json_text_element(struct slice *rest, struct slice *value)
{
    if (rest->n == 0)
        return false;
    struct scan s = { .p = rest->p, .end = rest->p + rest->n };
    s.p++; /* the bracket or the comma */
    skip_space(&s);
    if (s.p == s.end || *s.p == ']')
        return false;
    const char *from = s.p;
    pass_value(&s);
    *value = slice_of(from, (size_t)(s.p - from));
    skip_space(&s);
    *rest = slice_of(s.p, (size_t)(s.end - s.p));
    return true;
}

/* --- names ---------------------------------------------------------------------------------- */

static unsigned unit(const char *p)
{
    unsigned u = 0;
    for (int i = 0; i < 4; i++)
        u = u << 4 | (unsigned)hex(p[i]);
    return u;
}

static size_t put_utf8(char *to, unsigned c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xC0 | c >> 6);
        to[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xE0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 63));
        to[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    to[0] = (char)(0xF0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 63));
    to[2] = (char)(0x80 | (c >> 6 & 63));
    to[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* What the escape behind a backslash at *p means, as UTF-8; *p moves behind it. */
static size_t unescape(const char **p, const char *end, char to[4])
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    char c = *(*p)++;
    if (c != 'u') {
        const char *letter = memchr(letters, c, sizeof letters - 1);
        to[0] = letter ? meanings[letter - letters] : c;
        return 1;
    }
    unsigned code = unit(*p);
    *p += 4;
    if (code >= 0xD800 && code < 0xDC00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        unsigned low = unit(*p + 2);
        if (low >= 0xDC00 && low < 0xE000) {
            *p += 6;
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    return put_utf8(to, code);
}

bool json_text_means(struct slice string, struct slice name)
{
    const char *p = string.p + 1, *end = string.p + string.n - 1;
    size_t at = 0;
    char piece[4];
    if ((size_t)(end - p) < name.n) /* escapes only lengthen */
        return false;
    if (p < end && *p != '\\' && (name.n == 0 || *p != *name.p))
        return false;
    if (!memchr(p, '\\', (size_t)(end - p)))
        return slice_equal(slice_of(p, (size_t)(end - p)), name);
    while (p < end) {
        size_t n = 1;
        if (*p == '\\') {
            p++;
            n = unescape(&p, end, piece);
        } else {
            piece[0] = *p++;
        }
        if (n > name.n - at || memcmp(name.p + at, piece, n) != 0)
            return false;
        at += n;
    }
    return at == name.n;
}
