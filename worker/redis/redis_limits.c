/* SPDX-License-Identifier: Apache-2.0 */
/* Glue between a stream that waits, the claims it makes, and the Redis that knows. */
#include "worker/redis/redis_limits.h"

#include "shm/assert.h"
#include "shm/limits_rule.h"
#include "worker/base/log.h"
#include "worker/redis/redis_sync.h"
#include "worker/redis/redis_words.h"
#include "worker/stream_life.h"

struct asked {
    struct redis_claims as; /* first */
    struct stream *s;
    struct redis_question *q; /* NULL: it was answered */
    struct redis_sync *sync;  /* NULL: each request is asked for */
    struct slice keys[LIMITS_CLAIMS_MAX];
    int64_t now;
};

/* False: what Redis said cannot be. */
static bool judge(struct limits_claim *claim, const int64_t seen[2], bool granted, int64_t now)
{
    uint64_t next, owed;
    struct calendar_window w = calendar_window(claim->unit, now);

    if (claim->shape == LIMITS_BUCKET) {
        if (seen[0] < 0 || seen[0] > INT64_MAX / 2)
            return false;
        limits_rule_bucket(claim, (uint64_t)seen[0], now, !granted, &next, &owed);
    } else {
        if (seen[0] < 0 || seen[0] > UINT32_MAX || seen[1] < 0 || seen[1] > UINT32_MAX)
            return false;
        limits_rule_window(claim, &w, (uint32_t)seen[0], (uint32_t)seen[1], now, !granted);
    }
    if (granted)
        claim->retry = 0; /* it fitted there, whatever rounding says here */
    return true;
}

static void learn(struct asked *a, int i, const int64_t seen[2], bool granted)
{
    const struct limits_claim *claim = &a->as.claims[i];
    uint64_t each = claim->shape == LIMITS_BUCKET ? limits_rule_each(claim, a->now) : 1;
    uint32_t added = granted ? claim->cost : 0;
    struct redis_known known = { .key = a->keys[i],
                                 .at = a->now,
                                 .is = (uint64_t)seen[0] + each * added,
                                 .before = (uint32_t)seen[1],
                                 .added = added };
    redis_sync_learn(a->sync, claim, &known);
}

static enum redis_verdict verdict_of(struct asked *a, const struct redis_reply *reply)
{
    int64_t v[1 + 2 * LIMITS_CLAIMS_MAX];
    int n = a->as.n;
    bool sound = reply && redis_answer_integers(reply, v, (size_t)(1 + 2 * n));

    for (int i = 0; sound && i < n; i++)
        sound = judge(&a->as.claims[i], v + 1 + 2 * i, v[0] == 1, a->now);
    if (!sound && reply)
        log_rarely(LOG_LEVEL_ERROR, "what a Redis says about counters cannot be");
    if (!sound)
        return REDIS_SILENT;
    for (int i = 0; a->sync && i < n; i++)
        learn(a, i, v + 1 + 2 * i, v[0] == 1);
    return v[0] == 1 ? REDIS_GRANTED : REDIS_REFUSED;
}

static void done(void *owner, const struct redis_reply *reply)
{
    struct asked *a = owner;

    a->q = NULL;
    a->as.verdict = verdict_of(a, reply);
    stream_wake(a->s);
}

static void cancel(struct stream_wait *wait)
{
    struct asked *a = (struct asked *)wait;

    if (a->q)
        redis_forget(a->q);
}

static struct asked *make(struct stream *s, const struct limits_claim *claims, int n)
{
    struct asked *a = arena_take(stream_arena(s), sizeof *a);
    size_t size = (size_t)n * sizeof *claims;
    struct limits_claim *copies = arena_take(stream_arena(s), size);

    must(n > 0);
    if (!a || !copies)
        return NULL;
    memcpy(copies, claims, size);
    *a = (struct asked){ .as = { .wait = { cancel }, .claims = copies, .n = n },
                         .s = s,
                         .now = stream_now_ms(s) };
    return a;
}

/* The counters' names, which the question does not outlive. */
static bool keep_keys(struct asked *a, const struct redis_words *words)
{
    for (int i = 0; i < a->as.n; i++) {
        a->keys[i] = arena_copy(stream_arena(a->s), words->key[2 * i]);
        if (!a->keys[i].p)
            return false;
    }
    return true;
}

static struct redis_sync *sync_of(struct worker *w, const struct redis_limits *l)
{
    struct redis *r = l->sync_rate > 0 ? redis_of(w, l->redis) : NULL;

    return r ? redis_sync_of(w, r, l->sync_rate) : NULL;
}

struct redis_claims *redis_limits_ask(struct stream *s, const struct redis_limits *l)
{
    struct redis *r = redis_of(s->w, l->redis);
    struct asked *a = r ? make(s, l->claims, l->n) : NULL;
    struct redis_words w;

    must(l->n <= LIMITS_CLAIMS_MAX);
    if (!a || !redis_words_take(&w, l->scope, l->who, l->claims, l->n, a->now))
        return NULL;
    a->sync = sync_of(s->w, l);
    if (a->sync && !keep_keys(a, &w))
        return NULL;
    struct redis_command command = { REDIS_TAKE, w.key, w.arg, w.keys_n, w.args_n };
    a->q = redis_ask(r, &command, done, a);
    return a->q ? &a->as : NULL;
}

bool redis_limits_take(struct stream *s, const struct redis_limits *l, bool *granted)
{
    struct redis_sync *y = sync_of(s->w, l);

    return y && redis_sync_take(y, l->claims, l->n, stream_now_ms(s), granted);
}

/* --- usage ---------------------------------------------------------------------------------- */

/* False: what Redis said cannot be. More than a limit may well have been used. */
static bool read_counter(struct limits_claim *claim, int64_t seen, int64_t now)
{
    struct calendar_window w = calendar_window(claim->unit, now);

    if (seen < 0)
        return false;
    limits_rule_window(claim, &w, seen < UINT32_MAX ? (uint32_t)seen : UINT32_MAX, 0, now, true);
    return true;
}

static void has_read(void *owner, const struct redis_reply *reply)
{
    struct asked *a = owner;
    size_t n = (size_t)a->as.n;
    int64_t *seen = arena_take(stream_arena(a->s), n * sizeof *seen);
    bool sound = reply && seen && redis_answer_integers(reply, seen, n);

    for (size_t i = 0; sound && i < n; i++)
        sound = read_counter(&a->as.claims[i], seen[i], a->now);
    if (!sound && reply)
        log_rarely(LOG_LEVEL_ERROR, "what a Redis says about usage cannot be");
    a->q = NULL;
    a->as.verdict = sound ? REDIS_GRANTED : REDIS_SILENT;
    stream_wake(a->s);
}

struct redis_claims *redis_limits_read(struct stream *s, const struct conf_redis *redis,
                                       const struct redis_usage *usage)
{
    struct redis *r = redis_of(s->w, redis);
    struct asked *a = r ? make(s, usage->claims, (int)usage->n) : NULL;
    struct redis_usage_words w;

    if (!a || !redis_words_use(&w, stream_arena(s), usage, false, a->now))
        return NULL;
    struct redis_command command = { REDIS_USE, w.key, w.arg, w.keys_n, w.args_n };
    a->q = redis_ask(r, &command, has_read, a);
    return a->q ? &a->as : NULL;
}

bool redis_limits_add(struct stream *s, const struct conf_redis *redis,
                      const struct redis_usage *usage)
{
    struct redis *r = redis_of(s->w, redis);
    struct redis_usage_words w;

    if (!r || !redis_words_use(&w, stream_arena(s), usage, true, stream_now_ms(s)))
        return false;
    struct redis_command command = { REDIS_USE, w.key, w.arg, w.keys_n, w.args_n };
    return redis_tell(r, &command);
}
