/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference lies behind the text that it stands for, in one piece of memory: whoever has the
 * text can print it without knowing it. A file is read through one descriptor, up to a bound.
 */
#include "conf/secret.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_FILE_MAX = 65536 };

static const char environment[] = "$(env:", file[] = "$(file:";

static bool begins(const char *s, size_t n, const char *with)
{
    size_t with_n = strlen(with);
    return n > with_n + 1 && memcmp(s, with, with_n) == 0 && s[n - 1] == ')' &&
           !memchr(s, ')', n - 1);
}

bool secret_is_reference(const char *s, size_t n)
{
    return begins(s, n, environment) || begins(s, n, file);
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

bool secret_read(struct memory *memory, const char *s, size_t n, struct conf_text *out, char *why,
                 size_t size)
{
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
