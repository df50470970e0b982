/* SPDX-License-Identifier: Apache-2.0 */
/* Marks: whose and what, and that a full set forgets the oldest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/memo.h"

static void remembers(void **state)
{
    struct memo memo = { 0 };
    struct memo_mark a, b, c, again;
    (void)state;
    assert_true(memo_mark(&memo, 1, SLICE("secret"), &a));
    assert_true(memo_mark(&memo, 2, SLICE("secret"), &b));
    assert_true(memo_mark(&memo, 1, SLICE("secret2"), &c));
    assert_true(memo_mark(&memo, 1, SLICE("secret"), &again));
    assert_memory_equal(&a, &again, sizeof a);
    assert_memory_not_equal(&a, &b, sizeof a);
    assert_memory_not_equal(&a, &c, sizeof a);
    assert_false(memo_has(&memo, &a));
    memo_add(&memo, &a);
    assert_true(memo_has(&memo, &a));
    assert_false(memo_has(&memo, &b));
    assert_false(memo_has(&memo, &c));
    memo_free(&memo);
}

static void keys_differ(void **state)
{
    struct memo one = { 0 }, two = { 0 };
    struct memo_mark a, b;
    (void)state;
    assert_true(memo_mark(&one, 1, SLICE("x"), &a));
    assert_true(memo_mark(&two, 1, SLICE("x"), &b));
    assert_memory_not_equal(&a, &b, sizeof a);
    memo_free(&one);
    memo_free(&two);
}

static void forgets_the_oldest(void **state)
{
    struct memo memo = { 0 };
    struct memo_mark marks[MEMO_WAYS + 1];
    (void)state;
    for (int i = 0; i <= MEMO_WAYS; i++) { /* all of one set */
        memset(&marks[i], 7, sizeof marks[i]);
        marks[i].bytes[MEMO_MARK - 1] = (uint8_t)i;
    }
    for (int i = 0; i < MEMO_WAYS; i++)
        memo_add(&memo, &marks[i]);
    memo_add(&memo, &marks[0]); /* is there already */
    for (int i = 0; i < MEMO_WAYS; i++)
        assert_true(memo_has(&memo, &marks[i]));
    memo_add(&memo, &marks[MEMO_WAYS]);
    assert_false(memo_has(&memo, &marks[0]));
    for (int i = 1; i <= MEMO_WAYS; i++)
        assert_true(memo_has(&memo, &marks[i]));
    memo_free(&memo);
}

static void charges_for_wrong_guesses(void **state)
{
    struct memo memo = { 0 };
    (void)state;
    assert_true(memo_affords(&memo, 5000000));
    memo_charge(&memo, 5000000, 200000); /* a fifth of a second: the credit is used up exactly */
    assert_true(memo_affords(&memo, 5000000));
    memo_charge(&memo, 5000000, 100000);
    assert_false(memo_affords(&memo, 5000000));
    assert_false(memo_affords(&memo, 5499999));
    assert_true(memo_affords(&memo, 5500000));
    memo_charge(&memo, 60000000, 1); /* time that was not used is not saved up */
    assert_int_equal(memo.debt_until, 60000000 + MEMO_CHARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(remembers), cmocka_unit_test(keys_differ),
                                        cmocka_unit_test(forgets_the_oldest),
                                        cmocka_unit_test(charges_for_wrong_guesses) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
