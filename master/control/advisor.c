/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events are taken in portions, a ring full at most at once. How much room there is, and what all
 * requests got, sampled or not, is looked up more rarely, since that walks the rows of pages.
 */
#include "master/control/advisor.h"
#include "shm/cache_report.h"

enum { PORTION = 256, PORTIONS = 128, LOOK_SECONDS = 5, FADE_SECONDS = 7200, FULL_SHARE = 16 };

static const double USUAL = 0.95; /* share of a full dictionary's pages that is in use */

void advisor_open(struct advisor *a, struct cache *cache)
{
    *a = (struct advisor){ .cache = cache };
    if (cache != NULL)
        a->at = samples_now(cache);
}

void advisor_close(struct advisor *a)
{
    advice_free(&a->advice);
}

/* What it would hold when full, counted as eviction counts: by how well what it holds now is packed
 * into chunks, and the chunks into pages, as far as that is known yet. */
static uint64_t room_of(const struct cache *cache)
{
    struct cache_report report;

    cache_report(cache, &report);
    if (report.slab_used == 0 || report.slab_pages == 0) /* read while others write */
        return 0;
    uint64_t pages = report.slab_pages + report.free_pages;
    bool full = report.free_pages < pages / FULL_SHARE;
    double in_use = full ? (double)report.slab_used / (double)report.slab_bytes : USUAL;
    double bytes = (double)(report.small.bytes + report.main.bytes + report.dead.bytes);
    double per_page = (double)report.slab_bytes / (double)report.slab_pages;
    return (uint64_t)(bytes / (double)report.slab_used * in_use * (double)pages * per_page);
}

static void look(struct advisor *a, int64_t now)
{
    struct cache_stats stats;

    cache_stats(a->cache, &stats);
    if (a->looked != 0) {
        a->seen_hits += (double)(stats.hits - a->hits);
        a->seen_missed += (double)(stats.missed - a->missed);
        a->seconds += (double)(now - a->looked);
    }
    a->hits = stats.hits;
    a->missed = stats.missed;
    a->looked = now;
    if (a->seconds > FADE_SECONDS) {
        a->seen_hits /= 2;
        a->seen_missed /= 2;
        a->seconds /= 2;
    }
    uint64_t room = room_of(a->cache);
    if (room > 0)
        advice_room(a->advice, room);
    advice_sample(a->advice, samples_below(a->cache));
}

/* False: no event yet, or no memory. */
static bool have_model(struct advisor *a)
{
    if (a->advice == NULL && a->cache != NULL && samples_now(a->cache) != a->at)
        a->advice = advice_make();
    return a->advice != NULL;
}

void advisor_feed(struct advisor *a, int64_t now)
{
    struct samples_event events[PORTION];
    uint64_t lost = 0;
    uint32_t n;

    if (!have_model(a))
        return;
    if (a->looked == 0 || now - a->looked >= LOOK_SECONDS || now < a->looked)
        look(a, now);
    for (int i = 0; i < PORTIONS; i++) {
        n = samples_read(a->cache, &a->at, events, PORTION, &lost);
        samples_lower(a->cache, advice_take(a->advice, events, n, now));
        if (n < PORTION)
            break;
    }
    if (lost > 0)
        advice_lost(a->advice, lost);
}

bool advisor_ask(struct advisor *a, int64_t now, struct advice_report *out)
{
    if (!have_model(a))
        return false;
    look(a, now);
    advisor_feed(a, now);
    advice_report(a->advice, out);
    return true;
}
