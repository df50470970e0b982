/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference lies behind the text that it stands for, in one piece of memory: whoever has the
 * text can print it without knowing it. A file is read through one descriptor, up to a bound.
 */
#include "conf/secret.h"
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SECRET_FILE_MAX = 65536, SECRET_INVENTED = 32 };

static const char environment[] = "$(env:", file[] = "$(file:", hidden[] = "$(hidden:";

static bool begins(const char *s, size_t n, const char *with)
{
    size_t with_n = strlen(with);
    return n > with_n + 1 && memcmp(s, with, with_n) == 0 && s[n - 1] == ')' &&
           !memchr(s, ')', n - 1);
}

bool secret_is_reference(const char *s, size_t n)
{
    return begins(s, n, environment) || begins(s, n, file) || begins(s, n, hidden);
}

/* The first reference in s[0..n): where it begins, and its length; NULL: there is none. */
static const char *next_reference(const char *s, size_t n, size_t *length)
{
    for (const char *end = s + n; (s = memchr(s, '$', (size_t)(end - s))); s++) {
        const char *close = memchr(s, ')', (size_t)(end - s));
        *length = close ? (size_t)(close - s) + 1 : 0;
        if (close && (begins(s, *length, environment) || begins(s, *length, file)))
            return s;
    }
    return NULL;
}

bool secret_refers(const char *s, size_t n)
{
    size_t length;
    return next_reference(s, n, &length) != NULL;
}

static struct conf_text keep(struct memory *memory, struct conf_text text, struct conf_text written)
{
    char *both = memory_alloc(memory, text.n + written.n + 2); /* zeroed: each is terminated */
    memcpy(both, text.s, text.n);
    memcpy(both + text.n + 1, written.s, written.n);
    return (struct conf_text){ both, text.n };
}

struct conf_text secret_plain(struct memory *memory, const char *s, size_t n)
{
    return keep(memory, (struct conf_text){ s, n }, (struct conf_text){ "", 0 });
}

struct conf_text secret_written(struct conf_text text)
{
    const char *written = text.n ? text.s + text.n + 1 : "";
    return *written ? (struct conf_text){ written, strlen(written) } : text;
}

static bool refuse(char *why, size_t size, const char *what, const char *more)
{
    snprintf(why, size, "%s%s", what, more);
    return false;
}

/* The file's bytes into a new text at *out, to be freed. */
static bool read_file(const char *path, char **out, char *why, size_t size)
{
    FILE *in = fopen(path, "re");
    *out = malloc(SECRET_FILE_MAX + 1);
    if (!in || !*out) {
        int error = errno;
        if (in)
            fclose(in);
        return refuse(why, size, "cannot be read: ", strerror(error));
    }
    errno = 0;
    size_t n = fread(*out, 1, SECRET_FILE_MAX + 1, in);
    int error = ferror(in) ? (errno ? errno : EIO) : 0;
    fclose(in);
    if (error)
        return refuse(why, size, "cannot be read: ", strerror(error));
    if (n > SECRET_FILE_MAX)
        return refuse(why, size, "is too long", "");
    if (memchr(*out, '\0', n))
        return refuse(why, size, "holds a zero byte", "");
    n -= n && (*out)[n - 1] == '\n';
    n -= n && (*out)[n - 1] == '\r';
    (*out)[n] = '\0';
    return true;
}

/* One that no configuration had before. */
static bool invent(struct memory *memory, const char *s, size_t n, struct conf_text *out, char *why,
                   size_t size)
{
    uint8_t random[SECRET_INVENTED];
    char text[2 * SECRET_INVENTED + 1];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return refuse(why, size, "cannot be made: ", strerror(errno));
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(text + 2 * i, 3, "%02x", random[i]);
    *out = keep(memory, (struct conf_text){ text, sizeof text - 1 }, (struct conf_text){ s, n });
    return true;
}

bool secret_read(struct memory *memory, const char *s, size_t n, struct conf_text *out, char *why,
                 size_t size)
{
    if (begins(s, n, hidden))
        return invent(memory, s, n, out, why, size);
    bool is_file = begins(s, n, file);
    size_t skip = strlen(is_file ? file : environment);
    char *name = memory_alloc(memory, n), *bytes = NULL;
    memcpy(name, s + skip, n - skip - 1);
    if (is_file && *name != '/')
        return refuse(why, size, "is not an absolute path", "");
    const char *value = is_file ? NULL : getenv(name);
    if (!is_file && !value)
        return refuse(why, size, "is not in the environment", "");
    bool read = !is_file || read_file(name, &bytes, why, size);
    if (read && is_file)
        value = bytes;
    if (read && !*value)
        read = refuse(why, size, "is empty", "");
    if (read)
        *out = keep(memory, (struct conf_text){ value, strlen(value) }, (struct conf_text){ s, n });
    free(bytes);
    return read;
}

/* Appends to *out, of *used bytes. */
static void append(struct memory *memory, char **out, size_t *used, const char *s, size_t n)
{
    char *longer = memory_alloc(memory, *used + n + 1);
    memcpy(longer, *out ? *out : "", *used);
    memcpy(longer + *used, s, n);
    *out = longer;
    *used += n;
}

bool secret_expand(struct memory *memory, const char *s, size_t n, struct conf_text *out, char *why,
                   size_t size)
{
    const char *at = s, *end = s + n, *found;
    char *text = NULL;
    size_t used = 0, length;
    while ((found = next_reference(at, (size_t)(end - at), &length))) {
        struct conf_text value;
        if (!secret_read(memory, found, length, &value, why, size))
            return false;
        for (const char *c = value.s; *c; c++)
            if ((unsigned char)*c < ' ' || *c == 0x7f)
                return refuse(why, size, "stands for what holds a control character", "");
        append(memory, &text, &used, at, (size_t)(found - at));
        append(memory, &text, &used, value.s, value.n);
        at = found + length;
    }
    append(memory, &text, &used, at, (size_t)(end - at));
    *out = keep(memory, (struct conf_text){ text, used }, (struct conf_text){ s, n });
    return true;
}
