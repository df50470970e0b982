/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a target, as a query, as something to decode, and as a host: normal forms stay, and
 * nothing overflows. */
#include "worker/http/uri.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool expression)
{
    if (!expression)
        abort();
}

static void check_path(struct slice target, char *out, char *again)
{
    struct uri u, v;
    if (!uri_parse(target, out, 3 * target.n, &u))
        return;
    check(u.path.n >= 1 && u.path.p[0] == '/');
    check(!memchr(u.path.p, '?', u.path.n) && !memmem(u.path.p, u.path.n, "//", 2));
    check(!memmem(u.path.p, u.path.n, "/./", 3) && !memmem(u.path.p, u.path.n, "/../", 4));
    check(!memmem(u.path.p, u.path.n, "%00", 3) && !memmem(u.path.p, u.path.n, "%2e", 3));
    check(uri_parse(u.path, again, 3 * u.path.n, &v) && slice_equal(u.path, v.path));
    check(v.path.p == u.path.p); /* normal: not copied */
    struct slice name, value, rest = u.query;
    size_t steps = 0;
    while (uri_query_next(&rest, &name, &value))
        check(++steps <= u.query.n);
}

static void check_host(struct slice text, char *out)
{
    struct slice name, name2;
    int port, port2;
    bool six = text.n && *text.p == '[';
    size_t cap = six && text.n < URI_SIX_MAX ? URI_SIX_MAX : text.n;
    if (!uri_host(text, out, cap, &name, &port))
        return;
    check(name.n > 0 && name.n <= cap && port >= 0 && port <= 65535);
    check(uri_host(name, out, name.n, &name2, &port2) && slice_equal(name, name2) && port2 == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 13)
        return 0;
    struct slice text = slice_of((const char *)data, size);
    char *out = malloc(3 * size + URI_SIX_MAX), *again = malloc(9 * size + 1);
    if (out && again) {
        check_path(text, out, again);
        check_host(text, out);
        check(uri_decode(text, size % 2, out, size) <= (ptrdiff_t)size);
    }
    free(out);
    free(again);
    return 0;
}
