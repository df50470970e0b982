/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC-SHA-256 under a key that never leaves the process, cut to 128 bits: nobody can prepare a
 * mark, so that comparing them need not take constant time. An empty place is all zeros, which no
 * mark is but by chance.
 */
#include "worker/base/memo.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/random.h>

static const struct memo_mark nothing;

static bool same(const struct memo_mark *a, const struct memo_mark *b)
{
    return memcmp(a->bytes, b->bytes, MEMO_MARK) == 0;
}

static struct memo_mark *set_of(const struct memo *memo, const struct memo_mark *mark)
{
    size_t set = (size_t)(mark->bytes[0] | mark->bytes[1] << 8) % MEMO_SETS;
    return &memo->marks[set * MEMO_WAYS];
}

bool memo_mark(struct memo *memo, uint64_t who, struct slice what, struct memo_mark *mark)
{
    uint8_t text[sizeof who + SHA256_DIGEST_LENGTH], out[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!memo->keyed)
        memo->keyed = getrandom(memo->key, MEMO_KEY, 0) == MEMO_KEY;
    memcpy(text, &who, sizeof who);
    SHA256((const unsigned char *)what.p, what.n, text + sizeof who);
    bool made = memo->keyed && HMAC(EVP_sha256(), memo->key, MEMO_KEY, text, sizeof text, out, &n);
    OPENSSL_cleanse(text, sizeof text);
    if (!made)
        return false;
    memcpy(mark->bytes, out, MEMO_MARK);
    return !same(mark, &nothing);
}

bool memo_has(const struct memo *memo, const struct memo_mark *mark)
{
    if (!memo->marks)
        return false;
    const struct memo_mark *set = set_of(memo, mark);
    for (int i = 0; i < MEMO_WAYS; i++)
        if (same(&set[i], mark))
            return true;
    return false;
}

void memo_add(struct memo *memo, const struct memo_mark *mark)
{
    if (!memo->marks)
        memo->marks = calloc((size_t)MEMO_SETS * MEMO_WAYS, sizeof *memo->marks);
    if (!memo->marks || memo_has(memo, mark))
        return;
    struct memo_mark *set = set_of(memo, mark);
    memmove(set + 1, set, (MEMO_WAYS - 1) * sizeof *set);
    *set = *mark;
}

void memo_charge(struct memo *memo, int64_t now, int64_t cost)
{
    if (memo->debt_until < now)
        memo->debt_until = now;
    memo->debt_until += MEMO_CHARGE * cost;
}

bool memo_affords(const struct memo *memo, int64_t now)
{
    return memo->debt_until - now <= MEMO_CREDIT_US;
}

void memo_free(struct memo *memo)
{
    free(memo->marks);
    OPENSSL_cleanse(memo, sizeof *memo);
}
