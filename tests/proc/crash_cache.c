/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every order of stores, deterministically. The sources are compiled in with a point after each
 * store where a death could tear something. A child works through all that the cache can do and
 * kills itself at one point; the parent breaks its locks as the master would; then others go on,
 * the audit has to pass, every object has to be whole, and when all is purged every page has to be
 * free. Then the next point. A second round kills the one who repairs as well.
 */
#define CRASH_POINT() crash_point(__FILE__, __LINE__)
static void crash_point(const char *file, int line);

/* clang-format off: in order of use */
#include "shm/cache.c"
#include "shm/cache_audit.c"
#include "shm/cache_body.c"
#include "shm/cache_fill.c"
#include "shm/cache_sweep.c"
#include "shm/cache_ticket.c"
#include "shm/cache_update.c"
#include "shm/cache_walk.c"
#include "shm/evict.c"
#include "shm/index.c"
#include "shm/lock.c"
#include "shm/pages.c"
#include "shm/pins.c"
#include "shm/queue.c"
#include "shm/repair.c"
#include "shm/room.c"
#include "shm/slab.c"
#include "shm/store.c"
/* clang-format on */
#include "tests/proc/children.h"
#include "tests/proc/objects.h"
#include <sys/mman.h>

enum { SITES = 256, CHILD = 1, SURVIVOR = 0, ZONE = 1200 * 1024, KNOWN = 40, TURNS = 6 };
enum { CROWD = 16, CROWD_FROM = 5000, CROWD_TO = 15000 };
enum { HALF = 40000, UNFINISHED = 60, READ = 25 };

struct site {
    const char *file;
    int line;
    uint32_t count;
};

/* How often each point is passed: counted in a dry run; shared, so that the parent learns it. */
struct plan {
    struct site sites[SITES];
    int used;
    int kill_site;       /* -1: none */
    uint32_t kill_count; /* dies when the site is passed for the n-th time */
};

static struct plan *plan;
static bool armed;

static int site_of(const char *file, int line)
{
    int i = 0;
    while (i < plan->used &&
           (plan->sites[i].line != line || strcmp(plan->sites[i].file, file) != 0))
        i++;
    if (i == SITES)
        abort();
    if (i == plan->used)
        plan->sites[plan->used++] = (struct site){ file, line, 0 };
    return i;
}

static void crash_point(const char *file, int line)
{
    if (!armed)
        return;
    int i = site_of(file, line);
    if (++plan->sites[i].count == plan->kill_count && i == plan->kill_site)
        raise(SIGKILL);
}

static void count_from_zero(void)
{
    for (int i = 0; i < plan->used; i++)
        plan->sites[i].count = 0;
}

/* Known objects, which are whole or gone ever after. */
static void preload(struct cache *cache)
{
    for (uint32_t i = 0; i < KNOWN; i++)
        assert_true(objects_put(cache, i, 1, 1000, 1000));
}

/* Objects of one bucket: the index has to continue it, and to give the overflow buckets back. */
static void overfill_bucket(struct cache *cache)
{
    uint32_t numbers[CROWD], found = 0;
    uint8_t id[CACHE_ID_SIZE];
    objects_id(cache, CROWD_FROM, id);
    const struct index_place first = store_place(cache, id);
    for (uint32_t number = CROWD_FROM; number < CROWD_TO && found < CROWD; number++) {
        objects_id(cache, number, id);
        if (store_place(cache, id).bucket == first.bucket)
            numbers[found++] = number;
    }
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < found; i++)
            objects_put(cache, numbers[i], 1, 100, 100);
        for (uint32_t i = 0; i < found; i++) {
            objects_id(cache, numbers[i], id);
            cache_purge(cache, id);
        }
    }
}

/* Fills that others may wait for, and waiting for one that has begun; each way that it can end. */
static void collapse(struct cache *cache)
{
    uint8_t id[CACHE_ID_SIZE];
    struct cache_ticket_view seen;
    struct cache_hit hit;
    uint32_t ticket, wait;
    for (uint32_t i = 500; i < 504; i++) {
        objects_id(cache, i, id);
        if (cache_ticket_take(cache, id, OBJECTS_NOW, &ticket) != CACHE_TICKET_FILL)
            continue;
        struct cache_fill *fill = i < 503 ? objects_begin(cache, i, 1, 20000, 20000) : NULL;
        if (fill && i != 502)
            cache_fill_offer(fill, ticket, 20000);
        if (fill && objects_append(fill, i, 1, 20000) && i == 500) {
            cache_fill_progress(fill);
            cache_fill_commit(&fill);
        }
        cache_fill_abort(&fill);
        cache_ticket_end(cache, &ticket, CACHE_TICKET_PASSED, i == 503 ? OBJECTS_NOW + 1 : 0);
    }
    objects_id(cache, UNFINISHED, id);
    if (cache_ticket_take(cache, id, OBJECTS_NOW, &wait) == CACHE_TICKET_WAIT) {
        char key[32];
        size_t n = objects_key(UNFINISHED, key);
        if (cache_ticket_join(cache, wait, key, n, &hit))
            cache_unpin(cache, &hit);
        cache_ticket_look(cache, wait, &seen);
        cache_ticket_sleep(cache, wait, &seen);
    }
    cache_ticket_leave(cache, &wait);
    objects_id(cache, UNFINISHED + 1, id);
    if (cache_ticket_take(cache, id, OBJECTS_NOW, &ticket) == CACHE_TICKET_FILL)
        cache_ticket_take(cache, id, OBJECTS_NOW, &wait); /* left as they are */
}

/* Heads that change, under a reader and without one. */
static void renew(struct cache *cache)
{
    static const char head[] = "Version: 1\r\nSize: 1000\r\nRenewed: yes\r\n";
    const struct cache_meta meta = { .stored = OBJECTS_NOW, .keep_until = OBJECTS_NOW + 10 };
    struct cache_hit old, hit;
    for (uint32_t i = 30; i < 33; i++) {
        bool reading = i > 30 && objects_find(cache, i, &old) && cache_keep(cache, &old);
        for (int round = 0; round < (i == 32 ? 12 : 4); round++) {
            if (!objects_find(cache, i, &hit))
                break;
            cache_update(cache, &hit, &meta, head, sizeof head - 1);
            cache_unpin(cache, &hit);
        }
        if (reading)
            cache_unpin(cache, &old);
    }
    if (objects_find(cache, 31, &hit)) { /* nobody reads it now: what was there before goes */
        cache_update(cache, &hit, &meta, head, sizeof head - 1);
        cache_unpin(cache, &hit);
    }
}

/* All that a process does, in little memory. */
static void work(struct cache *cache)
{
    struct cache_hit hits[PINS_FEW + 2];
    uint8_t id[CACHE_ID_SIZE];
    size_t kept = 0;
    for (uint32_t i = 0; i < 8; i++)
        objects_put(cache, i, 2, 3000, 3000);
    collapse(cache);
    renew(cache);
    overfill_bucket(cache);
    for (uint32_t i = 10; i < 100; i++) /* asked for often enough to be kept */
        objects_look(cache, i % 20);
    for (uint32_t i = 0; i < PINS_FEW + 2; i++) {
        char key[32];
        size_t n = objects_key(3, key);
        cache_id(cache, key, n, id);
        if (cache_find(cache, id, key, n, OBJECTS_NOW, &hits[kept]) &&
            cache_keep(cache, &hits[kept]))
            kept++;
    }
    for (uint32_t i = 1000; i < 1900; i++)
        objects_put(cache, i, 1, 1000, 1000);
    objects_id(cache, 3, id);
    cache_purge(cache, id); /* but it is being read */
    for (uint32_t i = 100; i < 105; i++)
        objects_put(cache, i, 1, 100000, i % 2 ? 100000 : 0);
    struct cache_fill *fill = objects_begin(cache, 3, 3, 150000, 150000);
    if (fill && objects_append(fill, 3, 3, 80000))
        cache_fill_abort(&fill);
    for (uint32_t i = 200; i < 230; i++)
        objects_put(cache, i, 1, 20000 + i * 11, 0);
    while (kept > 0)
        cache_unpin(cache, &hits[--kept]);
    objects_id(cache, 220, id);
    cache_purge(cache, id);
    cache_purge_all(cache);
    uint64_t swept = 0;
    while (cache_sweep(cache, OBJECTS_NOW, &swept, 16) && swept < 64)
        continue;
    cache_sweep_pace(cache, OBJECTS_NOW, 64);
    for (uint32_t i = 300; i < 340; i++)
        objects_put(cache, i, 1, 3000, 3000);
    for (uint32_t i = 400; i < 410; i++)
        objects_put(cache, i, 1, 90000, 90000);
}

static void check_all(struct cache *cache)
{
    for (uint32_t i = 0; i < CROWD_TO; i++)
        assert_true(objects_look(cache, i) >= 0);
}

static void check_audit(struct cache *cache, const char *when)
{
    char why[256];
    if (!cache_audit(cache, why, sizeof why))
        fail_msg("%s, killed at %s:%d, pass %u: %s", when, plan->sites[plan->kill_site].file,
                 plan->sites[plan->kill_site].line, plan->kill_count, why);
}

static void live(void *arg, uint32_t slot, uint32_t kills)
{
    (void)kills;
    armed = true;
    struct cache *cache = cache_attach(arg, slot);
    if (!cache)
        _exit(3);
    work(cache);
    cache_detach(&cache);
    _exit(0);
}

/* A child in the slot CHILD; returns whether it died of the plan. */
static bool run_child(const struct zone *zone)
{
    const struct children c = { .live = live, .arg = (void *)(uintptr_t)zone };
    bool killed = children_reap(children_fork(&c, CHILD));
    if (killed)
        cache_break(zone, CHILD);
    return killed;
}

/* One who lives through it all, in the midst of a fill and with an object that it reads. */
struct stage {
    struct zone zone;
    struct cache *survivor;
    struct cache_fill *fill;
    uint32_t ticket; /* of that fill */
    struct cache_hit hit;
};

static void wake_nobody(void *arg, uint32_t slot)
{
    (void)arg;
    assert_true(slot == CHILD || slot == SURVIVOR);
}

static void append_half(struct cache_fill *fill, uint64_t from)
{
    static char half[HALF];
    objects_bytes(UNFINISHED, 1, from, half, sizeof half);
    assert_true(cache_fill_append(fill, half, sizeof half));
}

static void open_stage(struct stage *stage)
{
    assert_true(region_make(&stage->zone, ZONE_CACHE, CACHE_VERSION, "crash", ZONE));
    assert_true(cache_format(&stage->zone));
    /* the same ids in each run, so that the same points are passed */
    memset(((struct store_shm *)region_body(&stage->zone))->secret, 7, STORE_SECRET);
    stage->survivor = cache_attach(&stage->zone, SURVIVOR);
    assert_non_null(stage->survivor);
    preload(stage->survivor);
    uint8_t id[CACHE_ID_SIZE];
    objects_id(stage->survivor, UNFINISHED, id);
    assert_int_equal(cache_ticket_take(stage->survivor, id, OBJECTS_NOW, &stage->ticket),
                     CACHE_TICKET_FILL);
    cache_ticket_waker(stage->survivor, wake_nobody, NULL);
    stage->fill = objects_begin(stage->survivor, UNFINISHED, 1, 2 * HALF, 2 * HALF);
    assert_non_null(stage->fill);
    cache_fill_offer(stage->fill, stage->ticket, 2 * HALF);
    append_half(stage->fill, 0);
    assert_int_equal(objects_find(stage->survivor, READ, &stage->hit), 1);
    assert_true(cache_keep(stage->survivor, &stage->hit));
}

/* What it was about when the other one died. A purge of everything may have come between. */
static void finish(struct stage *stage)
{
    struct cache *cache = stage->survivor;
    append_half(stage->fill, HALF);
    if (cache_fill_commit(&stage->fill))
        assert_int_equal(objects_look(cache, UNFINISHED), 1);
    else
        assert_true(atomic_load(&cache->shm->generation) > 1);
    assert_true(objects_whole(cache, &stage->hit, READ));
    cache_unpin(cache, &stage->hit);
    cache_ticket_end(cache, &stage->ticket, CACHE_TICKET_DONE, 0);
}

/* What the dead one was about to make is anybody's. */
static void check_tickets(struct cache *cache)
{
    static const uint32_t numbers[] = { 500, 501, 502, UNFINISHED + 1 };
    uint8_t id[CACHE_ID_SIZE];
    uint32_t ticket;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        objects_id(cache, numbers[i], id);
        assert_int_equal(cache_ticket_take(cache, id, OBJECTS_NOW, &ticket), CACHE_TICKET_FILL);
        cache_ticket_end(cache, &ticket, CACHE_TICKET_LOST, 0);
    }
}

static void check_no_tickets(const struct cache *cache)
{
    for (uint32_t i = 0; i < cache->g.shards * cache->g.tickets; i++)
        for (int k = 0; k < STORE_WAYS; k++)
            assert_int_equal(atomic_load(&cache->tickets[i].tag[k]), 0);
}

static void close_stage(struct stage *stage, bool by_next_owner)
{
    struct cache *cache = stage->survivor;
    if (by_next_owner) {
        struct cache *next = cache_attach(&stage->zone, CHILD);
        assert_non_null(next);
        check_audit(next, "attached");
        cache_detach(&next);
    }
    check_all(cache);
    check_tickets(cache);
    finish(stage);
    assert_true(objects_put(cache, 1, 9, 5000, 5000));
    assert_int_equal(objects_look(cache, 1), 1);
    check_audit(cache, "at the end");
    objects_check_nothing_lost(cache);
    check_audit(cache, "emptied");
    check_no_tickets(cache);
    cache_detach(&stage->survivor);
    region_drop(&stage->zone);
}

static void kill_once(int site, uint32_t count, bool by_next_owner)
{
    struct stage stage;
    plan->kill_site = site;
    plan->kill_count = count;
    count_from_zero();
    open_stage(&stage);
    assert_true(run_child(&stage.zone));
    close_stage(&stage, by_next_owner);
}

/* The first passes one by one, then ever fewer. */
static uint32_t next_count(uint32_t count)
{
    return count < 4 ? count + 1 : count * 3;
}

static void learn(void)
{
    struct stage stage;
    plan->kill_site = -1;
    open_stage(&stage);
    count_from_zero();
    assert_false(run_child(&stage.zone));
    finish(&stage);
    cache_detach(&stage.survivor);
    region_drop(&stage.zone);
}

static void test_each_point(void **state)
{
    uint32_t passes[SITES];
    (void)state;
    learn();
    assert_in_range(plan->used, 40, SITES);
    int sites = plan->used;
    for (int i = 0; i < sites; i++)
        passes[i] = plan->sites[i].count;
    for (int i = 0; i < sites; i++) {
        for (uint32_t count = 1; count <= passes[i]; count = next_count(count))
            kill_once(i, count, count % 2);
        if (passes[i] > 4)
            kill_once(i, passes[i], true);
    }
}

/* The next owner of the slot dies while it repairs what the first one left; then the one after that
 * as well. */
static void test_death_in_repair(void **state)
{
    static const char *const files[] = { "shm/slab.c", "shm/queue.c", "shm/index.c",
                                         "shm/evict.c" };
    (void)state;
    learn();
    int sites = plan->used;
    for (int first = 0; first < sites; first++) {
        bool chosen = false;
        for (size_t k = 0; k < sizeof files / sizeof *files; k++)
            chosen |= strcmp(plan->sites[first].file, files[k]) == 0;
        if (!chosen)
            continue;
        struct stage stage;
        plan->kill_site = first;
        plan->kill_count = 1;
        count_from_zero();
        open_stage(&stage);
        run_child(&stage.zone);
        for (int second = first, turns = 0; turns < TURNS; turns++, second = (second + 7) % sites) {
            plan->kill_site = second;
            plan->kill_count = 1 + (uint32_t)turns * 5;
            count_from_zero();
            run_child(&stage.zone);
        }
        close_stage(&stage, first % 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_point),
        cmocka_unit_test(test_death_in_repair),
    };
    plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return plan == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
