/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No request that starts after a purge has returned sees what was there before: an origin's version
 * goes up, then the object is purged, then its floor goes up to that version; who reads the floor,
 * and then finds or joins an older version, has seen an old byte. Five processes fill (by ticket
 * and without), look, join and purge in every way at once, while the parent kills one with SIGKILL
 * every few milliseconds. HAMMER_SECONDS sets how long (4), HAMMER_SEED repeats the choices of a
 * run.
 */
#include "shm/cache_ticket.h"
#include "shm/purges.h"
#include "tests/proc/children.h"
#include "tests/proc/objects.h"
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { CHILDREN = 5, PARENT_SLOT = 200, OBJECTS = 24, WRONG = 42 };

struct tally {                                         /* shared */
    _Atomic uint32_t version[OBJECTS], floor[OBJECTS]; /* of the origin; of what may be seen */
    _Atomic uint64_t commits, refused, hits, joined, purges, alls;
    _Atomic uint32_t stop;
};

static struct tally *tally;

struct player {
    struct cache *cache;
    uint64_t dice;
};

static uint32_t roll(struct player *p, uint32_t sides)
{
    return children_roll(&p->dice, sides);
}

/* A third is filled by tickets alone and purged by id, the others by labels, half of them without a
 * ticket. */
static bool by_ticket(uint32_t number)
{
    return number % 3 != 2;
}

static bool by_label(uint32_t number)
{
    return number % 3 != 0;
}

static void check(uint32_t number, const struct cache_hit *hit, uint32_t floor)
{
    char text[64];
    uint32_t version;
    size_t n = hit->head_n < sizeof text - 1 ? hit->head_n : sizeof text - 1;
    memcpy(text, hit->head, n);
    text[n] = '\0';
    if (sscanf(text, "Version: %" SCNu32, &version) == 1 && version >= floor)
        return;
    fprintf(stderr, "object %u: %s after a purge to %u\n", number, text, floor);
    _exit(WRONG);
}

static void look(struct player *p, uint32_t number)
{
    uint32_t floor = atomic_load(&tally->floor[number]);
    struct cache_hit hit;
    if (!objects_find(p->cache, number, &hit))
        return;
    check(number, &hit, floor);
    cache_unpin(p->cache, &hit);
    atomic_fetch_add(&tally->hits, 1);
}

/* The origin is asked, which takes its time. */
static void fill(struct player *p, uint32_t number, uint32_t ticket)
{
    struct cache_meta meta = { .stored = OBJECTS_NOW, .keep_until = OBJECTS_NOW + 10 };
    uint8_t id[CACHE_ID_SIZE];
    char key[32], head[64];
    size_t n = objects_key(number, key), size = 100 + roll(p, 9000);
    atomic_store(&meta.born, cache_sequence(p->cache));
    uint32_t version = atomic_load(&tally->version[number]);
    for (uint32_t i = roll(p, 4); i > 0; i--)
        sched_yield();
    int head_n =
        snprintf(head, sizeof head, "Version: %" PRIu32 "\r\nSize: %zu\r\n", version, size);
    objects_id(p->cache, number, id);
    struct cache_fill *f =
        cache_fill_begin(p->cache, id, key, n, &meta, head, (size_t)head_n, size);
    if (!f)
        return;
    if (ticket)
        cache_fill_offer(f, ticket, size);
    bool good = objects_append(f, number, version, size);
    if (roll(p, 2))
        sched_yield();
    if (!good)
        cache_fill_abort(&f);
    else
        atomic_fetch_add(cache_fill_commit(&f) ? &tally->commits : &tally->refused, 1);
}

static void ask(struct player *p, uint32_t number)
{
    uint32_t floor = atomic_load(&tally->floor[number]), ticket;
    struct cache_hit hit;
    uint8_t id[CACHE_ID_SIZE];
    char key[32];
    size_t n = objects_key(number, key);
    if (!by_ticket(number)) {
        fill(p, number, 0);
        return;
    }
    objects_id(p->cache, number, id);
    switch (cache_ticket_take(p->cache, id, OBJECTS_NOW, &ticket)) {
    case CACHE_TICKET_FILL:
        fill(p, number, ticket);
        cache_ticket_end(p->cache, &ticket, CACHE_TICKET_LOST, 0);
        break;
    case CACHE_TICKET_WAIT:
        if (cache_ticket_join(p->cache, ticket, key, n, &hit)) {
            check(number, &hit, floor);
            cache_unpin(p->cache, &hit);
            atomic_fetch_add(&tally->joined, 1);
        }
        cache_ticket_leave(p->cache, &ticket);
        break;
    default:
        break;
    }
}

static void raise_floor(uint32_t number, uint32_t to)
{
    uint32_t seen = atomic_load(&tally->floor[number]);
    while (seen < to && !atomic_compare_exchange_weak(&tally->floor[number], &seen, to))
        ;
}

static void purge(struct player *p, uint32_t number)
{
    uint32_t version = atomic_fetch_add(&tally->version[number], 1) + 1;
    uint8_t id[CACHE_ID_SIZE];
    objects_id(p->cache, number, id);
    if (by_label(number)) {
        const struct iovec text = { id, sizeof id };
        struct purges_label label = purges_label(p->cache, PURGES_KEY, false, &text, 1);
        purges_mark(p->cache, &label, 1, PURGES_HARD);
    } else {
        cache_purge(p->cache, id);
    }
    raise_floor(number, version);
    atomic_fetch_add(&tally->purges, 1);
}

static void purge_all(struct player *p)
{
    uint32_t versions[OBJECTS];
    for (uint32_t i = 0; i < OBJECTS; i++)
        versions[i] = atomic_fetch_add(&tally->version[i], 1) + 1;
    cache_purge_all(p->cache);
    for (uint32_t i = 0; i < OBJECTS; i++)
        raise_floor(i, versions[i]);
    atomic_fetch_add(&tally->alls, 1);
}

struct game {
    struct zone zone;
    struct children_hunt hunt;
};

static void live(void *arg, uint32_t slot, uint32_t kills)
{
    struct game *game = arg;
    struct player p = { .cache = cache_attach(&game->zone, slot),
                        .dice = game->hunt.dice + slot + kills };
    if (!p.cache)
        _exit(3);
    while (!atomic_load(&tally->stop)) {
        uint32_t number = roll(&p, OBJECTS), what = roll(&p, 100);
        if (what < 40)
            ask(&p, number);
        else if (what < 88)
            look(&p, number);
        else if (what < 99)
            purge(&p, number);
        else if (roll(&p, 4) == 0)
            purge_all(&p);
    }
    cache_detach(&p.cache);
    _exit(0);
}

static void bury(void *arg, uint32_t slot)
{
    cache_break(&((struct game *)arg)->zone, slot);
}

static bool enough(void *of)
{
    (void)of;
    return tally->commits && tally->hits && tally->joined && tally->purges && tally->alls &&
           tally->refused;
}

static void run(bool in_peace, int64_t ms)
{
    struct game game = { .hunt = { .dice = children_seed(),
                                   .pause = 6000,
                                   .in_peace = in_peace,
                                   .ms = ms,
                                   .enough = enough } };
    struct children c = { .n = CHILDREN, .live = live, .bury = bury, .arg = &game };
    char why[256];
    memset(tally, 0, sizeof *tally);
    assert_true(region_make(&game.zone, ZONE_CACHE, CACHE_VERSION, "hammer", 4 << 20));
    assert_true(cache_format(&game.zone));
    children_begin(&c);
    children_hunt(&c, &game.hunt);
    atomic_store(&tally->stop, 1);
    children_end(&c);
    print_message("# killed %u commits %" PRIu64 " refused %" PRIu64 " hits %" PRIu64
                  " joined %" PRIu64 " purges %" PRIu64 " of all %" PRIu64 "\n",
                  c.kills, tally->commits, tally->refused, tally->hits, tally->joined,
                  tally->purges, tally->alls);
    assert_true(enough(NULL));
    struct cache *cache = cache_attach(&game.zone, PARENT_SLOT);
    assert_non_null(cache);
    if (!cache_audit(cache, why, sizeof why))
        fail_msg("audit: %s", why);
    cache_detach(&cache);
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
