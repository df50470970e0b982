/* SPDX-License-Identifier: Apache-2.0 */
/* Shared memory over generations: what stays the same is the same zone, the rest is made and
 * dropped in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/zones.h"
#include "shm/cache.h"
#include "shm/health.h"
#include "shm/roster.h"
#include "shm/stats.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WORLD_ROUTES = 20000 };

struct world {
    struct conf conf;
    struct conf_dict dicts[3];
    struct conf_route *routes;
    struct conf_upstream upstream;
    struct conf_target target;
    struct conf_address place;
    struct generation g;
};

static struct world one, two;
static struct generation legacy;
static struct conf_route few[2], many[WORLD_ROUTES];
static char ids[WORLD_ROUTES][40];
static struct refusal refusal;

static struct conf_text text(const char *s)
{
    return (struct conf_text){ s, strlen(s) };
}

static void begin(struct world *w, uint64_t generation)
{
    memset(w, 0, sizeof *w);
    w->conf.shared_dicts = w->dicts;
    w->conf.routes = few;
    w->conf.routes_n = 2;
    w->conf.upstreams = &w->upstream;
    w->conf.upstreams_n = 1;
    w->upstream.name = text("orders");
    w->upstream.id = text("11111111-0000-4000-8000-000000000000");
    w->upstream.targets = &w->target;
    w->upstream.targets_n = 1;
    w->target =
        (struct conf_target){ .target = text("127.0.0.1:9"), .places = &w->place, .places_n = 1 };
    w->g.conf = &w->conf;
    w->g.heritage.generation = generation;
    zones_clear(&w->g.heritage);
}

static void add_dict(struct world *w, const char *name, uint64_t size)
{
    w->dicts[w->conf.shared_dicts_n++] = (struct conf_dict){ .name = text(name), .size = size };
}

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < WORLD_ROUTES; i++) {
        snprintf(ids[i], sizeof ids[i], "00000000-0000-4000-8000-%012d", i);
        many[i] = (struct conf_route){ .id = text(ids[i]), .name = text("route") };
    }
    few[0] = many[0];
    few[1] = many[1];
    begin(&one, 1);
    begin(&two, 2);
    legacy = (struct generation){ .state = GENERATION_INHERITED };
    zones_clear(&legacy.heritage);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    zones_drop(&one.g, &two.g);
    zones_drop(&two.g, NULL);
    return 0;
}

static void makes_what_is_asked_for(void **state)
{
    (void)state;
    add_dict(&one, "gateway_cache", 4 << 20);
    assert_true(zones_take(&one.g, NULL, &refusal));
    assert_int_equal(one.g.heritage.dicts[0].size, 4 << 20);
    assert_string_equal(one.g.heritage.dicts[0].shm->name, "gateway_cache");
    assert_null(one.g.heritage.dicts[1].shm);
    assert_int_equal(stats_row(&one.g.heritage.stats, ids[1]), 1);
    assert_true(health_fits(&one.g.heritage.health, 1, 1));
    assert_int_equal(atomic_load(roster_epoch(&one.g.heritage.roster)), 0);
}

static void what_stays_is_the_same_zone(void **state)
{
    (void)state;
    add_dict(&one, "stays", 2 << 20);
    add_dict(&one, "grows", 2 << 20);
    add_dict(&one, "goes", 2 << 20);
    add_dict(&two, "grows", 4 << 20);
    add_dict(&two, "comes", 2 << 20);
    add_dict(&two, "stays", 2 << 20);
    assert_true(zones_take(&one.g, NULL, &refusal));
    assert_true(zones_take(&two.g, &one.g, &refusal));
    assert_ptr_equal(two.g.heritage.stats.shm, one.g.heritage.stats.shm);
    assert_ptr_equal(two.g.heritage.health.shm, one.g.heritage.health.shm);
    assert_ptr_equal(two.g.heritage.roster.shm, one.g.heritage.roster.shm);
    assert_ptr_equal(two.g.heritage.dicts[2].shm, one.g.heritage.dicts[0].shm);
    assert_ptr_not_equal(two.g.heritage.dicts[0].shm, one.g.heritage.dicts[1].shm);
    assert_int_equal(two.g.heritage.dicts[0].size, 4 << 20);
}

static void drops_what_nobody_else_has(void **state)
{
    int kept, gone;

    (void)state;
    add_dict(&one, "stays", 2 << 20);
    add_dict(&one, "goes", 2 << 20);
    add_dict(&two, "stays", 2 << 20);
    assert_true(zones_take(&one.g, NULL, &refusal));
    assert_true(zones_take(&two.g, &one.g, &refusal));
    kept = one.g.heritage.dicts[0].fd;
    gone = one.g.heritage.dicts[1].fd;
    zones_drop(&one.g, &two.g);
    assert_true(fcntl(kept, F_GETFD) >= 0);
    assert_int_equal(fcntl(gone, F_GETFD), -1);
    assert_null(one.g.heritage.stats.shm);
    assert_int_equal(stats_row(&two.g.heritage.stats, ids[1]), 1);
    zones_drop(&two.g, NULL);
    assert_int_equal(fcntl(kept, F_GETFD), -1);
}

static void a_refused_set_keeps_the_old_zones(void **state)
{
    (void)state;
    add_dict(&one, "stays", 2 << 20);
    assert_true(zones_take(&one.g, NULL, &refusal));
    add_dict(&two, "stays", 2 << 20);
    add_dict(&two, "small", 4096);
    assert_false(zones_take(&two.g, &one.g, &refusal));
    assert_non_null(strstr(refusal.text, "\"small\" is too small: 4096 bytes"));
    zones_drop(&two.g, &one.g);
    assert_int_equal(stats_row(&one.g.heritage.stats, ids[0]), 0);
    assert_true(fcntl(one.g.heritage.dicts[0].fd, F_GETFD) >= 0);
}

static void too_many_routes_get_a_larger_zone_with_the_old_counts(void **state)
{
    struct stats_route_shm sum;

    (void)state;
    assert_true(zones_take(&one.g, NULL, &refusal));
    stats_add(&stats_route(&one.g.heritage.stats, 4, 1)->requests, 12);
    two.conf.routes = many;
    two.conf.routes_n = WORLD_ROUTES;
    assert_true(zones_take(&two.g, &one.g, &refusal));
    assert_ptr_not_equal(two.g.heritage.stats.shm, one.g.heritage.stats.shm);
    stats_sum_route(&two.g.heritage.stats, stats_row(&two.g.heritage.stats, ids[1]), &sum);
    assert_int_equal(sum.requests, 12);
    assert_true(stats_row(&two.g.heritage.stats, ids[WORLD_ROUTES - 1]) >= 0);
}

static void the_dead_leave_nothing(void **state)
{
    const struct health_peer_shm *peer;

    (void)state;
    add_dict(&one, "cache", 2 << 20);
    assert_true(zones_take(&one.g, NULL, &refusal));
    peer = health_claim_peer(&one.g.heritage.health, 99, "orders/127.0.0.1:9", 1);
    atomic_fetch_add(health_in_flight(&one.g.heritage.health, peer, 7), 3);
    stats_process(&one.g.heritage.stats, 7)->active = 5;
    zones_repair(&one.g, 7);
    assert_int_equal(health_in_flight_sum(&one.g.heritage.health, peer), 0);
    assert_int_equal(stats_process(&one.g.heritage.stats, 7)->active, 0);
}

static void another_master_inherits_what_it_knows(void **state)
{
    struct handover_zone told[16];
    size_t n;
    struct zone strange;

    (void)state;
    add_dict(&one, "kept", 2 << 20);
    add_dict(&one, "other_size", 2 << 20);
    assert_true(zones_take(&one.g, NULL, &refusal));
    n = zones_list(&one.g, told, 16);
    assert_int_equal(
        n, 9); /* counters, health, roster, limits, seats, tokens, keys, two dictionaries */
    for (size_t i = 0; i < n; i++) {
        told[i].fd = dup(told[i].fd);
        assert_true(zones_inherit(&legacy, &told[i]));
    }
    add_dict(&two, "other_size", 4 << 20);
    add_dict(&two, "kept", 2 << 20);
    assert_true(zones_take(&two.g, &legacy, &refusal));
    assert_ptr_equal(two.g.heritage.stats.shm, legacy.heritage.stats.shm);
    assert_ptr_equal(two.g.heritage.dicts[1].shm, legacy.heritage.dicts[0].shm);
    assert_int_equal(stats_row(&two.g.heritage.stats, ids[1]), 1);
    /* the other master's processes cannot be told of another zone: its size changes later */
    assert_ptr_equal(two.g.heritage.dicts[0].shm, legacy.heritage.dicts[1].shm);
    assert_false(zones_fit(&two.g));
    assert_true(zones_fit(&one.g));
    assert_true(region_make(&strange, ZONE_CACHE, CACHE_VERSION + 1, "kept", 2 << 20));
    assert_false(zones_inherit(&legacy, &(struct handover_zone){ strange.fd, 0, 0, "" }));
    region_drop(&strange);
    zones_drop(&legacy, &two.g);
}

/* What stands in the header of a zone was written by whoever could: it has to say what the other
 * master says. */
static void a_header_that_was_changed_is_not_believed(void **state)
{
    struct handover_zone told[16];
    size_t n;

    (void)state;
    add_dict(&one, "mine", 2 << 20);
    add_dict(&one, "yours", 2 << 20);
    assert_true(zones_take(&one.g, NULL, &refusal));
    n = zones_list(&one.g, told, 16);
    assert_string_equal(told[n - 2].name, "mine");
    assert_int_equal(told[n - 1].kind, ZONE_CACHE);
    strcpy(one.g.heritage.dicts[0].shm->name, "yours");
    one.g.heritage.health.shm->kind = ZONE_CACHE;
    one.g.heritage.health.shm->version = CACHE_VERSION;
    for (size_t i = 0; i < n; i++) {
        bool sound =
            told[i].fd != one.g.heritage.dicts[0].fd && told[i].fd != one.g.heritage.health.fd;
        told[i].fd = dup(told[i].fd);
        assert_int_equal(zones_inherit(&legacy, &told[i]), sound);
        if (!sound)
            close(told[i].fd);
    }
    assert_string_equal(legacy.dicts[0], "yours");
    assert_null(legacy.heritage.dicts[1].shm);
    assert_null(legacy.heritage.health.shm);
    zones_drop(&legacy, NULL);
}

static void what_was_not_inherited_is_made_anew(void **state)
{
    (void)state;
    add_dict(&two, "kept", 2 << 20);
    assert_true(zones_take(&two.g, &legacy, &refusal));
    assert_int_equal(stats_row(&two.g.heritage.stats, ids[1]), 1);
    assert_non_null(two.g.heritage.health.shm);
    assert_non_null(two.g.heritage.roster.shm);
    assert_int_equal(two.g.heritage.dicts[0].size, 2 << 20);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(makes_what_is_asked_for),
        TEST(what_stays_is_the_same_zone),
        TEST(drops_what_nobody_else_has),
        TEST(a_refused_set_keeps_the_old_zones),
        TEST(too_many_routes_get_a_larger_zone_with_the_old_counts),
        TEST(the_dead_leave_nothing),
        TEST(another_master_inherits_what_it_knows),
        TEST(a_header_that_was_changed_is_not_believed),
        TEST(what_was_not_inherited_is_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
