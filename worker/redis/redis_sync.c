/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries are found by the claim's key, unit and window. Those with something to tell are in a list
 * that a timer walks; the others go when their window has ended, a few at each round. What was told
 * and not answered is taken as told: counted once too few rather than twice.
 */
#include "worker/redis/redis_sync.h"

#include "shm/limits_rule.h"
#include "worker/context.h"
#include "worker/redis/redis_words.h"
#include <stdlib.h>

enum { BUCKETS = 1 << 14, SWEEP = 512, TICKS_MS = 2 * TIMER_TICK_MS };

struct entry {
    struct entry *next;  /* in its bucket */
    struct entry *dirty; /* the next that has something to tell */
    struct redis_sync *sync;
    struct limits_claim claim; /* whose counter it is */
    uint32_t window;           /* its number; 0: a bucket */
    uint32_t delta;            /* granted and not told yet */
    bool listed, asked;        /* in the list; an answer is awaited */
    int64_t heard;             /* ms, monotonic: when Redis was heard of it last */
    int64_t till;              /* ms since 1970: nobody asks for it after that */
    int64_t at;                /* ms since 1970: a moment in its window; with a bucket, the last */
    size_t key_n;
    char key[];
};

struct redis_sync {
    struct redis_sync *next; /* of the worker's */
    struct worker *w;
    struct redis *redis;
    double rate; /* s */
    struct timer timer;
    bool ticking;
    struct entry *dirty;
    struct entry **buckets; /* BUCKETS of them */
    size_t n, swept, asked; /* asked: questions under way */
};

static int64_t interval(const struct redis_sync *y)
{
    return (int64_t)(y->rate * 1000);
}

/* --- entries -------------------------------------------------------------------------------- */

static uint32_t window_of(const struct limits_claim *claim, int64_t now)
{
    return claim->shape == LIMITS_BUCKET ? 0 : calendar_window(claim->unit, now).number;
}

static struct entry **bucket_of(const struct redis_sync *y, const struct limits_claim *claim)
{
    uint64_t h = (claim->key ^ (uint64_t)claim->unit) * 0x9e3779b97f4a7c15u;

    return &y->buckets[h >> 50];
}

static struct entry *find(const struct redis_sync *y, const struct limits_claim *claim, int64_t now)
{
    uint32_t window = window_of(claim, now);
    struct entry *e = *bucket_of(y, claim);

    while (e && !(e->claim.key == claim->key && e->claim.unit == claim->unit &&
                  e->claim.shape == claim->shape && e->window == window))
        e = e->next;
    return e;
}

/* Those of a bucket that are over and have nothing to tell. */
static void sweep_bucket(struct redis_sync *y, size_t bucket)
{
    int64_t now = y->w->loop.now.real_ms;

    for (struct entry **link = &y->buckets[bucket], *e; (e = *link);) {
        if (e->till > now || e->listed || e->asked) {
            link = &e->next;
            continue;
        }
        *link = e->next;
        y->n--;
        free(e);
    }
}

static void sweep(struct redis_sync *y)
{
    for (int i = 0; i < SWEEP && y->n > 0; i++)
        sweep_bucket(y, y->swept++ % BUCKETS);
}

static struct entry *add(struct redis_sync *y, const struct limits_claim *claim, struct slice key,
                         int64_t now)
{
    struct entry **bucket = bucket_of(y, claim);

    if (y->n >= REDIS_SYNC_MAX)
        sweep(y);
    struct entry *e = y->n < REDIS_SYNC_MAX ? calloc(1, sizeof *e + key.n) : NULL;

    if (!e)
        return NULL;
    e->sync = y;
    e->claim = *claim;
    e->window = window_of(claim, now);
    memcpy(e->key, key.p, key.n);
    e->key_n = key.n;
    e->next = *bucket;
    *bucket = e;
    y->n++;
    return e;
}

/* --- telling -------------------------------------------------------------------------------- */

static void tick(struct timer *timer);

static void keep_ticking(struct redis_sync *y)
{
    if (!y->ticking && y->n > 0)
        timer_set(&y->w->loop.timers, &y->timer, y->w->loop.now.ms + interval(y), tick);
    y->ticking = y->n > 0;
}

static void list(struct entry *e)
{
    if (e->listed)
        return;
    e->listed = true;
    e->dirty = e->sync->dirty;
    e->sync->dirty = e;
}

/* Redis knows of `is`; this worker granted some since. */
static void settle(const struct entry *e, uint64_t is, uint32_t added)
{
    bool bucket = e->claim.shape == LIMITS_BUCKET;
    uint64_t since = bucket ? e->delta * limits_rule_each(&e->claim, e->at) : e->delta;

    limits_settle(e->sync->w->limits, &e->claim, e->at, added, is + since);
}

static void told(void *owner, const struct redis_reply *reply)
{
    struct entry *e = owner;
    struct redis_sync *y = e->sync;
    bool bucket = e->claim.shape == LIMITS_BUCKET;

    e->asked = false;
    y->asked--;
    if (!reply || reply->kind != REDIS_INTEGER || reply->integer < 0 ||
        (!bucket && reply->integer > UINT32_MAX))
        return;
    e->heard = y->w->loop.now.ms;
    settle(e, (uint64_t)reply->integer, 0);
}

static bool tell(struct entry *e)
{
    struct redis_sync *y = e->sync;
    struct redis_words words;
    struct slice key = slice_of(e->key, e->key_n);

    if (e->claim.shape == LIMITS_BUCKET)
        e->at = y->w->loop.now.real_ms;
    redis_words_add(&words, &e->claim, e->at, e->delta);
    struct redis_command command = { REDIS_ADD, &key, words.arg, 1, words.args_n };
    if (!redis_ask(y->redis, &command, told, e))
        return false;
    e->asked = true;
    e->delta = 0;
    y->asked++;
    return true;
}

/* All that is to be told; what cannot be stays for the next round, unless its window has ended. */
static void tell_all(struct redis_sync *y)
{
    struct entry *e = y->dirty, *next;

    y->dirty = NULL;
    for (; e; e = next) {
        next = e->dirty;
        e->listed = false;
        if (e->asked || (!tell(e) && e->till > y->w->loop.now.real_ms))
            list(e);
    }
}

static void tick(struct timer *timer)
{
    struct redis_sync *y =
        (struct redis_sync *)((char *)timer - offsetof(struct redis_sync, timer));

    y->ticking = false;
    tell_all(y);
    sweep(y);
    keep_ticking(y);
}

/* --- for the plugins ------------------------------------------------------------------------ */

struct redis_sync *redis_sync_of(struct worker *w, struct redis *r, double rate)
{
    for (struct redis_sync *y = w->redis_syncs; y; y = y->next)
        if (y->redis == r && y->rate == rate)
            return y;
    struct redis_sync *y = calloc(1, sizeof *y);
    struct entry **buckets = calloc(BUCKETS, sizeof(struct entry *));
    if (!y || !buckets) {
        free(y);
        free(buckets);
        return NULL;
    }
    *y = (struct redis_sync){ .next = w->redis_syncs, .w = w, .redis = r, .rate = rate };
    y->buckets = buckets;
    w->redis_syncs = y;
    return y;
}

bool redis_sync_take(struct redis_sync *y, struct limits_claim *claims, int n, int64_t now,
                     bool *granted)
{
    struct entry *entries[LIMITS_CLAIMS_MAX];
    int64_t stale = y->w->loop.now.ms - 2 * interval(y) - TICKS_MS;

    for (int i = 0; i < n; i++) {
        entries[i] = find(y, &claims[i], now);
        if (!entries[i] || entries[i]->heard < stale)
            return false;
    }
    *granted = limits_take(y->w->limits, claims, n, now);
    for (int i = 0; *granted && i < n; i++) {
        entries[i]->delta += claims[i].cost;
        list(entries[i]);
    }
    return true;
}

void redis_sync_learn(struct redis_sync *y, const struct limits_claim *claim,
                      const struct redis_known *known)
{
    struct calendar_window w = calendar_window(claim->unit, known->at);
    struct entry *e = find(y, claim, known->at);

    if (!e)
        e = add(y, claim, known->key, known->at);
    if (!e)
        return;
    e->heard = y->w->loop.now.ms;
    e->at = known->at;
    e->till = w.till + LIMITS_SKEW_MS;
    settle(e, known->is, known->added);
    if (claim->shape == LIMITS_SLIDING)
        limits_settle(y->w->limits, claim, w.from - 1, 0, known->before);
    keep_ticking(y);
}

bool redis_sync_finish(struct worker *w)
{
    bool done = true;

    for (struct redis_sync *y = w->redis_syncs; y; y = y->next) {
        tell_all(y);
        done &= y->asked == 0;
    }
    return done;
}
