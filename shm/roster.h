/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The roster: what is known of targets beside the file, for all processes at once, over reloads.
 * Two kinds of things change without a load: what names resolve to (written by the checker) and
 * what was asked for by hand (written by the control process). Each is one record, found by
 * identity and replaced as a whole; who reads one gets the old or the new, never a mixture. The
 * file itself is not here: two generations with different files live at the same time, so that each
 * process merges its own file with the records (worker/base/peers.h).
 *
 * One epoch counts the changes of all records: a process that has seen the current epoch knows that
 * nothing is new, at the price of one load.
 */
#ifndef SHM_ROSTER_H
#define SHM_ROSTER_H

#include "shm/region.h"
#include <stdatomic.h>

enum { ROSTER_VERSION = 3 };
/* Records at the most; bytes of one; bytes of all (in chunks). The zone is sparse: what is not used
 * costs nothing. */
enum { ROSTER_ROWS = 1 << 15, ROSTER_RECORD_MAX = 4 << 20, ROSTER_BYTES = 32 << 20 };

enum roster_kind { ROSTER_NAME = 1, ROSTER_UPSTREAM, ROSTER_SERVICE };

bool roster_make(struct zone *zone);

/* Of a record; never 0. */
uint64_t roster_identity(enum roster_kind kind, const char *key, size_t n);

/* What processes count beside a record, each word by itself; the roster only keeps it. It stays
 * where it is as long as there is a record of that identity. */
struct roster_tally {
    _Atomic uint64_t turn;             /* the next number of a sequence that all share */
    _Atomic uint64_t answered, failed; /* worker/base/shift.h */
    uint64_t spare[5];
};
/* NULL: there is no such record. */
struct roster_tally *roster_tally(const struct zone *zone, uint64_t identity);

/* Where the epoch is to be read, for as long as the zone is mapped. */
const _Atomic uint64_t *roster_epoch(const struct zone *zone);

/* The epoch at which the record changed last; 0: there is no such record. */
uint64_t roster_change(const struct zone *zone, uint64_t identity);

/* Copies a record. Returns its size; nothing is copied when that is more than `cap`. 0: there is
 * none (or it is replaced faster than it can be read). `change` (may be NULL) gets what
 * roster_change() said just before: a record that is replaced meanwhile is found changed later. */
size_t roster_get(const struct zone *zone, uint64_t identity, void *out, size_t cap,
                  uint64_t *change);

/* The identity of the first record from row *at on, which is moved behind it; 0: no more. */
uint64_t roster_next(const struct zone *zone, uint32_t *at);

/* How loud a change is. */
enum roster_voice { ROSTER_QUIET, ROSTER_LOUD }; /* LOUD: everybody is to look */

/* Replaces or makes a record, under the lock of the zone, which is owned by the caller's `slot`.
 * The same bytes again change nothing. False: no room (errno ENOMEM), the record is as it was. */
bool roster_put(const struct zone *zone, uint32_t slot, uint64_t identity, const void *data,
                size_t n, enum roster_voice voice);
void roster_remove(const struct zone *zone, uint32_t slot, uint64_t identity);

/* Master: a child that held `slot` is gone. */
void roster_break(const struct zone *zone, uint32_t slot);

/* Whether every chunk is free or part of exactly one record; `used` (may be NULL): how many are not
 * free. For tests; nobody may write meanwhile. */
bool roster_audit(const struct zone *zone, size_t *used);

#endif
