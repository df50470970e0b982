/* SPDX-License-Identifier: Apache-2.0 */
/* What has expired goes, and, once the file is the one in use, what the file overtook; nothing is
 * looked at while nothing is due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/control/api_change.h"
#include "tests/unit/master/control/api_fixture.h"

static int setup(void **state)
{
    *state = fixture_make();
    return *state == NULL;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void put(struct fixture *f, const char *subject, int64_t base, int64_t until)
{
    struct override_list list;
    struct override o = { .thing = OVERRIDE_WEIGHT, .value = 5, .base = base, .until = until };
    assert_true(
        override_read(&f->heritage.roster, ROSTER_UPSTREAM, fixture_upstream.name, &list, NULL));
    strcpy(o.subject, subject);
    assert_true(override_set(&list, &o));
    assert_true(override_write(&f->heritage.roster, 1, ROSTER_UPSTREAM, &list));
    override_free(&list);
}

static size_t left(struct fixture *f)
{
    struct override_list list;
    assert_true(
        override_read(&f->heritage.roster, ROSTER_UPSTREAM, fixture_upstream.name, &list, NULL));
    size_t n = list.n;
    override_free(&list);
    return n;
}

static void what_has_expired_goes(void **state)
{
    struct fixture *f = *state;
    put(f, "127.0.0.1:9001", 100, FIXTURE_NOW + 10);
    put(f, "127.0.0.1:9002", 50, 0);
    api_change_sweep(&f->api);
    assert_int_equal(left(f), 2);
    f->api.now = FIXTURE_NOW + 9;
    api_change_sweep(&f->api);
    assert_int_equal(left(f), 2);
    f->api.now = FIXTURE_NOW + 10;
    api_change_sweep(&f->api);
    assert_int_equal(left(f), 1);
}

static void what_the_file_overtook_goes_with_its_generation(void **state)
{
    struct fixture *f = *state;
    struct board_shm *board = board_of(&f->heritage.board);
    put(f, "127.0.0.1:9001", 77, 0); /* the file said 77, and says 100 now */
    put(f, "127.0.0.1:9002", 50, 0);
    board->generation = 2; /* this process's is not in use yet */
    api_change_sweep(&f->api);
    assert_int_equal(left(f), 2);
    board->generation = 3;
    api_change_sweep(&f->api);
    assert_int_equal(left(f), 1);
}

static void segments_are_decoded(void **state)
{
    char out[16];
    (void)state;
    assert_true(api_change_segment(SLICE("%5B::1%5D:80"), out, sizeof out));
    assert_string_equal(out, "[::1]:80");
    assert_false(api_change_segment(SLICE("0123456789abcdef"), out, sizeof out));
    assert_false(api_change_segment(SLICE("%00"), out, sizeof out));
    assert_false(api_change_segment(SLICE(""), out, sizeof out));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = { TEST(what_has_expired_goes),
                                        TEST(what_the_file_overtook_goes_with_its_generation),
                                        TEST(segments_are_decoded) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
