/* SPDX-License-Identifier: Apache-2.0 */
/* What has no value has nothing to hide; all but values is copied, empty arguments too. */
#include "worker/http/masking.h"

#include "worker/http/form_edit.h"

static const struct slice mask = { "***", 3 };

bool masking_needed(struct slice url, const struct conf_texts *names)
{
    return names->n > 0 && url.n > 0 && memchr(url.p, '?', url.n);
}

/* An argument that grows has "=" and a byte of its value: four bytes at most become of those two.
 */
size_t masking_room(struct slice url)
{
    return 2 * url.n;
}

static bool is_secret(struct slice name, const struct conf_texts *names)
{
    for (size_t i = 0; i < names->n; i++)
        if (form_edit_means(name, slice_of(names->v[i].s, names->v[i].n)))
            return true;
    return false;
}

static char *put(char *at, const char *from, size_t n)
{
    if (n)
        memcpy(at, from, n);
    return at + n;
}

static char *put_argument(char *at, struct slice argument, const struct conf_texts *names)
{
    const char *equals = argument.n ? memchr(argument.p, '=', argument.n) : NULL;
    size_t name_n = equals ? (size_t)(equals - argument.p) : argument.n;

    if (argument.n < name_n + 2 || !is_secret(slice_of(argument.p, name_n), names))
        return put(at, argument.p, argument.n);
    at = put(at, argument.p, name_n + 1);
    return put(at, mask.p, mask.n);
}

size_t masking_url(struct slice url, const struct conf_texts *names, char *out)
{
    const char *end = url.p + url.n, *mark = url.n ? memchr(url.p, '?', url.n) : NULL;
    const char *from = mark ? mark + 1 : end;
    char *at = put(out, url.p, (size_t)(from - url.p));

    while (from < end) {
        const char *stop = memchr(from, '&', (size_t)(end - from));
        size_t n = (size_t)((stop ? stop : end) - from);
        at = put_argument(at, slice_of(from, n), names);
        if (stop)
            *at++ = '&';
        from += n + (stop != NULL);
    }
    return (size_t)(at - out);
}
