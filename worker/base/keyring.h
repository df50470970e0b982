/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's own view of the keys of issuers: what stands in shared memory (shm/jwks.h), made into
 * keys of OpenSSL once for each set that is published.
 */
#ifndef BASE_KEYRING_H
#define BASE_KEYRING_H

#include "conf/issuer.h"
#include "shm/jwks.h"
#include "worker/base/slice.h"

enum { KEYRING_TRIES = 8 };

struct evp_pkey_st;
struct keyring_set;

struct keyring {
    const struct zone *zone;
    const struct conf *conf;
    struct keyring_set *sets; /* by index of the issuer */
};

/* Both live longer. False: no memory. */
bool keyring_open(struct keyring *k, const struct zone *jwks, const struct conf *conf);
void keyring_close(struct keyring *k);

/* Which set of keys holds now; it is another one when a key came or went. 0: there is none. */
uint64_t keyring_version(struct keyring *k, const struct conf_issuer *issuer);

/* The keys that a token can be signed with, which names `kid` ({NULL, 0}: none) and `algorithm`
 * (enum conf_jwt_algorithm): those of that kid, and of no kid any; the first KEYRING_TRIES. */
struct keyring_found {
    struct evp_pkey_st *keys[KEYRING_TRIES]; /* until the next call */
    size_t n;
    int64_t until;    /* s since 1970: one of them does not count any longer */
    bool other;       /* a key has that kid, but not for that algorithm */
    uint64_t version; /* as keyring_version() */
};
struct keyring_found keyring_find(struct keyring *k, const struct conf_issuer *issuer,
                                  struct slice kid, int algorithm, int64_t now);

/* A key is missing: as jwks_wish() and jwks_over(). What is not known yet is about to be: the wish
 * is UINT64_MAX where the checker has not taken the issuer up. */
uint64_t keyring_wish(struct keyring *k, const struct conf_issuer *issuer, uint64_t now_ms);
bool keyring_over(struct keyring *k, const struct conf_issuer *issuer, uint64_t wish);
/* As jwks_fetching(): a wish made now would join that fetch. */
bool keyring_fetching(struct keyring *k, const struct conf_issuer *issuer);

#endif
