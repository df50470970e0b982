/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public keys of issuers, fetched by the checker, for all workers and over reloads. A row is one
 * issuer: a set of keys and what is known of the fetches, each published as a whole, and a few
 * moments by which workers ask for a fetch and see that it is over. What stands here was checked
 * by who wrote it; lengths and counts are checked again by who reads it.
 */
#ifndef SHM_JWKS_H
#define SHM_JWKS_H

#include "shm/region.h"
#include <stdatomic.h>

enum { JWKS_VERSION = 1 };
enum { JWKS_ROWS = 256, JWKS_KEYS = 64, JWKS_KID = 256, JWKS_DER = 1144, JWKS_ERROR = 160 };
/* ms for which a row stays an issuer's that no checker has named. */
enum { JWKS_KEEP = 10 * 60 * 1000 };

struct jwks_key {
    int64_t since;       /* s since 1970: first seen */
    int64_t gone;        /* s since 1970: since then the issuer has it no longer; 0: it has */
    uint32_t algorithms; /* bits: 1 << enum conf_jwt_algorithm, those it may have signed with */
    uint16_t kid_n, der_n;
    uint8_t has_kid;
    uint8_t spare[7];
    char kid[JWKS_KID];    /* kid_n bytes */
    uint8_t der[JWKS_DER]; /* der_n bytes: SubjectPublicKeyInfo (RFC 5280) */
};

struct jwks_set {
    uint32_t n;
    uint32_t spare;
    struct jwks_key keys[JWKS_KEYS];
};

enum jwks_health {
    JWKS_NONE,  /* no fetch has ended yet */
    JWKS_GOOD,  /* the last fetch was good */
    JWKS_STALE, /* it failed, the keys are those of the last good one */
    JWKS_LOST,  /* it failed, and there are no keys */
};

struct jwks_state {
    uint32_t health;            /* enum jwks_health */
    uint32_t status;            /* of the last response; 0: there was none */
    int64_t tried, fetched;     /* the last fetch, the last good one; s since 1970, 0: never */
    int64_t rotated;            /* when keys came or went last */
    int64_t due;                /* when it is fetched again */
    uint64_t fetches, failures; /* ever */
    uint32_t skipped;           /* entries of the last document that are no key of ours */
    uint32_t spare;
    char error[JWKS_ERROR]; /* of the last fetch; "" = none */
};

bool jwks_make(struct zone *zone);

/* The row of an issuer; -1: there is none (yet). It may be another's later, see jwks_is(). */
int jwks_find(const struct zone *zone, uint64_t identity);
bool jwks_is(const struct zone *zone, int row, uint64_t identity);
/* The checker: the row, taken when there is none, and named as in use. -1: all are in use. `now`:
 * ms, CLOCK_MONOTONIC, as all moments here. */
int jwks_claim(const struct zone *zone, uint32_t slot, uint64_t identity, uint64_t now);

/* Changes with each set that is published, and is never 0 then; 0: there never was one. */
uint64_t jwks_version(const struct zone *zone, int row);
/* A copy of the set; its version, or 0: there is none. */
uint64_t jwks_get(const struct zone *zone, int row, struct jwks_set *out);
bool jwks_get_state(const struct zone *zone, int row, struct jwks_state *out);
/* False: the row is another issuer's by now, and nothing was changed: the checker that wants to
 * write stood still for longer than JWKS_KEEP. */
bool jwks_put(const struct zone *zone, uint32_t slot, int row, uint64_t identity,
              const struct jwks_set *set);
bool jwks_put_state(const struct zone *zone, uint32_t slot, int row, uint64_t identity,
                    const struct jwks_state *state);

/* --- asking for a fetch --------------------------------------------------------------------- */

/* A fetch begins; `demanded`: because somebody wished for it. */
void jwks_begin(const struct zone *zone, int row, uint64_t now, bool demanded);
/* It is over, after what it brought was published. */
void jwks_end(const struct zone *zone, int row, uint64_t now);
/* Whether somebody wishes for one, and none has begun since. */
bool jwks_wished(const struct zone *zone, int row);
/* When a fetch was made last because somebody wished for it; 0: never. */
uint64_t jwks_demanded(const struct zone *zone, int row);
/* A fetch has begun and is not over. */
bool jwks_fetching(const struct zone *zone, int row);

/* Somebody lacks a key: joins the fetch that is under way, or wishes for one, which is made at once
 * if none was made for a wish less than `interval` ms ago. Returns what jwks_over() is asked with;
 * 0: too early. */
uint64_t jwks_wish(const struct zone *zone, int row, uint64_t now, uint64_t interval);
/* Whether the fetch that was wished for is over. */
bool jwks_over(const struct zone *zone, int row, uint64_t wish);

/* Master: a process that held `slot` is gone. */
void jwks_break(const struct zone *zone, uint32_t slot);

#endif
