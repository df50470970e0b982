/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three clocks on one measure, the time that the client was waited for: since its last byte, in
 * all, and as a balance for the rate. The balance begins with the grace, waiting spends it, each
 * byte brings back what it takes at the least rate; so a client is late when it has been slower
 * than that for longer than the grace, however fast it was before.
 */
#include "worker/http/upload.h"

enum { US = 1000, US_PER_S = 1000000 };

void upload_begin(struct upload *u, const struct conf_client_body *limits)
{
    *u = (struct upload){ .limits = limits, .spare = (int64_t)limits->min_rate_grace * US };
}

static int64_t waits(const struct upload *u, int64_t now)
{
    return u->since && now > u->since ? now - u->since : 0;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* us until the first of them; the name of that one. */
static int64_t left(const struct upload *u, int64_t now, const char **name)
{
    const struct conf_client_body *l = u->limits;
    int64_t waited = waits(u, now), in_all = INT64_MAX, rate = INT64_MAX;
    int64_t idle = (int64_t)l->timeout * US - waited;

    if (l->total_timeout)
        in_all = (int64_t)l->total_timeout * US - u->waited - waited;
    if (l->min_rate)
        rate = u->spare - waited;
    int64_t first = least(idle, least(in_all, rate));
    *name = first == idle     ? "client_body_timeout"
            : first == in_all ? "client_body_total_timeout"
                              : "client_body_min_rate";
    return first;
}

int upload_wait(struct upload *u, int64_t now)
{
    const char *name;

    if (!u->since)
        u->since = now;
    int64_t ms = (left(u, now, &name) + US - 1) / US;
    return ms < 1 ? 1 : (int)least(ms, INT32_MAX);
}

void upload_pause(struct upload *u, int64_t now)
{
    int64_t waited = waits(u, now);

    u->waited += waited;
    u->spare -= waited;
    u->since = 0;
}

void upload_got(struct upload *u, uint64_t bytes)
{
    int64_t grace = (int64_t)u->limits->min_rate_grace * US;

    if (!u->limits->min_rate)
        return;
    uint64_t worth = bytes < UINT32_MAX ? bytes * US_PER_S / u->limits->min_rate : UINT32_MAX;
    u->spare = worth < (uint64_t)(grace - u->spare) ? u->spare + (int64_t)worth : grace;
}

const char *upload_late(const struct upload *u, int64_t now)
{
    const char *name;

    return u->since && left(u, now, &name) <= 0 ? name : NULL;
}
