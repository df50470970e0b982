/* SPDX-License-Identifier: Apache-2.0 */
/* Which zones become twins, who is told, and when they part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/moving.h"
#include "master/zones.h"
#include "shm/cache.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MIB = 1 << 20, WORKER_SLOT = 3, CONTROL_SLOT = 4, CHECKER_SLOT = 5 };

static struct master *m;
static struct conf confs[3];
static struct conf_dict dicts[3][2];
static struct generation *g[3];
static struct refusal refusal;
static int ears[BOARD_SLOTS]; /* the children's ends */
static struct channel_message heard;

/* Generation i: two dictionaries, of these sizes. */
static void load(int i, uint64_t first, uint64_t second)
{
    dicts[i][0] = (struct conf_dict){ .name = { "first", 5 }, .size = first };
    dicts[i][1] = (struct conf_dict){ .name = { "second", 6 }, .size = second };
    confs[i] = (struct conf){ .shared_dicts = dicts[i], .shared_dicts_n = 2 };
    g[i] = calloc(1, sizeof *g[i]);
    g[i]->conf = &confs[i];
    g[i]->state = GENERATION_CURRENT;
    zones_clear(&g[i]->heritage);
    assert_true(zones_take(g[i], m->current, &refusal));
    g[i]->next = m->generations;
    m->generations = g[i];
    moving_prepare(m, g[i]);
}

static void end(int i)
{
    struct generation **at = &m->generations;

    while (*at != g[i])
        at = &(*at)->next;
    *at = g[i]->next;
    zones_drop(g[i], m->generations);
    free(g[i]);
    moving_part(m);
}

static void add_child(int slot, enum heritage_role role, struct generation *of)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
    m->children[slot] =
        (struct child){ .generation = of, .role = role, .pid = getpid(), .channel = ends[0] };
    ears[slot] = ends[1];
}

static int setup(void **state)
{
    (void)state;
    m = calloc(1, sizeof *m);
    for (int slot = 0; slot < BOARD_SLOTS; slot++)
        m->children[slot].channel = ears[slot] = -1;
    m->heir.link = -1;
    return m == NULL;
}

static int teardown(void **state)
{
    (void)state;
    for (int slot = 0; slot < BOARD_SLOTS; slot++) {
        if (ears[slot] < 0)
            continue;
        close(ears[slot]);
        close(m->children[slot].channel);
    }
    free(m);
    return 0;
}

/* The op that the child hears next; 0: nothing. *zone: whether a descriptor of such a zone came. */
static uint32_t hears(int slot, uint32_t *number, const struct zone *zone)
{
    struct zone got;
    int passed;

    if (channel_receive_fd(ears[slot], &heard, &passed) != 1)
        return 0;
    *number = heard.number;
    assert_int_equal(passed >= 0, zone != NULL);
    if (zone) {
        assert_true(region_adopt(&got, ZONE_CACHE, CACHE_VERSION, passed));
        assert_int_equal(got.size, zone->size);
        region_drop(&got);
    }
    return heard.op;
}

static void only_what_changes_moves(void **state)
{
    uint32_t number;

    (void)state;
    load(0, 2 * MIB, 2 * MIB);
    assert_false(moving_is_needed(g[0]));
    m->current = g[0];
    add_child(WORKER_SLOT, ROLE_WORKER, g[0]);
    add_child(CONTROL_SLOT, ROLE_CONTROL, g[0]);
    add_child(CHECKER_SLOT, ROLE_CHECKER, g[0]);
    load(1, 2 * MIB, 4 * MIB);
    assert_true(moving_is_needed(g[1]));
    assert_ptr_equal(g[1]->heritage.twins[1].shm, g[0]->heritage.dicts[1].shm);
    assert_ptr_equal(g[0]->heritage.twins[1].shm, g[1]->heritage.dicts[1].shm);
    assert_null(g[1]->heritage.twins[0].shm);
    moving_announce(m, g[1]);
    assert_false(moving_is_known(m));
    assert_int_equal(hears(WORKER_SLOT, &number, &g[1]->heritage.dicts[1]), CHANNEL_TWIN);
    assert_int_equal(number, 1);
    assert_int_equal(hears(CONTROL_SLOT, &number, &g[1]->heritage.dicts[1]), CHANNEL_TWIN);
    assert_int_equal(hears(CHECKER_SLOT, &number, NULL), 0); /* it has no dictionaries */
    m->children[WORKER_SLOT].owes = 0;
    assert_false(moving_is_known(m));
    m->children[CONTROL_SLOT].owes = 0;
    assert_true(moving_is_known(m));
    end(1);
    end(0);
}

static void a_later_generation_has_the_twin_too(void **state)
{
    (void)state;
    load(0, 2 * MIB, 2 * MIB);
    m->current = g[0];
    load(1, 4 * MIB, 2 * MIB);
    m->current = g[1];
    load(2, 4 * MIB, 2 * MIB);
    assert_false(moving_is_needed(g[2]));
    assert_ptr_equal(g[2]->heritage.twins[0].shm, g[0]->heritage.dicts[0].shm);
    end(1);
    assert_ptr_equal(g[0]->heritage.twins[0].shm, g[2]->heritage.dicts[0].shm);
    end(0);
    assert_null(g[2]->heritage.twins[0].shm);
    end(2);
}

static void with_another_masters_processes_it_keeps_its_size(void **state)
{
    (void)state;
    load(0, 2 * MIB, 2 * MIB);
    m->current = g[0];
    m->heir.link = 0;
    load(1, 4 * MIB, 2 * MIB);
    assert_false(moving_is_needed(g[1]));
    assert_true(moving_is_over(m));
    assert_ptr_equal(g[1]->heritage.dicts[0].shm, g[0]->heritage.dicts[0].shm);
    end(1);
    m->heir.link = -1;
    load(1, 4 * MIB, 2 * MIB);
    assert_true(moving_is_needed(g[1]));
    assert_false(moving_is_over(m));
    end(1);
    assert_true(moving_is_over(m));
    end(0);
}

static void they_part_when_the_old_one_has_gone(void **state)
{
    uint32_t number;
    int fd;

    (void)state;
    load(0, 2 * MIB, 2 * MIB);
    m->current = g[0];
    load(1, 4 * MIB, 2 * MIB);
    m->current = g[1];
    add_child(WORKER_SLOT, ROLE_WORKER, g[1]);
    fd = g[0]->heritage.dicts[0].fd;
    end(0);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* its memory is given back */
    assert_null(g[1]->heritage.twins[0].shm);
    assert_int_equal(hears(WORKER_SLOT, &number, NULL), CHANNEL_ALONE);
    assert_int_equal(number, 0);
    end(1);
}

static void a_reload_that_is_undone_leaves_no_twin(void **state)
{
    uint32_t number;
    int fd;

    (void)state;
    load(0, 2 * MIB, 2 * MIB);
    m->current = g[0];
    add_child(WORKER_SLOT, ROLE_WORKER, g[0]);
    load(1, 4 * MIB, 2 * MIB);
    fd = g[1]->heritage.dicts[0].fd;
    end(1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_null(g[0]->heritage.twins[0].shm);
    assert_int_equal(hears(WORKER_SLOT, &number, NULL), CHANNEL_ALONE);
    assert_true(fcntl(g[0]->heritage.dicts[0].fd, F_GETFD) >= 0);
    end(0);
}

static void given_up_it_keeps_its_size(void **state)
{
    (void)state;
    load(0, 2 * MIB, 2 * MIB);
    m->current = g[0];
    add_child(WORKER_SLOT, ROLE_WORKER, g[0]);
    load(1, 4 * MIB, 2 * MIB);
    moving_announce(m, g[1]);
    moving_abandon(m, g[1]);
    assert_true(moving_is_known(m));
    assert_false(moving_is_needed(g[1]));
    assert_null(g[0]->heritage.twins[0].shm);
    assert_null(g[1]->heritage.twins[0].shm);
    assert_ptr_equal(g[1]->heritage.dicts[0].shm, g[0]->heritage.dicts[0].shm);
    assert_true(fcntl(g[0]->heritage.dicts[0].fd, F_GETFD) >= 0);
    m->current = g[1];
    m->mode = MASTER_SERVING;
    assert_false(moving_may_catch_up(m)); /* not while the silent one is there */
    end(0);
    assert_true(fcntl(g[1]->heritage.dicts[0].fd, F_GETFD) >= 0);
    assert_true(moving_may_catch_up(m));
    load(2, 4 * MIB, 2 * MIB);
    assert_true(moving_is_needed(g[2]));
    assert_false(moving_may_catch_up(m));
    end(1);
    m->current = g[2];
    assert_false(moving_may_catch_up(m)); /* all have their size */
    end(2);
}

static void one_change_at_a_time(void **state)
{
    (void)state;
    load(0, 2 * MIB, 2 * MIB);
    m->current = g[0];
    load(1, 4 * MIB, 2 * MIB);
    m->current = g[1];
    load(2, 3 * MIB, 4 * MIB);
    /* of the first the last change is not over: it stays, and purges still reach all */
    assert_ptr_equal(g[2]->heritage.dicts[0].shm, g[1]->heritage.dicts[0].shm);
    assert_ptr_equal(g[2]->heritage.twins[0].shm, g[0]->heritage.dicts[0].shm);
    assert_ptr_equal(g[2]->heritage.twins[1].shm, g[1]->heritage.dicts[1].shm);
    assert_ptr_equal(g[0]->heritage.twins[1].shm, g[2]->heritage.dicts[1].shm);
    assert_ptr_equal(g[1]->heritage.twins[1].shm, g[2]->heritage.dicts[1].shm);
    end(0);
    end(1);
    assert_null(g[2]->heritage.twins[1].shm);
    end(2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(only_what_changes_moves),
        TEST(a_later_generation_has_the_twin_too),
        TEST(with_another_masters_processes_it_keeps_its_size),
        TEST(they_part_when_the_old_one_has_gone),
        TEST(a_reload_that_is_undone_leaves_no_twin),
        TEST(given_up_it_keeps_its_size),
        TEST(one_change_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
