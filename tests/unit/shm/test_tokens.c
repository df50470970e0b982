/* SPDX-License-Identifier: Apache-2.0 */
/* Answers about tokens: kept until their end, asked for by one at a time, taken over from the dead,
 * and who makes room for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/tokens.h"
#include <string.h>

enum { ONE = 3, TWO = 70, NOW = 1000000, SMALL = 1 << 20 };

static struct zone zone;
static struct tokens *one, *two;
static uint32_t woken[8];
static size_t woken_n;

static void wake(void *arg, uint32_t slot)
{
    (void)arg;
    woken[woken_n++ % 8] = slot;
}

static int setup(void **state)
{
    (void)state;
    woken_n = 0;
    if (!tokens_make(&zone, SMALL))
        return -1;
    one = tokens_attach(&zone, ONE, wake, NULL);
    two = tokens_attach(&zone, TWO, wake, NULL);
    return one && two ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    tokens_detach(&one);
    tokens_detach(&two);
    region_drop(&zone);
    return 0;
}

/* Ids of one set: the second eight bytes choose it. */
static const uint8_t *id_of(unsigned n)
{
    static uint8_t id[TOKENS_ID];
    memset(id, 0, sizeof id);
    memcpy(id, &n, sizeof n);
    id[31] = 1;
    return id;
}

static bool finds(const struct tokens *t, unsigned n, int64_t now, const char *text)
{
    char out[TOKENS_TEXT];
    size_t length = 0;
    if (!tokens_find(t, id_of(n), now, out, &length))
        return false;
    assert_int_equal(length, strlen(text));
    assert_memory_equal(out, text, length);
    return true;
}

static struct tokens_answer answer(const char *text, int64_t until)
{
    return (struct tokens_answer){ .text = text, .n = strlen(text), .until = until };
}

static void put(unsigned n, int64_t until, bool refusal)
{
    struct tokens_ticket ticket;
    struct tokens_answer a = answer("x", until);
    a.refusal = refusal;
    assert_int_equal(tokens_take(one, id_of(n), NOW, &ticket), TOKENS_ASK);
    tokens_tell(one, &ticket, &a, NOW);
}

static void holds_until_its_end(void **state)
{
    (void)state;
    struct tokens_ticket ticket, other;
    struct tokens_answer a = answer("active\nsub x\n", NOW + 10);
    assert_false(finds(one, 1, NOW, ""));
    assert_int_equal(tokens_take(one, id_of(1), NOW, &ticket), TOKENS_ASK);
    assert_false(finds(one, 1, NOW, ""));
    tokens_tell(one, &ticket, &a, NOW);
    assert_int_equal(ticket.number, 0);
    assert_true(finds(one, 1, NOW, "active\nsub x\n") && finds(two, 1, NOW + 9, "active\nsub x\n"));
    assert_false(finds(two, 2, NOW, ""));
    assert_int_equal(tokens_take(two, id_of(1), NOW + 9, &other), TOKENS_FOUND);
    assert_int_equal(other.number, 0);
    assert_false(finds(one, 1, NOW + 10, ""));
    assert_int_equal(tokens_take(two, id_of(1), NOW + 10, &other), TOKENS_ASK);
    tokens_fail(two, &other);
    assert_false(finds(one, 1, NOW, "")); /* the clock was set back: what has ended has ended */
}

static void one_asks_others_wait(void **state)
{
    (void)state;
    struct tokens_ticket mine, theirs;
    struct tokens_answer a = answer("a", NOW + 1000);
    assert_int_equal(tokens_take(one, id_of(1), NOW, &mine), TOKENS_ASK);
    assert_int_equal(tokens_take(two, id_of(1), NOW, &theirs), TOKENS_WAIT);
    assert_int_equal(tokens_look(two, &theirs), TOKENS_PENDING);
    tokens_tell(one, &mine, &a, NOW);
    assert_int_equal(woken_n, 1);
    assert_int_equal(woken[0], TWO);
    assert_int_equal(tokens_look(two, &theirs), TOKENS_ENDED);
    assert_true(finds(two, 1, NOW, "a"));
    tokens_tell(one, &mine, &a, NOW); /* a ticket that has ended does nothing */
    assert_int_equal(woken_n, 1);
}

static void failures_are_told(void **state)
{
    (void)state;
    struct tokens_ticket mine, theirs;
    tokens_take(one, id_of(1), NOW, &mine);
    tokens_take(two, id_of(1), NOW, &theirs);
    tokens_fail(one, &mine);
    assert_int_equal(woken_n, 1);
    assert_int_equal(tokens_look(two, &theirs), TOKENS_FAILED);
    assert_int_equal(tokens_take(one, id_of(1), NOW, &mine), TOKENS_ASK); /* the next may try */
    assert_int_equal(tokens_look(two, &theirs), TOKENS_ENDED);
    tokens_fail(one, &mine);
}

static void what_cannot_be_kept_ends(void **state)
{
    (void)state;
    static char text[TOKENS_TEXT + 1];
    struct tokens_ticket mine, theirs;
    struct tokens_answer a = { .text = text, .n = sizeof text, .until = NOW + 1000 };
    tokens_take(one, id_of(1), NOW, &mine);
    tokens_take(two, id_of(1), NOW, &theirs);
    tokens_tell(one, &mine, &a, NOW);
    assert_int_equal(tokens_look(two, &theirs), TOKENS_ENDED);
    assert_false(finds(two, 1, NOW, ""));
    memset(text, 'x', sizeof text - 1);
    a.n = TOKENS_TEXT;
    tokens_take(one, id_of(1), NOW, &mine);
    tokens_tell(one, &mine, &a, NOW);
    assert_true(finds(two, 1, NOW, text));
    a.until = NOW;
    tokens_take(one, id_of(2), NOW, &mine);
    tokens_tell(one, &mine, &a, NOW);
    assert_false(finds(two, 2, NOW - 1, ""));
}

static void the_dead_are_succeeded(void **state)
{
    (void)state;
    struct tokens_ticket mine, theirs;
    struct tokens_answer a = answer("late", NOW + 1000);
    tokens_take(one, id_of(1), NOW, &mine);
    assert_int_equal(tokens_take(two, id_of(1), NOW, &theirs), TOKENS_WAIT);
    tokens_break(&zone, ONE);
    assert_int_equal(tokens_look(two, &theirs), TOKENS_ENDED);
    assert_int_equal(tokens_take(two, id_of(1), NOW, &theirs), TOKENS_ASK);
    tokens_tell(one, &mine, &a, NOW); /* if it had only seemed dead */
    assert_false(finds(two, 1, NOW, ""));
    a = answer("right", NOW + 1000);
    tokens_tell(two, &theirs, &a, NOW);
    assert_true(finds(one, 1, NOW, "right"));
    tokens_break(&zone, 1u << 20); /* no such slot */
}

/* Eight to a set: refusals go first, then what ends soonest; never what is being asked. */
static void makes_room(void **state)
{
    (void)state;
    struct tokens_ticket asked, t;
    assert_int_equal(tokens_take(one, id_of(0), NOW, &asked), TOKENS_ASK);
    for (unsigned i = 1; i < 8; i++)
        put(i, NOW + 100 * i, i == 7);
    put(10, NOW + 5000, false);
    assert_false(finds(one, 7, NOW, "x"));
    assert_true(finds(one, 1, NOW, "x"));
    put(11, NOW + 6000, false);
    assert_false(finds(one, 1, NOW, "x"));
    for (unsigned i = 2; i < 7; i++)
        assert_true(finds(one, i, NOW, "x"));
    assert_int_equal(tokens_take(two, id_of(0), NOW, &t), TOKENS_WAIT);
    for (unsigned i = 20; i < 27; i++)
        assert_int_equal(tokens_take(one, id_of(i), NOW, &t), TOKENS_ASK);
    assert_int_equal(tokens_take(one, id_of(27), NOW, &t), TOKENS_ALONE);
    tokens_fail(one, &asked);
    assert_int_equal(tokens_take(one, id_of(27), NOW, &t), TOKENS_ASK);
}

static void zones(void **state)
{
    (void)state;
    struct zone other;
    assert_true(tokens_fits(&zone, SMALL));
    assert_false(tokens_fits(&zone, SMALL * 4));
    assert_true(tokens_make(&other, SMALL));
    assert_memory_not_equal((char *)region_body(&other) + 8, tokens_secret(one), TOKENS_SECRET);
    region_drop(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(holds_until_its_end, setup, teardown),
        cmocka_unit_test_setup_teardown(one_asks_others_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_kept_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(the_dead_are_succeeded, setup, teardown),
        cmocka_unit_test_setup_teardown(makes_room, setup, teardown),
        cmocka_unit_test_setup_teardown(zones, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
