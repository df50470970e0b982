/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Six processes ask for a few objects at once, all the time: one of them fills, in pieces, the
 * others join it and read along, while the parent kills one with SIGKILL every few milliseconds and
 * wakes all, as the master does. At no time do two living processes fill for the same id; nobody
 * sleeps longer than it takes to be woken; a body that is said to be whole is whole, and one whose
 * filler died is not. At the end no ticket is left and the audit passes. HAMMER_SECONDS sets how
 * long (4), HAMMER_SEED repeats the choices of a run.
 */
#include "shm/cache_ticket_parts.h"
#include "tests/proc/children.h"
#include "tests/proc/objects.h"
#include "worker/base/bells.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>

enum { CHILDREN = 6, PARENT_SLOT = 200, OBJECTS = 5, WRONG = 42, PATIENCE = 120000 /* ms */ };
enum {
    PURGED = 3 /* from this number on; a purge allows another fill beside the one it cuts off */
};
enum { PIECE = 4096, MILLI = 1000000, VECTORS = 4 };

struct tally { /* shared */
    _Atomic uint64_t fills, commits, joined, whole, lost, passed, waits;
    _Atomic uint32_t stop;
    _Atomic uint32_t filler[OBJECTS]; /* 1 + slot of who fills; the parent clears it for the dead */
};

static struct tally *tally;
static struct bells bells;

struct player {
    struct cache *cache;
    uint32_t slot;
    uint64_t dice;
    int epoll;
};

static uint32_t roll(struct player *p, uint32_t sides)
{
    return children_roll(&p->dice, sides);
}

static _Noreturn void wrong(const char *what, uint32_t number)
{
    fprintf(stderr, "object %u: %s\n", number, what);
    _exit(WRONG);
}

static void ring(void *arg, uint32_t slot)
{
    (void)arg;
    bells_ring(&bells, slot);
}

/* Until the bell rings. A bell that does not is what this test is after. */
static void sleep_on(struct player *p, uint32_t number)
{
    struct epoll_event e;
    if (epoll_wait(p->epoll, &e, 1, PATIENCE) == 0)
        wrong("nobody woke a sleeper", number);
    atomic_fetch_add(&tally->waits, 1);
}

/* --- one fills -------------------------------------------------------------------------------- */

static size_t size_of(uint32_t version)
{
    return 1 + version % 90000;
}

static void fills_now(struct player *p, uint32_t number)
{
    uint32_t none = 0;
    if (number < PURGED &&
        !atomic_compare_exchange_strong(&tally->filler[number], &none, p->slot + 1))
        wrong("is filled twice at once", number);
}

static void fills_no_more(struct player *p, uint32_t number)
{
    uint32_t own = p->slot + 1;
    (void)atomic_compare_exchange_strong(&tally->filler[number], &own, 0);
}

static void pour(struct player *p, uint32_t number, uint32_t ticket)
{
    uint32_t version = roll(p, 1u << 30);
    size_t size = size_of(version);
    char piece[PIECE];
    struct cache_fill *fill = objects_begin(p->cache, number, version, size, roll(p, 2) ? size : 0);
    if (!fill)
        return;
    cache_fill_offer(fill, ticket, roll(p, 2) ? size : UINT64_MAX);
    bool give_up = roll(p, 12) == 0;
    for (size_t at = 0; at < size; at += sizeof piece) {
        size_t part = size - at < sizeof piece ? size - at : sizeof piece;
        objects_bytes(number, version, at, piece, part);
        if (!cache_fill_append(fill, piece, part) || (give_up && roll(p, 8) == 0)) {
            fills_no_more(p, number);
            cache_fill_abort(&fill);
            return;
        }
        if (roll(p, 3))
            cache_fill_progress(fill);
        if (roll(p, 40) == 0)
            usleep(roll(p, 300));
    }
    fills_no_more(p, number);
    if (cache_fill_commit(&fill))
        atomic_fetch_add(&tally->commits, 1);
}

static void fill(struct player *p, uint32_t number, uint32_t *ticket)
{
    fills_now(p, number);
    atomic_fetch_add(&tally->fills, 1);
    uint32_t what = roll(p, 20);
    if (what > 1)
        pour(p, number, *ticket);
    fills_no_more(p, number);
    cache_ticket_end(p->cache, ticket, what == 0 ? CACHE_TICKET_PASSED : CACHE_TICKET_LOST, 0);
}

/* --- others wait ------------------------------------------------------------------------------ */

static uint32_t version_of(const struct cache_hit *hit)
{
    char text[64];
    uint32_t version = 0;
    size_t n = hit->head_n < sizeof text - 1 ? hit->head_n : sizeof text - 1;
    memcpy(text, hit->head, n);
    text[n] = '\0';
    if (sscanf(text, "Version: %" SCNu32, &version) != 1)
        return 0;
    return version;
}

/* Bytes of the body from growth->offset on, each of them right. */
static void read_on(struct player *p, const struct cache_hit *hit, uint32_t number,
                    struct cache_growth *growth)
{
    struct iovec iov[VECTORS];
    uint32_t version = version_of(hit);
    while (growth->offset < growth->known) {
        int n = cache_body_grown(p->cache, hit, growth, iov, VECTORS);
        if (n == 0)
            wrong("has fewer bytes than were told", number);
        for (int i = 0; i < n; i++) {
            if (!objects_same(number, version, growth->offset, iov[i].iov_base, iov[i].iov_len))
                wrong("has another byte while it grows", number);
            growth->offset += iov[i].iov_len;
        }
    }
}

static void read_along(struct player *p, uint32_t number, uint32_t ticket, struct cache_hit *hit)
{
    struct cache_growth growth = { 0 };
    struct cache_ticket_view view;
    for (;;) {
        cache_ticket_look(p->cache, ticket, &view);
        growth.known = view.published;
        read_on(p, hit, number, &growth);
        if (view.state != CACHE_TICKET_FILLING)
            break;
        if (cache_ticket_sleep(p->cache, ticket, &view))
            sleep_on(p, number);
    }
    bool whole = view.state == CACHE_TICKET_WHOLE || view.state == CACHE_TICKET_DONE;
    if (whole && growth.offset != size_of(version_of(hit)))
        wrong("was told to be whole and is not", number);
    atomic_fetch_add(whole ? &tally->whole : &tally->lost, 1);
}

static void await(struct player *p, uint32_t number, uint32_t *ticket)
{
    char key[32];
    size_t n = objects_key(number, key);
    struct cache_ticket_view view;
    struct cache_hit hit;
    for (;;) {
        cache_ticket_look(p->cache, *ticket, &view);
        if (view.state == CACHE_TICKET_FILLING &&
            cache_ticket_join(p->cache, *ticket, key, n, &hit)) {
            atomic_fetch_add(&tally->joined, 1);
            read_along(p, number, *ticket, &hit);
            cache_unpin(p->cache, &hit);
            break;
        }
        if (view.state > CACHE_TICKET_WHOLE)
            break;
        if (roll(p, 50) == 0)
            break; /* has no more patience */
        if (cache_ticket_sleep(p->cache, *ticket, &view))
            sleep_on(p, number);
    }
    cache_ticket_leave(p->cache, ticket);
}

static void play(struct player *p)
{
    uint32_t number = roll(p, OBJECTS), ticket;
    uint8_t id[CACHE_ID_SIZE];
    objects_id(p->cache, number, id);
    int found = objects_look(p->cache, number);
    if (found < 0)
        wrong("is not what was stored", number);
    if (number >= PURGED && roll(p, 4) == 0)
        cache_purge(p->cache, id);
    switch (cache_ticket_take(p->cache, id, OBJECTS_NOW, &ticket)) {
    case CACHE_TICKET_FILL:
        fill(p, number, &ticket);
        break;
    case CACHE_TICKET_WAIT:
        await(p, number, &ticket);
        break;
    default:
        atomic_fetch_add(&tally->passed, 1);
    }
}

/* What the children know of the run. */
struct game {
    struct zone zone;
    struct children_hunt hunt;
};

static void live(void *arg, uint32_t slot, uint32_t kills)
{
    struct game *game = arg;
    struct player p = { .cache = cache_attach(&game->zone, slot),
                        .slot = slot,
                        .dice = game->hunt.dice + kills + slot };
    struct epoll_event e = { .events = EPOLLIN | EPOLLET };
    p.epoll = epoll_create1(0);
    if (!p.cache || p.epoll < 0 ||
        epoll_ctl(p.epoll, EPOLL_CTL_ADD, bells_of(&bells, slot), &e) < 0)
        _exit(3);
    cache_ticket_waker(p.cache, ring, NULL);
    while (!atomic_load(&tally->stop))
        play(&p);
    cache_detach(&p.cache);
    bells_ring_all(&bells); /* what it was filling is lost */
    _exit(0);
}

/* --- the parent ------------------------------------------------------------------------------- */

static void bury(void *arg, uint32_t slot)
{
    for (uint32_t i = 0; i < OBJECTS; i++) {
        uint32_t dead = slot + 1;
        atomic_compare_exchange_strong(&tally->filler[i], &dead, 0);
    }
    cache_break(&((struct game *)arg)->zone, slot);
    bells_ring_all(&bells);
}

static void check_end(const struct zone *zone)
{
    struct cache *cache = cache_attach(zone, PARENT_SLOT);
    char why[256];
    assert_non_null(cache);
    assert_true(objects_put(cache, OBJECTS, 1, 10, 10)); /* takes back what the dead left */
    if (!cache_audit(cache, why, sizeof why))
        fail_msg("audit: %s", why);
    for (uint32_t i = 0; i < cache->g.shards * cache->g.tickets; i++)
        for (int k = 0; k < STORE_WAYS; k++)
            assert_int_equal(atomic_load(&cache->tickets[i].tag[k]), 0);
    cache_detach(&cache);
}

static bool enough(void *of)
{
    (void)of;
    return tally->fills > 0 && tally->joined > 0 && tally->whole > 0 && tally->waits > 0;
}

static void run(bool in_peace, int64_t ms)
{
    struct game game = { .hunt = { .dice = children_seed(),
                                   .pause = 6000,
                                   .in_peace = in_peace,
                                   .ms = ms,
                                   .enough = enough } };
    struct children c = { .n = CHILDREN, .live = live, .bury = bury, .arg = &game };
    memset(tally, 0, sizeof *tally);
    assert_true(region_make(&game.zone, ZONE_CACHE, CACHE_VERSION, "hammer", 2 << 20));
    assert_true(cache_format(&game.zone));
    assert_true(bells_make(&bells, CHILDREN));
    children_begin(&c);
    children_hunt(&c, &game.hunt);
    atomic_store(&tally->stop, 1);
    bells_ring_all(&bells);
    children_end(&c);
    print_message("# killed %u fills %" PRIu64 " commits %" PRIu64 " joined %" PRIu64
                  " whole %" PRIu64 " lost %" PRIu64 " passed %" PRIu64 " waits %" PRIu64 "\n",
                  c.kills, tally->fills, tally->commits, tally->joined, tally->whole, tally->lost,
                  tally->passed, tally->waits);
    check_end(&game.zone);
    assert_true(enough(NULL));
    bells_drop(&bells);
    region_drop(&game.zone);
}

static void test_in_peace(void **state)
{
    (void)state;
    run(true, children_seconds(4) / 4);
}

static void test_with_deaths(void **state)
{
    (void)state;
    run(false, children_seconds(4) * 3 / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_peace),
        cmocka_unit_test(test_with_deaths),
    };
    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return tally == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
