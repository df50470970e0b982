/* SPDX-License-Identifier: Apache-2.0 */
/* See redis_words.h. */
#include "worker/redis/redis_words.h"

#include "shm/assert.h"
#include "shm/limits_rule.h"
#include "worker/http/build.h"
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

enum { WHO_MAX = 128, DIGEST = 32 };

static const char *const units[CALENDAR_UNITS] = { "second", "minute", "hour",
                                                   "day",    "month",  "year" };
static const struct slice shapes[] = {
    [LIMITS_FIXED] = { "w", 1 }, [LIMITS_SLIDING] = { "s", 1 }, [LIMITS_BUCKET] = { "b", 1 }
};

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
    *build_octets(p, digest, sizeof digest) = '\0';
    return true;
}

static void put_key(struct redis_words *w, const struct limits_claim *claim, int64_t number)
{
    char *key = w->keys[w->keys_n];
    int n =
        claim->shape == LIMITS_BUCKET
            ? snprintf(key, REDIS_WORDS_KEY, "%s:%s:bucket", w->tag, units[claim->unit])
            : snprintf(key, REDIS_WORDS_KEY, "%s:%s:%" PRId64, w->tag, units[claim->unit], number);

    must(n > 0 && n < REDIS_WORDS_KEY);
    w->key[w->keys_n++] = slice_of(key, (size_t)n);
}

static void put_number(struct redis_words *w, uint64_t value)
{
    char *text = w->numbers[w->args_n];
    int n = snprintf(text, REDIS_WORDS_NUMBER, "%" PRIu64, value);

    w->arg[w->args_n++] = slice_of(text, (size_t)n);
}

/* ms until nobody asks for the counter any more. */
static uint64_t lifetime(const struct limits_claim *claim, const struct calendar_window *w,
                         int64_t now)
{
    uint64_t left = (uint64_t)(w->till - now) + LIMITS_SKEW_MS;

    if (claim->shape == LIMITS_BUCKET)
        return limits_rule_depth(claim, limits_rule_each(claim, now)) / 1000 + LIMITS_SKEW_MS;
    return claim->shape == LIMITS_SLIDING ? left + (uint64_t)(w->till - w->from) : left;
}

static void put_claim(struct redis_words *w, const struct limits_claim *claim, int64_t now)
{
    struct calendar_window window = calendar_window(claim->unit, now);
    uint64_t each = limits_rule_each(claim, now);
    bool bucket = claim->shape == LIMITS_BUCKET;

    put_key(w, claim, window.number);
    /* not one that is never read: a Cluster that moves a slot wants all keys to be there */
    put_key(w, claim, (int64_t)window.number - (claim->shape == LIMITS_SLIDING));
    w->arg[w->args_n++] = shapes[claim->shape];
    put_number(w, claim->limit);
    put_number(w, claim->cost);
    put_number(w, bucket ? each : (uint64_t)(window.till - now));
    put_number(w, bucket ? limits_rule_depth(claim, each) : (uint64_t)(window.till - window.from));
    put_number(w, lifetime(claim, &window, now));
}

/* What all keys of a request begin with. */
static bool put_tag(char tag[REDIS_WORDS_KEY], struct slice scope, struct slice who)
{
    char name[1 + WHO_MAX + 1];

    if (!put_who(name, who))
        return false;
    snprintf(tag, REDIS_WORDS_KEY, "ratelimit:{%.*s:%s}", (int)scope.n, scope.p, name);
    return true;
}

bool redis_words_take(struct redis_words *w, struct slice scope, struct slice who,
                      const struct limits_claim *claims, int n, int64_t now)
{
    must(n > 0 && n <= LIMITS_CLAIMS_MAX);
    if (!put_tag(w->tag, scope, who))
        return false;
    w->keys_n = w->args_n = 0;
    put_number(w, (uint64_t)now * 1000);
    for (int i = 0; i < n; i++)
        put_claim(w, &claims[i], now);
    return true;
}

bool redis_words_use(struct redis_usage_words *w, struct arena *arena, const struct redis_usage *u,
                     bool added, int64_t now)
{
    char tag[REDIS_WORDS_KEY];

    must(u->n > 0);
    *w = (struct redis_usage_words){ .key = arena_take(arena, u->n * sizeof *w->key),
                                     .arg = arena_take(arena, 2 * u->n * sizeof *w->arg) };
    if (!w->key || !w->arg || !put_tag(tag, u->scope, u->who))
        return false;
    for (size_t i = 0; i < u->n; i++) {
        const struct limits_claim *claim = &u->claims[i];
        struct calendar_window window = calendar_window(claim->unit, now);
        struct slice *key = &w->key[w->keys_n++], *arg = &w->arg[w->args_n];
        *key = arena_print(arena, "%s:%.*s:%s:%" PRIu32, tag, (int)u->names[i].n, u->names[i].p,
                           units[claim->unit], window.number);
        if (added) {
            arg[0] = arena_print(arena, "%" PRIu32, claim->cost);
            arg[1] = arena_print(arena, "%" PRIu64, lifetime(claim, &window, now));
            w->args_n += 2;
        }
        if (!key->p || (added && !(arg[0].p && arg[1].p)))
            return false;
    }
    return true;
}

void redis_words_add(struct redis_words *w, const struct limits_claim *claim, int64_t now,
                     uint32_t delta)
{
    struct calendar_window window = calendar_window(claim->unit, now);

    w->keys_n = w->args_n = 0;
    put_number(w, (uint64_t)now * 1000);
    w->arg[w->args_n++] = shapes[claim->shape];
    put_number(w, delta);
    put_number(w, limits_rule_each(claim, now));
    put_number(w, lifetime(claim, &window, now));
}
