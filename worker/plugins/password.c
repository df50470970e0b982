/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three forms of a stored password. Only right ones are remembered: wrong ones could push them
 * out. A hash holds up all requests of the worker while it is computed: wrong guesses get a part of
 * its time and no more, and whoever is right already goes on as before. Copies of what the client
 * said are wiped.
 */
#include "worker/plugins/password.h"
#include "worker/http/build.h"
#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <time.h>

/* Reads as many bytes as were given, whatever the stored text is; that is never empty. */
static bool same_text(struct conf_text stored, struct slice given)
{
    unsigned differ = stored.n != given.n;
    for (size_t i = 0; i < given.n; i++)
        differ |= (unsigned char)given.p[i] ^ (unsigned char)stored.s[i % stored.n];
    return differ == 0;
}

static bool same_kong(const struct conf_basic *basic, struct slice given)
{
    const struct conf_text *id = &basic->consumer->id;
    unsigned char hash[SHA_DIGEST_LENGTH], *salted = malloc(given.n + id->n);
    char hex[2 * SHA_DIGEST_LENGTH];
    if (!salted)
        return false;
    memcpy(salted, given.p, given.n);
    memcpy(salted + given.n, id->s, id->n);
    SHA1(salted, given.n + id->n, hash);
    OPENSSL_clear_free(salted, given.n + id->n);
    build_octets(hex, hash, sizeof hash);
    return same_text(basic->password, slice_of(hex, sizeof hex));
}

static bool same_crypt(struct conf_text stored, struct slice given)
{
    struct crypt_data *data = calloc(1, sizeof *data);
    char phrase[CRYPT_MAX_PASSPHRASE_SIZE];
    bool fits = given.n < sizeof phrase && (given.n == 0 || !memchr(given.p, '\0', given.n));
    if (fits)
        memcpy(phrase, given.p, given.n);
    phrase[fits ? given.n : 0] = '\0';
    const char *hash = data && fits ? crypt_rn(phrase, stored.s, data, sizeof *data) : NULL;
    bool same = hash && same_text(stored, slice_of(hash, strlen(hash)));
    OPENSSL_cleanse(phrase, sizeof phrase);
    OPENSSL_cleanse(data, data ? sizeof *data : 0);
    free(data);
    return same;
}

static int64_t read_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Computes, if wrong ones may cost that much. What it costs is the processor's time: a worker that
 * stood still meanwhile does not turn others away for it. */
static enum password_verdict compute(struct memo *memo, const struct conf_basic *basic,
                                     struct slice given, bool right_counts)
{
    if (!memo_affords(memo, read_us(CLOCK_MONOTONIC)))
        return PASSWORD_LATER;
    int64_t spent = read_us(CLOCK_THREAD_CPUTIME_ID);
    if (same_crypt(basic->password, given) && right_counts)
        return PASSWORD_RIGHT;
    int64_t cost = read_us(CLOCK_THREAD_CPUTIME_ID) - spent;
    memo_charge(memo, read_us(CLOCK_MONOTONIC), cost > 0 ? cost : 1);
    return PASSWORD_WRONG;
}

static enum password_verdict check_crypt(struct memo *memo, const struct conf_basic *basic,
                                         struct slice given)
{
    struct memo_mark mark;
    bool marked = memo_mark(memo, (uint64_t)(uintptr_t)basic, given, &mark);
    if (marked && memo_has(memo, &mark))
        return PASSWORD_RIGHT;
    enum password_verdict verdict = compute(memo, basic, given, true);
    if (verdict == PASSWORD_RIGHT && marked)
        memo_add(memo, &mark);
    return verdict;
}

enum password_verdict password_check(struct memo *memo, const struct conf_basic *basic,
                                     struct slice given)
{
    if (basic->format == CONF_PASSWORD_CRYPT)
        return check_crypt(memo, basic, given);
    bool same = basic->format == CONF_PASSWORD_KONG ? same_kong(basic, given)
                                                    : same_text(basic->password, given);
    return same ? PASSWORD_RIGHT : PASSWORD_WRONG;
}

enum password_verdict password_refuse(struct memo *memo, const struct conf_basic *like,
                                      struct slice given)
{
    return like ? compute(memo, like, given, false) : PASSWORD_WRONG;
}
