/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A counter's key names its window, so that it ends by itself:
 * "ratelimit:{<scope>:<who>}:<unit>:<window>". The part in braces is the same for all windows of
 * one request: in a Cluster they lie on one node.
 */
#include "worker/redis_limits.h"

#include "shm/assert.h"
#include "shm/limits_rule.h"
#include "worker/base/log.h"
#include "worker/redis.h"
#include "worker/stream_life.h"
#include <inttypes.h>
#include <openssl/evp.h>

enum { KEY = 320, WHO_MAX = 128, DIGEST = 32, PER_CLAIM = 6, NUMBER = 24 };

static const char *const units[CALENDAR_UNITS] = { "second", "minute", "hour",
                                                   "day",    "month",  "year" };

struct asked {
    struct redis_claims as; /* first */
    struct stream *s;
    struct redis_question *q; /* NULL: it was answered */
    int64_t now;
};

/* What a question is made of. */
struct words {
    char keys[2 * LIMITS_CLAIMS_MAX][KEY];
    char numbers[1 + PER_CLAIM * LIMITS_CLAIMS_MAX][NUMBER];
    struct slice key[2 * LIMITS_CLAIMS_MAX], arg[1 + PER_CLAIM * LIMITS_CLAIMS_MAX];
    size_t keys_n, args_n;
    char tag[KEY];
};

/* --- the question --------------------------------------------------------------------------- */

static char *put_hex(char *p, const unsigned char *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        *p++ = digits[bytes[i] >> 4];
        *p++ = digits[bytes[i] & 15];
    }
    return p;
}

/* Printable and short as it is, else its hash; the two look different. */
static bool put_who(char *p, struct slice who)
{
    unsigned char digest[DIGEST];
    bool plain = who.n <= WHO_MAX;

    for (size_t i = 0; plain && i < who.n; i++)
        plain = who.p[i] > ' ' && who.p[i] < 0x7f && who.p[i] != '{' && who.p[i] != '}';
    if (plain) {
        *p++ = '=';
        memcpy(p, who.p, who.n);
        p[who.n] = '\0';
        return true;
    }
    if (!EVP_Digest(who.p, who.n, digest, NULL, EVP_sha256(), NULL))
        return false;
    *p++ = '#';
    *put_hex(p, digest, sizeof digest) = '\0';
    return true;
}

static void put_key(struct words *w, const struct limits_claim *claim, int64_t number)
{
    char *key = w->keys[w->keys_n];
    int n = claim->shape == LIMITS_BUCKET
                ? snprintf(key, KEY, "%s:%s:bucket", w->tag, units[claim->unit])
                : snprintf(key, KEY, "%s:%s:%" PRId64, w->tag, units[claim->unit], number);

    must(n > 0 && n < KEY);
    w->key[w->keys_n++] = slice_of(key, (size_t)n);
}

static void put_number(struct words *w, uint64_t value)
{
    char *text = w->numbers[w->args_n];
    int n = snprintf(text, NUMBER, "%" PRIu64, value);

    w->arg[w->args_n++] = slice_of(text, (size_t)n);
}

static void put_claim(struct words *w, const struct limits_claim *claim, int64_t now)
{
    static const struct slice shapes[] = {
        [LIMITS_FIXED] = { "w", 1 }, [LIMITS_SLIDING] = { "s", 1 }, [LIMITS_BUCKET] = { "b", 1 }
    };
    struct calendar_window window = calendar_window(claim->unit, now);
    uint64_t each = limits_rule_each(claim, now), length = (uint64_t)(window.till - window.from);
    uint64_t left = (uint64_t)(window.till - now), depth = limits_rule_depth(claim, each);
    bool bucket = claim->shape == LIMITS_BUCKET;

    put_key(w, claim, window.number);
    /* not one that is never read: a Cluster that moves a slot wants all keys to be there */
    put_key(w, claim, (int64_t)window.number - (claim->shape == LIMITS_SLIDING));
    w->arg[w->args_n++] = shapes[claim->shape];
    put_number(w, claim->limit);
    put_number(w, claim->cost);
    put_number(w, bucket ? each : left);
    put_number(w, bucket ? depth : length);
    if (bucket)
        put_number(w, depth / 1000 + LIMITS_SKEW_MS);
    else
        put_number(w, left + LIMITS_SKEW_MS + (claim->shape == LIMITS_SLIDING ? length : 0));
}

/* --- the answer ----------------------------------------------------------------------------- */

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

static enum redis_verdict verdict_of(struct asked *a, const struct redis_reply *reply)
{
    int64_t v[1 + 2 * LIMITS_CLAIMS_MAX];
    size_t n = (size_t)a->as.n;

    bool sound = reply && redis_answer_integers(reply, v, 1 + 2 * n);
    for (size_t i = 0; sound && i < n; i++)
        sound = judge(&a->as.claims[i], v + 1 + 2 * i, v[0] == 1, a->now);
    if (sound)
        return v[0] == 1 ? REDIS_GRANTED : REDIS_REFUSED;
    if (reply)
        log_rarely(LOG_LEVEL_ERROR, "what a Redis says about counters cannot be");
    return REDIS_SILENT;
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

/* --- asking --------------------------------------------------------------------------------- */

static struct asked *make(struct stream *s, const struct limits_claim *claims, int n)
{
    struct asked *a = arena_take(stream_arena(s), sizeof *a);
    struct limits_claim *copies = arena_take(stream_arena(s), (size_t)n * sizeof *claims);

    must(n > 0 && n <= LIMITS_CLAIMS_MAX);
    if (!a || !copies)
        return NULL;
    memcpy(copies, claims, (size_t)n * sizeof *claims);
    *a = (struct asked){ .as = { .wait = { cancel }, .claims = copies, .n = n },
                         .s = s,
                         .now = stream_now_ms(s) };
    return a;
}

struct redis_claims *redis_limits_ask(struct stream *s, const struct conf_redis *redis,
                                      struct slice scope, struct slice who,
                                      const struct limits_claim *claims, int n)
{
    struct redis *r = redis_of(s->w, redis);
    struct asked *a = r ? make(s, claims, n) : NULL;
    char name[1 + WHO_MAX + 1];
    struct words w;

    if (!a || !put_who(name, who))
        return NULL;
    snprintf(w.tag, sizeof w.tag, "ratelimit:{%.64s:%s}", scope.p, name);
    w.keys_n = w.args_n = 0;
    put_number(&w, (uint64_t)a->now * 1000);
    for (int i = 0; i < n; i++)
        put_claim(&w, &claims[i], a->now);
    struct redis_command command = { REDIS_TAKE, w.key, w.arg, w.keys_n, w.args_n };
    a->q = redis_ask(r, &command, done, a);
    return a->q ? &a->as : NULL;
}
