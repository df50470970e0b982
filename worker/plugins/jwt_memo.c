/* SPDX-License-Identifier: Apache-2.0 */
/* One piece of memory a token: a struct jwt_known, its values, then the texts of all of them. */
#include "worker/plugins/jwt_memo.h"
#include "worker/base/keyring.h"
#include <stdlib.h>

static uint64_t version_of(struct stream *s, const struct conf_jwt *c)
{
    return c->issuer ? keyring_version(stream_keyring(s), c->issuer) : 1;
}

bool jwt_memo_recall(struct stream *s, const struct conf_jwt *c, struct slice token,
                     struct jwt_memo *memo, struct jwt_known *out)
{
    struct verified *verified = stream_verified(s);
    memo->version = version_of(s, c);
    memo->marked = memo->version && verified_mark(verified, c, token, &memo->mark);
    const struct jwt_known *known =
        memo->marked ? verified_find(verified, &memo->mark, stream_now(s), memo->version) : NULL;
    if (!known)
        return false;
    *out = *known;
    return true;
}

static struct slice put(char **at, struct slice text)
{
    char *to = *at;
    if (!text.n)
        return slice_of(NULL, 0);
    memcpy(to, text.p, text.n);
    *at += text.n;
    return slice_of(to, text.n);
}

void jwt_memo_keep(struct stream *s, const struct conf_jwt *c, const struct jwt_memo *memo,
                   const struct jwt_known *known, int64_t until)
{
    size_t values_n = known->values ? c->claims_to_headers_n : 0;
    size_t n = sizeof *known + values_n * sizeof *known->values + known->credential.n;
    if (!memo->marked || version_of(s, c) != memo->version)
        return;
    for (size_t i = 0; i < values_n; i++)
        n += known->values[i].n;
    struct jwt_known *copy = malloc(n);
    if (!copy)
        return;
    struct slice *values = (struct slice *)(copy + 1);
    char *at = (char *)(values + values_n);
    *copy = (struct jwt_known){ .consumer = known->consumer,
                                .credential = put(&at, known->credential),
                                .values = known->values ? values : NULL };
    for (size_t i = 0; i < values_n; i++)
        values[i] = put(&at, known->values[i]);
    struct verified_truth truth = { stream_now(s), until, memo->version, copy, n };
    verified_keep(stream_verified(s), &memo->mark, &truth);
}
