/* SPDX-License-Identifier: Apache-2.0 */
/* Lists in field values: members between marks, quoted strings left alone, white space dropped. */
#include "worker/http/list.h"

struct slice list_cut(struct slice *rest, char mark)
{
    struct slice all = *rest;
    bool quoted = false;

    for (size_t i = 0; i < all.n; i++) {
        if (all.p[i] == '"')
            quoted = !quoted;
        if (all.p[i] == mark && !quoted) {
            *rest = slice_of(all.p + i + 1, all.n - i - 1);
            return slice_of(all.p, i);
        }
    }
    *rest = slice_of(all.p + all.n, 0);
    return all;
}
