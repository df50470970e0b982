/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys in shared memory: sets replaced as a whole under readers, a writer killed at any moment,
 * rows that change hands, and who may have a fetch made when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/jwks.h"
#include "shm/lock.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOT = 3 };

static struct zone zone;
static struct jwks_set set, got;

static int setup(void **state)
{
    (void)state;
    return jwks_make(&zone) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    region_drop(&zone);
    return 0;
}

/* n keys, every byte of which says `mark`. */
static void make_set(struct jwks_set *out, uint32_t n, int mark)
{
    memset(out, 0, sizeof *out);
    out->n = n;
    for (uint32_t i = 0; i < n; i++) {
        struct jwks_key *k = &out->keys[i];
        k->kid_n = JWKS_KID;
        k->der_n = JWKS_DER;
        memset(k->kid, mark, JWKS_KID);
        memset(k->der, mark, JWKS_DER);
    }
}

/* What a set of make_set() is marked with; -1: it is a mixture. */
static int mark_of(const struct jwks_set *in)
{
    int mark = in->n ? in->keys[0].der[0] : 0;
    for (uint32_t i = 0; i < in->n; i++)
        for (size_t k = 0; k < JWKS_DER; k++)
            if (in->keys[i].der[k] != mark || (unsigned char)in->keys[i].kid[k % JWKS_KID] != mark)
                return -1;
    return mark;
}

static void rows(void **state)
{
    (void)state;
    assert_int_equal(jwks_find(&zone, 7), -1);
    int row = jwks_claim(&zone, SLOT, 7, 1000);
    assert_true(row >= 0);
    assert_int_equal(jwks_claim(&zone, SLOT, 7, 2000), row);
    assert_int_equal(jwks_find(&zone, 7), row);
    assert_true(jwks_is(&zone, row, 7));
    assert_int_equal(jwks_version(&zone, row), 0);
    assert_int_equal(jwks_get(&zone, row, &got), 0);
    assert_int_equal(got.n, 0);
    for (uint64_t i = 0; i < JWKS_ROWS - 1; i++)
        assert_true(jwks_claim(&zone, SLOT, 100 + i, 2000) >= 0);
    assert_int_equal(jwks_claim(&zone, SLOT, 8, 2000), -1);
    assert_int_equal(jwks_claim(&zone, SLOT, 8, 2000 + JWKS_KEEP), -1);
}

/* Another checker named its row by a clock that is a little ahead of ours. */
static void a_clock_that_lags_takes_no_row(void **state)
{
    (void)state;
    int row = jwks_claim(&zone, SLOT, 7, 2000);
    assert_int_not_equal(jwks_claim(&zone, SLOT, 8, 1990), row);
    assert_true(jwks_is(&zone, row, 7));
    assert_int_equal(jwks_claim(&zone, SLOT, 7, 1990), row);
}

static void a_row_that_nobody_names_changes_hands(void **state)
{
    struct jwks_state about = { .health = JWKS_GOOD };
    (void)state;
    for (uint64_t i = 0; i < JWKS_ROWS; i++)
        assert_true(jwks_claim(&zone, SLOT, 100 + i, 1000) >= 0);
    int row = jwks_find(&zone, 105);
    make_set(&set, 2, 'a');
    jwks_put(&zone, SLOT, row, 105, &set);
    jwks_put_state(&zone, SLOT, row, 105, &about);
    uint64_t version = jwks_version(&zone, row);
    for (uint64_t i = 0; i < JWKS_ROWS; i++)
        if (i != 5)
            assert_true(jwks_claim(&zone, SLOT, 100 + i, 1001) >= 0);
    assert_int_equal(jwks_claim(&zone, SLOT, 8, 1001 + JWKS_KEEP), row);
    assert_false(jwks_is(&zone, row, 105));
    assert_int_equal(jwks_find(&zone, 105), -1);
    assert_int_equal(jwks_get(&zone, row, &got), 0);
    assert_false(jwks_get_state(&zone, row, &about));
    /* who had it before and was asleep writes nothing into what is another's now */
    assert_false(jwks_put(&zone, SLOT, row, 105, &set));
    assert_false(jwks_put_state(&zone, SLOT, row, 105, &about));
    assert_int_equal(jwks_get(&zone, row, &got), 0);
    assert_false(jwks_get_state(&zone, row, &about));
    assert_true(jwks_put(&zone, SLOT, row, 8, &set));
    assert_true(jwks_version(&zone, row) != version);
}

static void sets(void **state)
{
    (void)state;
    int row = jwks_claim(&zone, SLOT, 7, 1);
    uint64_t last = 0;
    for (int i = 1; i < 200; i++) {
        make_set(&set, (uint32_t)i % (JWKS_KEYS + 1), i % 100 + 1);
        jwks_put(&zone, SLOT, row, 7, &set);
        assert_true(jwks_version(&zone, row) != last);
        last = jwks_version(&zone, row);
        memset(&got, 0xff, sizeof got);
        assert_true(jwks_get(&zone, row, &got) == last);
        assert_int_equal(got.n, set.n);
        assert_memory_equal(got.keys, set.keys, set.n * sizeof *set.keys);
    }
}

static void states(void **state)
{
    (void)state;
    int row = jwks_claim(&zone, SLOT, 7, 1);
    struct jwks_state in = { .health = JWKS_STALE, .fetches = 5 }, out;
    assert_false(jwks_get_state(&zone, row, &out));
    memset(in.error, 'x', sizeof in.error);
    jwks_put_state(&zone, SLOT, row, 7, &in);
    assert_true(jwks_get_state(&zone, row, &out));
    assert_int_equal(out.fetches, 5);
    assert_int_equal(strlen(out.error), JWKS_ERROR - 1);
    assert_int_equal(jwks_version(&zone, row), 0);
}

/* A wish is granted once in an interval, shared by all who have it, and joins what is under way. */
static void wishes(void **state)
{
    (void)state;
    int row = jwks_claim(&zone, SLOT, 7, 1);
    assert_false(jwks_wished(&zone, row) || jwks_fetching(&zone, row));
    uint64_t wish = jwks_wish(&zone, row, 1000, 500);
    assert_true(wish != 0 && jwks_wished(&zone, row));
    assert_true(jwks_wish(&zone, row, 1001, 500) == wish);
    assert_false(jwks_over(&zone, row, wish));
    jwks_begin(&zone, row, 1010, true);
    assert_true(jwks_fetching(&zone, row) && !jwks_wished(&zone, row));
    assert_false(jwks_over(&zone, row, wish));
    uint64_t joined = jwks_wish(&zone, row, 1012, 500);
    assert_true(joined != 0 && !jwks_over(&zone, row, joined));
    jwks_end(&zone, row, 1020);
    assert_true(jwks_over(&zone, row, wish) && jwks_over(&zone, row, joined));
    assert_false(jwks_fetching(&zone, row));
    assert_int_equal(jwks_wish(&zone, row, 1509, 500), 0);
    assert_true(jwks_wish(&zone, row, 1510, 500) != 0);
}

/* One that was due takes nobody's turn; clocks that lag lose no wish. */
static void wishes_beside_turns(void **state)
{
    (void)state;
    int row = jwks_claim(&zone, SLOT, 7, 1);
    jwks_begin(&zone, row, 1000, false);
    jwks_end(&zone, row, 1001);
    assert_int_equal(jwks_demanded(&zone, row), 0);
    uint64_t wish = jwks_wish(&zone, row, 990, 500); /* a worker whose turn began earlier */
    assert_true(wish > 1000 && jwks_wished(&zone, row) && !jwks_over(&zone, row, wish));
    jwks_begin(&zone, row, 995, true); /* at the same moment as the end before */
    assert_true(jwks_fetching(&zone, row) && !jwks_wished(&zone, row));
    jwks_end(&zone, row, 995);
    assert_true(jwks_over(&zone, row, wish) && !jwks_fetching(&zone, row));
}

static void an_owner_that_died(void **state)
{
    (void)state;
    int row = jwks_claim(&zone, SLOT, 7, 1);
    make_set(&set, 3, 'a');
    jwks_put(&zone, SLOT, row, 7, &set);
    struct lock_shm *lock = region_body(&zone);
    (void)lock_take(lock, 9);
    jwks_break(&zone, 9);
    make_set(&set, 4, 'b');
    jwks_put(&zone, SLOT, row, 7, &set);
    assert_true(jwks_get(&zone, row, &got) != 0);
    assert_int_equal(mark_of(&got), 'b');
    assert_false(atomic_load(&lock->suspect));
}

/* Writes sets until it is killed. */
static void write_for_ever(int row, uint32_t slot)
{
    static struct jwks_set mine;
    for (int i = 0;; i++) {
        make_set(&mine, 1 + (uint32_t)i % JWKS_KEYS, i % 200 + 1);
        jwks_put(&zone, slot, row, 7, &mine);
    }
}

/* Writers die at any instruction, and readers get whole sets all the time. */
static void killed_writers(void **state)
{
    (void)state;
    int row = jwks_claim(&zone, SLOT, 7, 1);
    make_set(&set, 1, 'a');
    jwks_put(&zone, SLOT, row, 7, &set);
    for (uint32_t round = 0; round < 60; round++) {
        uint64_t version = jwks_version(&zone, row);
        pid_t pid = fork();
        if (pid == 0)
            write_for_ever(row, 10 + round);
        assert_true(pid > 0);
        for (unsigned reads = 0; reads < 20 || jwks_version(&zone, row) == version; reads++) {
            assert_true(jwks_get(&zone, row, &got) != 0);
            assert_int_not_equal(mark_of(&got), -1);
        }
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_true(jwks_get(&zone, row, &got) != 0);
        assert_int_not_equal(mark_of(&got), -1);
        jwks_break(&zone, 10 + round);
    }
    jwks_put(&zone, SLOT, row, 7, &set);
    assert_true(jwks_get(&zone, row, &got) != 0);
    assert_int_equal(mark_of(&got), 'a');
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clock_that_lags_takes_no_row, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_that_nobody_names_changes_hands, setup, teardown),
        cmocka_unit_test_setup_teardown(sets, setup, teardown),
        cmocka_unit_test_setup_teardown(states, setup, teardown),
        cmocka_unit_test_setup_teardown(wishes, setup, teardown),
        cmocka_unit_test_setup_teardown(wishes_beside_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(an_owner_that_died, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_writers, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
