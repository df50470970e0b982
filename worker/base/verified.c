/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of sets; the mark says the set. An entry that ran out is replaced first, else they take
 * turns. The table is as large as the tokens of many consumers need, and memory that is never
 * touched costs nothing. SipHash-2-4 with 128 bits of result, over the text with `who` before it.
 */
#include "worker/base/verified.h"
#include <stdlib.h>
#include <sys/random.h>

/* --- SipHash -------------------------------------------------------------------------------- */

struct sip {
    uint64_t a, b, c, d;
};

static inline uint64_t turned(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static inline void sip_round(struct sip *s)
{
    s->a += s->b;
    s->b = turned(s->b, 13) ^ s->a;
    s->a = turned(s->a, 32);
    s->c += s->d;
    s->d = turned(s->d, 16) ^ s->c;
    s->a += s->d;
    s->d = turned(s->d, 21) ^ s->a;
    s->c += s->b;
    s->b = turned(s->b, 17) ^ s->c;
    s->c = turned(s->c, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->d ^= word;
    sip_round(s);
    sip_round(s);
    s->a ^= word;
}

static uint64_t sip_end(struct sip *s)
{
    for (int i = 0; i < 4; i++)
        sip_round(s);
    return s->a ^ s->b ^ s->c ^ s->d;
}

static void sip_hash(const uint64_t key[2], uint64_t first, struct slice text, uint64_t out[2])
{
    struct sip s = { key[0] ^ 0x736f6d6570736575ull, key[1] ^ 0x646f72616e646f6dull ^ 0xee,
                     key[0] ^ 0x6c7967656e657261ull, key[1] ^ 0x7465646279746573ull };
    uint64_t last = (uint64_t)(text.n + sizeof first) << 56, word;
    sip_word(&s, first);
    for (; text.n >= 8; text = slice_from(text, 8)) {
        memcpy(&word, text.p, 8);
        sip_word(&s, word);
    }
    for (size_t i = 0; i < text.n; i++)
        last |= (uint64_t)(unsigned char)text.p[i] << 8 * i;
    sip_word(&s, last);
    s.c ^= 0xee;
    out[0] = sip_end(&s);
    s.b ^= 0xdd;
    out[1] = sip_end(&s);
}

/* --- the table ------------------------------------------------------------------------------ */

static bool is_empty(const struct verified_entry *e)
{
    return e->mark.half[0] == 0 && e->mark.half[1] == 0;
}

static bool same(const struct verified_mark *a, const struct verified_mark *b)
{
    return a->half[0] == b->half[0] && a->half[1] == b->half[1];
}

static struct verified_entry *set_of(const struct verified *v, const struct verified_mark *mark)
{
    return &v->entries[mark->half[0] % VERIFIED_SETS * VERIFIED_WAYS];
}

bool verified_mark(struct verified *v, const void *who, struct slice text,
                   struct verified_mark *mark)
{
    if (!v->keyed)
        v->keyed = getrandom(v->key, sizeof v->key, 0) == sizeof v->key;
    if (!v->keyed)
        return false;
    sip_hash(v->key, (uint64_t)(uintptr_t)who, text, mark->half);
    return mark->half[0] != 0 || mark->half[1] != 0;
}

const void *verified_find(const struct verified *v, const struct verified_mark *mark, int64_t now,
                          uint64_t version)
{
    const struct verified_entry *set = v->entries ? set_of(v, mark) : NULL;
    for (int i = 0; set && i < VERIFIED_WAYS; i++)
        if (same(&set[i].mark, mark))
            return now >= set[i].from && now < set[i].until && set[i].version == version
                       ? set[i].data
                       : NULL;
    return NULL;
}

static void forget(struct verified *v, struct verified_entry *e)
{
    v->bytes -= e->n;
    free(e->data);
    *e = (struct verified_entry){ 0 };
}

/* The one with that mark, or an empty one, or one that ran out, or the one whose turn it is. */
static struct verified_entry *place_for(struct verified *v, const struct verified_mark *mark,
                                        int64_t now)
{
    struct verified_entry *set = set_of(v, mark), *spare = NULL;
    for (int i = 0; i < VERIFIED_WAYS; i++) {
        if (same(&set[i].mark, mark))
            return &set[i];
        if (!spare && (is_empty(&set[i]) || set[i].until <= now))
            spare = &set[i];
    }
    return spare ? spare : &set[v->turn++ % VERIFIED_WAYS];
}

static void make_room(struct verified *v, size_t n)
{
    while (v->bytes + n > VERIFIED_BYTES) {
        forget(v, &v->entries[v->hand]);
        v->hand = (v->hand + 1) % ((size_t)VERIFIED_SETS * VERIFIED_WAYS);
    }
}

void verified_keep(struct verified *v, const struct verified_mark *mark,
                   const struct verified_truth *truth)
{
    if (!v->entries)
        v->entries = calloc((size_t)VERIFIED_SETS * VERIFIED_WAYS, sizeof *v->entries);
    if (!v->entries || truth->n > VERIFIED_MAX || truth->until <= truth->now) {
        free(truth->data);
        return;
    }
    struct verified_entry *e = place_for(v, mark, truth->now);
    forget(v, e);
    make_room(v, truth->n);
    *e = (struct verified_entry){ .mark = *mark,
                                  .from = truth->now,
                                  .until = truth->until,
                                  .version = truth->version,
                                  .data = truth->data,
                                  .n = truth->n };
    v->bytes += truth->n;
}

void verified_free(struct verified *v)
{
    for (size_t i = 0; v->entries && i < (size_t)VERIFIED_SETS * VERIFIED_WAYS; i++)
        free(v->entries[i].data);
    free(v->entries);
    *v = (struct verified){ 0 };
}
