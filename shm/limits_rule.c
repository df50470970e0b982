/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows are counted in requests; of the window before, a sliding one takes the share that the
 * last so many seconds reach. A bucket is the generic cell rate algorithm: one time, at which all
 * tokens are back.
 */
#include "shm/limits_rule.h"

static uint32_t seconds(int64_t ms)
{
    int64_t s = ms > 0 ? (ms + 999) / 1000 : 0;
    return s < UINT32_MAX ? (uint32_t)s : UINT32_MAX;
}

static uint64_t length_of(const struct calendar_window *w)
{
    return (uint64_t)(w->till - w->from);
}

/* n of `whole` parts of a length. The product may be wider than a word: requests of a year by its
 * milliseconds. */
static uint64_t share(uint64_t n, uint64_t length, uint64_t whole, bool up)
{
    return (uint64_t)(((unsigned __int128)n * length + (up ? whole - 1 : 0)) / whole);
}

/* What the window before still weighs: the share of it that the last so many seconds reach. */
static uint32_t weigh(uint32_t before, const struct calendar_window *w, int64_t now)
{
    return (uint32_t)share(before, (uint64_t)(w->till - now), length_of(w), true);
}

/* When a claim that was refused fits if nobody else is granted one, ms: as soon as so little of the
 * window before is reached, or of this one from the next, that it leaves room. */
static int64_t fits_at(const struct limits_claim *claim, const struct calendar_window *w,
                       uint32_t used, uint32_t before)
{
    if (claim->shape != LIMITS_SLIDING || claim->cost > claim->limit)
        return w->till;
    uint32_t room = claim->limit - claim->cost;
    if (used <= room)
        return w->till - (int64_t)share(room - used, length_of(w), before ? before : 1, false);
    struct calendar_window next = calendar_window(claim->unit, w->till);
    return next.till - (int64_t)share(room, length_of(&next), used, false);
}

bool limits_rule_window(struct limits_claim *claim, const struct calendar_window *w, uint32_t used,
                        uint32_t before, int64_t now, bool dry)
{
    uint64_t sum = (uint64_t)used + weigh(before, w, now);
    bool fits = sum + claim->cost <= claim->limit;
    uint64_t after = fits && !dry ? sum + claim->cost : sum;
    claim->left = after < claim->limit ? claim->limit - (uint32_t)after : 0;
    claim->reset = seconds(w->till - now);
    uint32_t retry = fits ? 0 : seconds(fits_at(claim, w, used, before) - now);
    claim->retry = fits || retry ? retry : 1;
    return fits;
}

/* us for a token, and for all that the bucket holds: so few that no sum of times overflows. */
uint64_t limits_rule_each(const struct limits_claim *claim, int64_t now)
{
    struct calendar_window w = calendar_window(claim->unit, now);
    uint64_t each = length_of(&w) * 1000 / claim->limit;
    return each ? each : 1;
}

uint64_t limits_rule_depth(const struct limits_claim *claim, uint64_t each)
{
    uint64_t burst = claim->burst ? claim->burst : claim->limit, most = INT64_MAX / 4 / each;
    return each * (burst < most ? burst : most);
}

/* Owes more than a bucket can where the clock was set back: then it is as if all were taken, lest
 * nothing be granted until the clock is where it was. */
static uint64_t bucket_owes(uint64_t word, uint64_t us, uint64_t depth)
{
    if (word > us + depth + LIMITS_SKEW_MS * 1000)
        return us + depth;
    return word > us ? word : us;
}

bool limits_rule_bucket(struct limits_claim *claim, uint64_t word, int64_t now, bool dry,
                        uint64_t *next, uint64_t *owed)
{
    uint64_t us = (uint64_t)now * 1000, each = limits_rule_each(claim, now);
    uint64_t depth = limits_rule_depth(claim, each);
    *owed = bucket_owes(word, us, depth);
    *next = *owed + each * claim->cost;
    bool fits = *next - us <= depth;
    uint64_t debt = (fits && !dry ? *next : *owed) - us;
    claim->left = debt < depth ? (uint32_t)((depth - debt) / each) : 0;
    claim->reset = seconds((int64_t)(debt + 999) / 1000);
    claim->retry = fits ? 0 : seconds((int64_t)(*next - us - depth + 999) / 1000);
    return fits;
}
