/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as records: the same addresses in another order are no news; a record that is not sound
 * is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/answer.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static struct zone roster;
static struct answer a, b;
static const struct conf_text name = { "orders.example", 14 };

static int setup(void **state)
{
    (void)state;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    strcpy(a.name, name.s);
    return roster_make(&roster) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    region_drop(&roster);
    return 0;
}

static void add(struct answer *to, const char *ip, uint16_t port, uint16_t priority)
{
    struct answer_place *p = &to->places[to->n++];
    *p =
        (struct answer_place){ .six = strchr(ip, ':') != NULL, .port = port, .priority = priority };
    assert_int_equal(inet_pton(p->six ? AF_INET6 : AF_INET, ip, p->ip), 1);
}

static uint64_t epoch(void)
{
    return atomic_load(roster_epoch(&roster));
}

static void is_read_as_written(void **state)
{
    uint64_t change = 0;
    (void)state;
    assert_false(answer_read(&roster, name, &b, &change));
    add(&a, "10.0.0.1", 0, 0);
    a.state = ANSWER_GOOD;
    a.expires = 77;
    assert_true(answer_write(&roster, 1, &a, NULL));
    assert_true(answer_read(&roster, name, &b, &change));
    assert_int_equal(change, 1);
    assert_int_equal(b.n, 1);
    assert_int_equal(b.expires, 77);
    assert_memory_equal(b.places, a.places, sizeof *a.places);
    assert_true(answer_read_record(&roster, answer_identity(name), &b));
    assert_false(answer_read_record(&roster, 12345, &b));
}

static void times_are_no_news(void **state)
{
    (void)state;
    add(&a, "10.0.0.1", 0, 0);
    assert_true(answer_write(&roster, 1, &a, NULL));
    b = a;
    a.expires = 99;
    a.state = ANSWER_STALE;
    assert_true(answer_write(&roster, 1, &a, &b));
    assert_int_equal(epoch(), 1);
    add(&a, "10.0.0.2", 0, 0);
    assert_true(answer_write(&roster, 1, &a, &b));
    assert_int_equal(epoch(), 2);
}

static void order_is_no_news(void **state)
{
    (void)state;
    add(&a, "10.0.0.9", 80, 20);
    add(&a, "::1", 80, 10);
    add(&a, "10.0.0.2", 80, 10);
    add(&a, "10.0.0.1", 81, 10);
    add(&a, "10.0.0.1", 80, 10);
    add(&a, "10.0.0.2", 80, 10);
    answer_sort(&a);
    assert_int_equal(a.n, 5);
    char text[64];
    static const char *const wanted[] = { "10.0.0.1:80", "10.0.0.1:81", "10.0.0.2:80", "[::1]:80",
                                          "10.0.0.9:80" };
    for (size_t i = 0; i < 5; i++) {
        struct conf_address address;
        answer_address(&a.places[i], 9, &address, text);
        assert_string_equal(text, wanted[i]);
        assert_ptr_equal(address.text.s, text);
        assert_int_equal(address.u.any.sa_family, i == 3 ? AF_INET6 : AF_INET);
    }
    a.places[0].port = 0;
    struct conf_address address;
    answer_address(&a.places[0], 9, &address, text);
    assert_string_equal(text, "10.0.0.1:9");
    assert_int_equal(ntohs(address.u.in.sin_port), 9);
}

static void what_is_not_sound_is_none(void **state)
{
    (void)state;
    add(&a, "10.0.0.1", 0, 0);
    roster_put(&roster, 1, answer_identity(name), &a, 40, ROSTER_LOUD);
    assert_false(answer_read(&roster, name, &b, NULL));
    a.n = 5;
    roster_put(&roster, 1, answer_identity(name), &a, offsetof(struct answer, places) + 24,
               ROSTER_LOUD);
    assert_false(answer_read(&roster, name, &b, NULL));
    a.n = 1;
    strcpy(a.name, "another");
    roster_put(&roster, 1, answer_identity(name), &a, offsetof(struct answer, places) + 24,
               ROSTER_LOUD);
    assert_false(answer_read(&roster, name, &b, NULL));
    assert_string_equal(answer_state_name(ANSWER_STALE), "stale");
    assert_string_equal(answer_state_name(99), "unknown");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = { TEST(is_read_as_written), TEST(times_are_no_news),
                                               TEST(order_is_no_news),
                                               TEST(what_is_not_sound_is_none) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
