/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker has found to be true of a text that somebody showed, and what it means, so that it
 * need not be found again: that a token's signature holds, and who it names. Kept by a keyed hash
 * of 128 bits (SipHash), so that nothing that was shown can be read from it and nobody can prepare
 * another text with the same; each for a time and for a version of what it was judged by. Bounded;
 * a worker lives as long as its configuration, and so does this.
 */
#ifndef BASE_VERIFIED_H
#define BASE_VERIFIED_H

#include "worker/base/slice.h"

/* Entries; bytes of all that is kept with them. */
enum { VERIFIED_SETS = 32768, VERIFIED_WAYS = 4, VERIFIED_BYTES = 16 << 20, VERIFIED_MAX = 4096 };

struct verified_mark {
    uint64_t half[2];
};

struct verified_entry {
    struct verified_mark mark; /* zeros: empty */
    int64_t from, until;       /* s since 1970; until: not any longer */
    uint64_t version;
    void *data; /* malloc'ed; owned */
    size_t n;
    uint64_t spare;
};

struct verified {
    struct verified_entry *entries; /* NULL until there is one */
    size_t bytes, hand;             /* hand: what is forgotten next when there is no room */
    uint64_t turn;
    uint64_t key[2];
    bool keyed;
};

/* The mark of `text` as judged by `who`. False: none can be made, nothing is known or kept. */
bool verified_mark(struct verified *v, const void *who, struct slice text,
                   struct verified_mark *mark);
/* What was kept with the mark, if that holds at time `now` and by `version`; NULL: nothing does. It
 * stays until the next verified_keep(). */
const void *verified_find(const struct verified *v, const struct verified_mark *mark, int64_t now,
                          uint64_t version);
/* Takes over `data`, n bytes from malloc(), and keeps it from `now` until `until` or frees it. */
struct verified_truth {
    int64_t now, until;
    uint64_t version;
    void *data;
    size_t n;
};
void verified_keep(struct verified *v, const struct verified_mark *mark,
                   const struct verified_truth *truth);

void verified_free(struct verified *v);

#endif
