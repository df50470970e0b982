/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One load of a word says whether anything is new. A set is read and made into keys outside of any
 * lock; a key that cannot be made is left out, since other processes are not trusted to write
 * sense.
 */
#include "worker/base/keyring.h"
#include "conf/conf.h"
#include "conf/jwt_key.h"
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>

struct keyring_key {
    EVP_PKEY *key;
    uint32_t algorithms;
    bool has_kid;
    size_t kid_n;
    int64_t gone;
    char kid[JWKS_KID];
};

struct keyring_set {
    int row;          /* as it was last; -1: none */
    uint64_t version; /* of the keys; 0: there are none */
    size_t n;
    struct keyring_key *keys;
};

bool keyring_open(struct keyring *k, const struct zone *jwks, const struct conf *conf)
{
    size_t n = issuer_count(conf->issuers);
    *k = (struct keyring){ jwks, conf, calloc(n + 1, sizeof *k->sets) };
    for (size_t i = 0; k->sets && i < n; i++)
        k->sets[i].row = -1;
    return k->sets != NULL;
}

static void clear(struct keyring_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        jwt_key_free(set->keys[i].key);
    free(set->keys);
    set->keys = NULL;
    set->n = 0;
    set->version = 0;
}

void keyring_close(struct keyring *k)
{
    for (size_t i = 0; k->sets && i < issuer_count(k->conf->issuers); i++)
        clear(&k->sets[i]);
    free(k->sets);
    k->sets = NULL;
}

static bool make_key(const struct jwks_key *from, struct keyring_key *to)
{
    const unsigned char *at = from->der;
    *to = (struct keyring_key){ .key = d2i_PUBKEY(NULL, &at, from->der_n),
                                .algorithms = from->algorithms,
                                .has_kid = from->has_kid,
                                .kid_n = from->kid_n,
                                .gone = from->gone };
    memcpy(to->kid, from->kid, from->kid_n);
    return to->key != NULL;
}

static void renew(struct keyring *k, struct keyring_set *set)
{
    struct jwks_set *from = malloc(sizeof *from);
    uint64_t version = from ? jwks_get(k->zone, set->row, from) : 0;
    clear(set);
    if (version)
        set->keys = calloc(from->n + 1, sizeof *set->keys);
    if (set->keys) {
        set->version = version;
        for (uint32_t i = 0; i < from->n; i++)
            set->n += make_key(&from->keys[i], &set->keys[set->n]);
        ERR_clear_error();
    }
    free(from);
}

/* Up to date. A row that became another issuer's is looked for again: its identity is looked at
 * behind the copy, so that no other's keys are taken for this one's. */
static struct keyring_set *set_of(struct keyring *k, const struct conf_issuer *issuer)
{
    struct keyring_set *set = &k->sets[issuer->index];
    if (set->row < 0 || !jwks_is(k->zone, set->row, issuer->identity))
        set->row = jwks_find(k->zone, issuer->identity);
    if (set->row < 0)
        clear(set);
    else if (jwks_version(k->zone, set->row) != set->version)
        renew(k, set);
    if (set->row >= 0 && !jwks_is(k->zone, set->row, issuer->identity))
        clear(set);
    return set;
}

uint64_t keyring_version(struct keyring *k, const struct conf_issuer *issuer)
{
    return set_of(k, issuer)->version;
}

struct keyring_found keyring_find(struct keyring *k, const struct conf_issuer *issuer,
                                  struct slice kid, int algorithm, int64_t now)
{
    const struct keyring_set *set = set_of(k, issuer);
    struct keyring_found out = { .until = INT64_MAX, .version = set->version };
    int64_t grace = (int64_t)k->conf->jwks_grace;
    for (size_t i = 0; i < set->n && out.n < KEYRING_TRIES; i++) {
        const struct keyring_key *key = &set->keys[i];
        if (key->gone && now - key->gone >= grace)
            continue;
        if (kid.p && (!key->has_kid || !slice_equal(kid, slice_of(key->kid, key->kid_n))))
            continue;
        out.other |= kid.p != NULL;
        if (!(key->algorithms >> algorithm & 1))
            continue;
        out.keys[out.n++] = key->key;
        if (key->gone && key->gone + grace < out.until)
            out.until = key->gone + grace;
    }
    return out;
}

uint64_t keyring_wish(struct keyring *k, const struct conf_issuer *issuer, uint64_t now_ms)
{
    const struct keyring_set *set = set_of(k, issuer);
    if (set->row < 0)
        return UINT64_MAX;
    return jwks_wish(k->zone, set->row, now_ms, (uint64_t)(k->conf->jwks_refresh_interval * 1000));
}

bool keyring_over(struct keyring *k, const struct conf_issuer *issuer, uint64_t wish)
{
    const struct keyring_set *set = set_of(k, issuer);
    return set->row >= 0 && jwks_over(k->zone, set->row, wish == UINT64_MAX ? 1 : wish);
}

bool keyring_fetching(struct keyring *k, const struct conf_issuer *issuer)
{
    const struct keyring_set *set = set_of(k, issuer);
    return set->row >= 0 && jwks_fetching(k->zone, set->row);
}
