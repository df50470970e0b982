/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JWK set as an issuer publishes it (RFC 7517, 7518, 8037), read into keys that can verify
 * tokens, and what becomes of those that were known before. Pure: bytes in, keys out. The bytes are
 * hostile.
 */
#ifndef CHECKER_JWKS_READ_H
#define CHECKER_JWKS_READ_H

#include "shm/jwks.h"
#include "worker/base/slice.h"

/* Bytes of a document; entries of one that are looked at. */
enum { JWKS_READ_MAX = 256 * 1024, JWKS_READ_ENTRIES = 1024 };

/* Fills *out with the keys of the document, since and gone 0. Entries that are no public key for
 * signatures (secret or private keys, other kinds and curves, other uses, too short ones, more than
 * there is room for) are counted in *skipped. NULL, or why nothing can be made of it. */
const char *jwks_read(struct slice text, struct jwks_set *out, uint32_t *skipped);

/* Completes what was read at time `at` (s) with what was known before: since when a key is known,
 * and keys that went less than `grace` s ago, but for those whose kid another key has got. Returns
 * whether anybody has to know: the keys are others than before. */
bool jwks_read_merge(struct jwks_set *read, const struct jwks_set *before, int64_t at,
                     int64_t grace);

#endif
