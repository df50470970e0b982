/* SPDX-License-Identifier: Apache-2.0 */
/* What a successor leaves that did not come up. The rest of an upgrade takes two programs:
 * tests/e2e/test_75_upgrade.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/upgrade.c"
#include "shm/health.h"

enum { OURS = 3, HELD = 4, THEIRS = 5, THEIRS_ELSEWHERE = 6 };

static struct master m;
static struct generation g;

/* Where the successor did not know the layout of the board, it had one of its own, and on ours its
 * processes never were. */
static void all_slots_but_our_own_are_mended(void **state)
{
    static const int slots[] = { OURS, HELD, THEIRS, THEIRS_ELSEWHERE };
    struct board_shm *board;

    (void)state;
    zones_clear(&g.heritage);
    assert_true(board_make(&m.board) && health_make(&g.heritage.health, 4, 1));
    board = board_of(&m.board);
    m.generations = &g;
    m.children[OURS].generation = &g;
    m.heir.held[HELD] = true;
    for (int i = 0; i < 3; i++)
        board_assign(board, slots[i], ROLE_WORKER, (uint32_t)i, 7);
    const struct health_peer_shm *peer =
        health_claim_peer(&g.heritage.health, 99, "orders/127.0.0.1:9", 1);
    for (int i = 0; i < 4; i++)
        atomic_fetch_add(health_in_flight(&g.heritage.health, peer, (uint32_t)slots[i]), 1);
    upgrade_mend(&m);
    assert_int_equal(health_in_flight_sum(&g.heritage.health, peer), 2);
    assert_int_equal(atomic_load(health_in_flight(&g.heritage.health, peer, OURS)), 1);
    assert_int_equal(atomic_load(health_in_flight(&g.heritage.health, peer, HELD)), 1);
    assert_int_equal(atomic_load(&board->rows[THEIRS].state), BOARD_FREE);
    assert_int_not_equal(atomic_load(&board->rows[OURS].state), BOARD_FREE);
    region_drop(&g.heritage.health);
    region_drop(&m.board);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(all_slots_but_our_own_are_mended) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
