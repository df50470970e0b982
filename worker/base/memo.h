/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker has found to be true and would pay much to find again: that a password is right. A
 * fixed number of marks, each a keyed hash of who and what; nothing that was said can be read from
 * them. A worker lives as long as its configuration, and so do the marks.
 */
#ifndef BASE_MEMO_H
#define BASE_MEMO_H

#include "worker/base/slice.h"

enum { MEMO_KEY = 32, MEMO_MARK = 16, MEMO_WAYS = 4, MEMO_SETS = 1024 };

struct memo_mark {
    uint8_t bytes[MEMO_MARK];
};

struct memo {
    struct memo_mark
        *marks;         /* MEMO_SETS x MEMO_WAYS, newest first; NULL until something is added */
    int64_t debt_until; /* us, monotonic: what wrong guesses cost is worked off by then */
    bool keyed;
    uint8_t key[MEMO_KEY];
};

/* The mark of `what`, as said by `who`; who: any number that is one's own. False: none can be made,
 * nothing is remembered. */
bool memo_mark(struct memo *memo, uint64_t who, struct slice what, struct memo_mark *mark);
bool memo_has(const struct memo *memo, const struct memo_mark *mark);
/* In place of the oldest mark that shares its set. Does nothing where there is no memory. */
void memo_add(struct memo *memo, const struct memo_mark *mark);
/* Work for somebody who was wrong, in us: charged MEMO_CHARGE times, so that such work takes no
 * more than that part of a worker's time. */
enum { MEMO_CHARGE = 5, MEMO_CREDIT_US = 1000000 };
void memo_charge(struct memo *memo, int64_t now, int64_t cost);
/* Whether there is time for more of it: the debt is below MEMO_CREDIT_US. */
bool memo_affords(const struct memo *memo, int64_t now);

void memo_free(struct memo *memo);

#endif
