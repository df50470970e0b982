/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream that waits is on its worker's list while it sleeps. When the worker's bell rings, each
 * of them looks at its own ticket: a load or two, and most of them have news. The ticket's own
 * wake-up is used up by the ring, so who has none asks for another.
 *
 * Nobody waits longer than lock_timeout for a head, nor more than a few times in a row for an
 * object that it then finds of no use: what has to be validated for each request would otherwise
 * make requests queue up behind each other.
 */
#include "worker/caching/collapsing.h"

#include "shm/assert.h"
#include "shm/cache_ticket.h"
#include "worker/caching/serving.h"
#include "worker/caching/widening.h"
#include "worker/conn.h"
#include "worker/http/labels.h"
#include "worker/inquiry/inquiry.h"
#include "worker/upstream/placing.h"

enum { WAITS_MAX = 3, TAKES_MAX = 3, LINE = 64 };

struct collapse {
    struct collapse *prev, *next; /* while asleep */
    struct stream *s;
    struct timer timer;
    struct cache_ticket_view seen;
    struct cache_growth growth;
    uint32_t ticket; /* of the one that is waited for; 0: nobody */
    unsigned waits;
    bool asleep, expired;
};

/* --- sleep ---------------------------------------------------------------------------------- */

static void lie_down(struct collapse *c)
{
    struct worker *w = c->s->w;

    if (c->asleep)
        return;
    c->asleep = true;
    c->prev = NULL;
    c->next = w->asleep;
    if (c->next)
        c->next->prev = c;
    w->asleep = c;
}

static void get_up(struct collapse *c)
{
    struct worker *w = c->s->w;

    if (!c->asleep)
        return;
    c->asleep = false;
    if (c->next)
        c->next->prev = c->prev;
    if (c->prev)
        c->prev->next = c->next;
    else
        w->asleep = c->next;
}

bool collapsing_sleep(struct stream *s)
{
    struct collapse *c = s->collapse;

    if (!cache_ticket_sleep(s->cache, c->ticket, &c->seen))
        return false;
    lie_down(c);
    return true;
}

/* Nobody looked at what a sleeper has since it lay down: of many who wake up at once the next one's
 * comes nearer while the one before is served. */
static void bring_nearer(const struct collapse *c)
{
    const char *s = (const char *)c->s, *conn = (const char *)c->s->conn;

    __builtin_prefetch(c->next);
    for (size_t at = 0; at < offsetof(struct stream, head); at += LINE)
        __builtin_prefetch(s + at, 1);
    for (size_t at = 0; at < sizeof(struct conn); at += LINE)
        __builtin_prefetch(conn + at, 1);
}

static void wake_all(struct worker *w)
{
    struct collapse *next;

    for (struct collapse *c = w->asleep; c; c = next) {
        struct stream *s = c->s;
        next = c->next;
        if (next)
            bring_nearer(next);
        if (cache_ticket_sleep(s->cache, c->ticket, &c->seen))
            continue;
        get_up(c);
        stream_wake(s);
    }
}

static void heard(struct loop_io *io, uint32_t events)
{
    struct worker *w = (struct worker *)((char *)io - offsetof(struct worker, bell));

    (void)events;
    wake_all(w);
    placing_heard(w);
    inquiry_heard(w);
}

static void come_back(struct loop_later *later)
{
    struct worker *w = (struct worker *)((char *)later - offsetof(struct worker, bell_later));

    w->bell_put_off = false;
    wake_all(w);
}

/* Another worker by its bell; the own one after this turn. */
static void ring(void *arg, uint32_t slot)
{
    struct worker *w = arg;

    if (slot != w->heritage->slot)
        bells_ring(&w->heritage->bells, slot);
    else if (!w->bell_put_off)
        loop_defer(&w->loop, &w->bell_later, come_back);
    w->bell_put_off |= slot == w->heritage->slot;
}

bool collapsing_open(struct worker *w)
{
    w->bell =
        (struct loop_io){ .fd = bells_of(&w->heritage->bells, w->heritage->slot), .ready = heard };
    for (size_t i = 0; i < w->conf->shared_dicts_n; i++)
        if (w->dicts[i])
            cache_ticket_waker(w->dicts[i], ring, w);
    return w->bell.fd < 0 || loop_watch(&w->loop, &w->bell, EPOLLIN | EPOLLET);
}

/* --- waiting for a head --------------------------------------------------------------------- */

static void expire(struct timer *t)
{
    struct collapse *c = (struct collapse *)((char *)t - offsetof(struct collapse, timer));

    c->expired = true;
    get_up(c);
    stream_wake(c->s);
}

static struct collapse *state_of(struct stream *s)
{
    struct collapse *c = s->collapse ? s->collapse : arena_take(&s->arena, sizeof *c);

    if (c && !s->collapse) {
        *c = (struct collapse){ .s = s };
        s->collapse = c;
    }
    return c;
}

static enum collapsing_result leave(struct stream *s, enum collapsing_result result)
{
    struct collapse *c = s->collapse;

    cache_ticket_leave(s->cache, &c->ticket);
    if (result != COLLAPSING_LOOK)
        timer_clear(&c->timer);
    return result;
}

/* Something was purged since the ticket was taken that this request's key says it concerns: what
 * comes of it is not for who asks now. */
static bool outdated(struct stream *s, uint32_t *ticket)
{
    struct cache_meta meta = { 0 };
    const struct cache_hit like = { .meta = &meta,
                                    .key = s->fill_key.p,
                                    .key_n = (uint32_t)s->fill_key.n };

    meta.service = s->service ? labels_id(slice_of(s->service->id.s, s->service->id.n)) : 0;
    if (!cache_ticket_is_outdated(s->cache, *ticket, &like))
        return false;
    cache_ticket_leave(s->cache, ticket);
    return true;
}

/* What cache_ticket_take() says, of a ticket that nothing was purged since. */
static enum cache_ticket_verdict take(struct stream *s, bool may_fill, uint32_t *ticket)
{
    enum cache_ticket_verdict verdict = CACHE_TICKET_PASS;

    for (int i = 0; i < TAKES_MAX; i++) {
        if (may_fill)
            verdict = cache_ticket_take(s->cache, s->fill_id, s->w->loop.now.real_s, ticket);
        else if (cache_ticket_await(s->cache, s->fill_id, ticket))
            verdict = CACHE_TICKET_WAIT;
        else
            return CACHE_TICKET_PASS;
        if (verdict != CACHE_TICKET_WAIT || !outdated(s, ticket))
            return verdict;
    }
    return CACHE_TICKET_PASS;
}

enum collapsing_result collapsing_begin(struct stream *s, bool may_fill)
{
    int patience = s->cache_config->lock_timeout;
    uint32_t ticket;

    if (s->ticket || patience == 0 ||
        (s->collapse && (s->collapse->expired || s->collapse->waits >= WAITS_MAX)))
        return COLLAPSING_ASK;
    enum cache_ticket_verdict verdict = take(s, may_fill, &ticket);
    if (verdict == CACHE_TICKET_FILL) {
        s->ticket = ticket;
        memcpy(s->ticket_id, s->fill_id, CACHE_ID_SIZE);
        return COLLAPSING_LOOK;
    }
    if (verdict == CACHE_TICKET_PASS)
        return COLLAPSING_ASK;
    struct collapse *c = state_of(s);
    if (!c) {
        cache_ticket_leave(s->cache, &ticket);
        return COLLAPSING_ASK;
    }
    c->ticket = ticket;
    if (c->timer.due == 0)
        timer_set(&s->w->loop.timers, &c->timer, s->w->loop.now.ms + patience, expire);
    return COLLAPSING_WAIT;
}

/* A part is sent from when its first byte is there, several are cut out of the whole. And who reads
 * along what then turns out to be too large to be stored would be left with half of it: that is
 * waited for where it can happen. */
static bool may_read_along(const struct stream *s)
{
    const struct cache_ticket_view *seen = &s->collapse->seen;
    bool known = seen->expected != UINT64_MAX;

    if (head_field(&s->head, FIELD_RANGE))
        return known && widening_from(s, seen->expected) <= seen->published;
    return known || s->cache_config->max_object_size == 0;
}

enum collapsing_result collapsing_wait(struct stream *s, int *status)
{
    struct collapse *c = s->collapse;

    get_up(c);
    if (s->carrier->abandoned(s))
        return leave(s, COLLAPSING_GONE);
    for (;;) {
        cache_ticket_look(s->cache, c->ticket, &c->seen);
        switch (c->seen.state) {
        case CACHE_TICKET_ASKED:
        case CACHE_TICKET_WHOLE:
            break;
        case CACHE_TICKET_FILLING:
            if (may_read_along(s) &&
                cache_ticket_join(s->cache, c->ticket, s->fill_key.p, s->fill_key.n, &s->hit)) {
                timer_clear(&c->timer);
                return COLLAPSING_JOINED;
            }
            if (cache_ticket_is_purged(s->cache, c->ticket))
                return leave(s, COLLAPSING_LOOK);
            break;
        case CACHE_TICKET_DONE:
            c->waits++;
            return leave(s, COLLAPSING_LOOK);
        case CACHE_TICKET_LOST:
            return leave(s, COLLAPSING_LOOK);
        case CACHE_TICKET_PASSED:
            return leave(s, COLLAPSING_ASK);
        case CACHE_TICKET_FAILED:
            *status = (int)c->seen.status;
            return leave(s, COLLAPSING_FAILED);
        }
        if (c->expired)
            return leave(s, COLLAPSING_ASK);
        if (collapsing_sleep(s))
            return COLLAPSING_WAIT;
    }
}

/* --- reading along -------------------------------------------------------------------------- */

void collapsing_reply(struct stream *s)
{
    struct collapse *c = s->collapse;
    bool known = c->seen.expected != UINT64_MAX;

    s->hit.body_n = known ? c->seen.expected : 0;
    serving_begin(s);
    if (known)
        return;
    s->reply.announce = false;
    if (s->reply.length == REPLY_LENGTH)
        s->reply.length = REPLY_UNKNOWN;
}

int collapsing_next(struct stream *s, struct iovec *iov, int max, size_t most, bool *end)
{
    struct collapse *c = s->collapse;

    get_up(c);
    cache_ticket_look(s->cache, c->ticket, &c->seen);
    bool whole = c->seen.state == CACHE_TICKET_WHOLE || c->seen.state == CACHE_TICKET_DONE;
    if (!whole && c->seen.state != CACHE_TICKET_FILLING)
        return -1;
    c->growth.known = c->seen.published;
    c->growth.offset = s->cached_at;
    int n = cache_body_grown(s->cache, &s->hit, &c->growth, iov, max);
    bool part = s->reply.status == 206;
    uint64_t left = (part ? s->cached_end : UINT64_MAX) - s->cached_at;
    size_t bytes = 0;
    for (int i = 0; i < n; i++) {
        if (bytes == left || (i > 0 && bytes + iov[i].iov_len > most)) {
            n = i;
            break;
        }
        if (iov[i].iov_len > left - bytes)
            iov[i].iov_len = (size_t)(left - bytes);
        bytes += iov[i].iov_len;
    }
    s->cached_at += bytes;
    *end = part ? s->cached_at == s->cached_end : whole && s->cached_at == c->seen.published;
    return n;
}

bool collapsing_is_passed(const struct stream *s)
{
    return s->collapse->seen.state == CACHE_TICKET_PASSED;
}

/* --- the one who asks ----------------------------------------------------------------------- */

void collapsing_end(struct stream *s, int state, int64_t detail)
{
    if (s->ticket)
        cache_ticket_end(s->cache, &s->ticket, (enum cache_ticket_state)state, detail);
}

/* A ticket for what the response turned out to be: one variant of several, or what could not be
 * stored until now. Who waits for the URL looks again, and waits for the variant if that is the one
 * it needs. False: somebody else has it. */
static bool change_ticket(struct stream *s)
{
    uint32_t own = 0;
    bool taken = !cache_ticket_try(s->cache, s->fill_id, s->w->loop.now.real_s, &own) &&
                 cache_ticket_is_taken(s->cache, s->fill_id);

    collapsing_end(s, CACHE_TICKET_DONE, 0);
    s->ticket = own;
    memcpy(s->ticket_id, s->fill_id, CACHE_ID_SIZE);
    return !taken;
}

bool collapsing_offer(struct stream *s, uint64_t expected, bool shared)
{
    if (!shared) {
        collapsing_end(s, CACHE_TICKET_PASSED, s->w->loop.now.real_s + COLLAPSING_PASS);
        return true;
    }
    cache_ticket_unmark(s->cache, s->fill_id);
    if ((s->ticket == 0 || memcmp(s->ticket_id, s->fill_id, CACHE_ID_SIZE) != 0) &&
        s->cache_config->lock_timeout > 0 && !change_ticket(s))
        return false;
    if (s->ticket)
        cache_fill_offer(s->fill, s->ticket, expected);
    return true;
}

void collapsing_release(struct stream *s)
{
    collapsing_end(s, CACHE_TICKET_LOST, 0);
    struct collapse *c = s->collapse;
    if (!c)
        return;
    get_up(c);
    timer_drop(&s->w->loop.timers, &c->timer);
    if (c->ticket)
        cache_ticket_leave(s->cache, &c->ticket);
}

void collapsing_tell(struct stream *s)
{
    int status = s->reply.status;

    if (s->answer == ANSWER_CACHED)
        collapsing_end(s, CACHE_TICKET_DONE, 0);
    else if (s->answer == ANSWER_OWN && (status == 502 || status == 504))
        collapsing_end(s, CACHE_TICKET_FAILED, status);
    else if (s->answer == ANSWER_OWN)
        collapsing_end(s, status < 500 ? CACHE_TICKET_LOST : CACHE_TICKET_PASSED, 0);
}
