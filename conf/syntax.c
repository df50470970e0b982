/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libconfig 1.5 cuts an integer that does not fit 32 bits unless it ends in L: 5000000000 would be
 * 705032704. And it ends the process when it cannot read an included file. So the text is walked
 * once, past names, strings and comments; the L is put where it is needed, and @include is refused.
 */
#include "conf/syntax.h"
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct syntax {
    const char *p, *end;
    char *out;
};

static void copy(struct syntax *s, size_t n)
{
    if (n > (size_t)(s->end - s->p))
        n = (size_t)(s->end - s->p);
    memcpy(s->out, s->p, n);
    s->out += n;
    s->p += n;
}

static bool at(const struct syntax *s, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(s->end - s->p) >= n && memcmp(s->p, word, n) == 0;
}

static void copy_until(struct syntax *s, const char *word)
{
    const char *found = memmem(s->p, (size_t)(s->end - s->p), word, strlen(word));
    copy(s, found ? (size_t)(found - s->p) + strlen(word) : SIZE_MAX);
}

static void copy_string(struct syntax *s)
{
    copy(s, 1);
    while (s->p < s->end && *s->p != '"')
        copy(s, *s->p == '\\' ? 2 : 1);
    copy(s, 1);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '*' || c == '_';
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c) || c == '-';
}

/* Names, and words like true. */
static void copy_name(struct syntax *s)
{
    while (s->p < s->end && is_word(*s->p))
        copy(s, 1);
}

/* Whether the digits of a token make an integer beyond 32 bits; base 10 or 16. */
static bool is_long(const char *digits, size_t n, int base)
{
    char text[24];
    while (n > 1 && *digits == '0') {
        digits++;
        n--;
    }
    if (n >= sizeof text)
        return true;
    memcpy(text, digits, n);
    text[n] = '\0';
    return strtoull(text, NULL, base) > INT_MAX;
}

static void copy_number(struct syntax *s)
{
    bool hex = at(s, "0x") || at(s, "0X");
    size_t skip = hex ? 2 : 0, n = 0, rest = (size_t)(s->end - s->p) - skip;
    const char *digits = s->p + skip;
    while (n < rest &&
           (is_digit(digits[n]) || (hex && (digits[n] | 0x20) >= 'a' && (digits[n] | 0x20) <= 'f')))
        n++;
    bool whole = n > 0 && (n == rest || !(is_letter(digits[n]) || digits[n] == '.'));
    copy(s, skip + n);
    if (whole && is_long(digits, n, hex ? 16 : 10))
        *s->out++ = 'L';
    else if (!whole)
        copy_name(s); /* the end of a fraction, or an L */
}

static void copy_token(struct syntax *s)
{
    if (at(s, "/*"))
        copy_until(s, "*/");
    else if (at(s, "//") || *s->p == '#')
        copy_until(s, "\n");
    else if (*s->p == '"')
        copy_string(s);
    else if (is_digit(*s->p))
        copy_number(s);
    else if (is_letter(*s->p))
        copy_name(s);
    else if (*s->p == '.') { /* what follows are the digits of a fraction */
        copy(s, 1);
        copy_name(s);
    } else
        copy(s, 1);
}

static unsigned line_of(const char *text, const char *p)
{
    unsigned line = 1;
    for (; text < p; text++)
        line += *text == '\n';
    return line;
}

const char *syntax_prepare(struct memory *memory, struct report *report, const char *text, size_t n)
{
    char *copy_of = memory_alloc(memory, n + n / 8 + 2); /* an L for each 8 bytes at most */
    struct syntax s = { text, text + n, copy_of };
    const char *nul = memchr(text, '\0', n);
    if (nul) {
        report_line(report, line_of(text, nul), "a NUL byte");
        return NULL;
    }
    while (s.p < s.end) {
        if (at(&s, "@include")) {
            report_line(report, line_of(text, s.p), "@include is not supported");
            return NULL;
        }
        copy_token(&s);
    }
    *s.out = '\0';
    return copy_of;
}
