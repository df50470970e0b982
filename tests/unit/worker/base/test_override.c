/* SPDX-License-Identifier: Apache-2.0 */
/* Overrides: kept in order, found again, read back as written; one that the file has overtaken does
 * not hold; a record that is not sound is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/override.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct zone roster;
static const struct conf_text owner = { "orders", 6 };

static int setup(void **state)
{
    (void)state;
    return roster_make(&roster) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    region_drop(&roster);
    return 0;
}

static struct override about(const char *subject, enum override_thing thing, int value)
{
    struct override o = { .thing = (uint32_t)thing, .value = value, .base = 7 };
    assert_true(strlen(subject) < sizeof o.subject);
    strcpy(o.subject, subject);
    return o;
}

static void set(struct override_list *list, const char *subject, enum override_thing thing, int v)
{
    struct override o = about(subject, thing, v);
    assert_true(override_set(list, &o));
}

static void lists_are_kept_in_order(void **state)
{
    struct override_list list = { .n = 0 };
    char subject[16];
    (void)state;
    for (int i = 0; i < 500; i++) {
        snprintf(subject, sizeof subject, "h%d:1", i * 7919 % 500);
        set(&list, subject, OVERRIDE_WEIGHT, i * 7919 % 500);
        set(&list, subject, OVERRIDE_DRAIN, 1);
    }
    assert_int_equal(list.n, 1000);
    for (int i = 0; i < 500; i++) {
        snprintf(subject, sizeof subject, "h%d:1", i);
        assert_int_equal(override_find(&list, subject, OVERRIDE_WEIGHT)->value, i);
        assert_null(override_find(&list, subject, OVERRIDE_DOWN));
    }
    set(&list, "h3:1", OVERRIDE_WEIGHT, 9999);
    assert_int_equal(list.n, 1000);
    assert_int_equal(override_find(&list, "h3:1", OVERRIDE_WEIGHT)->value, 9999);
    assert_true(override_drop(&list, "h3:1", OVERRIDE_WEIGHT));
    assert_false(override_drop(&list, "h3:1", OVERRIDE_WEIGHT));
    assert_int_equal(list.n, 999);
    assert_non_null(override_find(&list, "h3:1", OVERRIDE_DRAIN));
    override_free(&list);
}

static void there_is_a_limit(void **state)
{
    struct override_list list = { .n = 0 };
    char subject[16];
    (void)state;
    for (int i = 0; i < OVERRIDE_MAX; i++) {
        snprintf(subject, sizeof subject, "h%05d:1", i);
        set(&list, subject, OVERRIDE_WEIGHT, 1);
    }
    struct override more = about("z:1", OVERRIDE_WEIGHT, 1);
    assert_false(override_set(&list, &more));
    strcpy(list.owner, "orders");
    assert_true(override_write(&roster, 1, ROSTER_UPSTREAM, &list));
    override_free(&list);
    assert_true(override_read(&roster, ROSTER_UPSTREAM, owner, &list, NULL));
    assert_int_equal(list.n, OVERRIDE_MAX);
    override_free(&list);
}

static void is_read_as_written(void **state)
{
    struct override_list list = { .owner = "orders" }, got;
    enum roster_kind kind;
    uint64_t change = 9;
    (void)state;
    assert_true(override_read(&roster, ROSTER_UPSTREAM, owner, &got, &change));
    assert_int_equal(got.n, 0);
    assert_int_equal(change, 0);
    assert_string_equal(got.owner, "orders");
    override_free(&got);
    set(&list, "b:1", OVERRIDE_DRAIN, 1);
    set(&list, "a:1", OVERRIDE_WEIGHT, 30);
    assert_true(override_write(&roster, 1, ROSTER_UPSTREAM, &list));
    assert_true(override_read(&roster, ROSTER_UPSTREAM, owner, &got, &change));
    assert_int_equal(change, 1);
    assert_int_equal(got.n, 2);
    assert_string_equal(got.v[0].subject, "a:1");
    assert_int_equal(got.v[1].thing, OVERRIDE_DRAIN);
    override_free(&got);
    assert_true(
        override_read_record(&roster, override_identity(ROSTER_UPSTREAM, owner), &kind, &got));
    assert_int_equal(kind, ROSTER_UPSTREAM);
    override_free(&got);
    assert_true(override_read(&roster, ROSTER_SERVICE, owner, &got, NULL)); /* another kind */
    assert_int_equal(got.n, 0);
    override_free(&got);
    override_free(&list);
    strcpy(list.owner, "orders");
    assert_true(override_write(&roster, 1, ROSTER_UPSTREAM, &list)); /* none: the record goes */
    assert_int_equal(roster_change(&roster, override_identity(ROSTER_UPSTREAM, owner)), 0);
}

static void what_is_not_sound_is_none(void **state)
{
    struct override_list list = { .owner = "orders" }, got;
    uint64_t identity = override_identity(ROSTER_UPSTREAM, owner);
    enum roster_kind kind;
    static char bytes[4096];
    (void)state;
    set(&list, "a:1", OVERRIDE_WEIGHT, 30);
    set(&list, "b:1", OVERRIDE_WEIGHT, 30);
    assert_true(override_write(&roster, 1, ROSTER_UPSTREAM, &list));
    size_t n = roster_get(&roster, identity, bytes, sizeof bytes, NULL);
    size_t head = n - 2 * sizeof(struct override);
    for (int damage = 0; damage < 4; damage++) {
        static char copy[sizeof bytes];
        memcpy(copy, bytes, n);
        struct override *second = (void *)(copy + head + sizeof *second);
        if (damage == 0)
            second->thing = 99;
        else if (damage == 1)
            strcpy(second->subject, "a:1"); /* twice */
        else if (damage == 2)
            copy[8] = 'x'; /* another's name */
        roster_put(&roster, 1, identity, copy, damage == 3 ? n - 1 : n, ROSTER_LOUD);
        assert_true(override_read(&roster, ROSTER_UPSTREAM, owner, &got, NULL));
        assert_int_equal(got.n, 0);
        override_free(&got);
        assert_false(override_read_record(&roster, identity, &kind, &got));
        override_free(&got);
    }
    override_free(&list);
}

static void it_holds_while_the_file_says_the_same(void **state)
{
    struct conf_target file = { .weight = 100, .max_connections = 5 };
    struct conf_service service = { .host = { "blue", 4 } }, other = { .host = { "green", 5 } };
    struct override o = about("a:1", OVERRIDE_WEIGHT, 1);
    (void)state;
    o.base = override_base(&file, OVERRIDE_WEIGHT);
    assert_true(override_holds(&o, &file));
    file.max_connections = 6;
    assert_true(override_holds(&o, &file)); /* another thing */
    file.weight = 50;
    assert_false(override_holds(&o, &file));
    assert_false(override_holds(&o, NULL));
    o.thing = OVERRIDE_ADDED;
    o.base = override_base(NULL, OVERRIDE_ADDED);
    assert_true(override_holds(&o, NULL));
    assert_false(override_holds(&o, &file)); /* the file has it by now */
    assert_true(override_base_host(&service) != override_base_host(&other));
    o = about("green", OVERRIDE_HOST, 1);
    o.base = override_base_host(&service);
    struct override_list list = { .n = 1, .v = &o };
    assert_ptr_equal(override_find_host(&list, &service, OVERRIDE_HOST), &o);
    assert_null(override_find_host(&list, &other, OVERRIDE_HOST));
}

static void values_by_hand_and_orphans(void **state)
{
    struct conf_target file = { .weight = 7 };
    struct override_list list = { .n = 0 };
    struct override o = about("a:1", OVERRIDE_WEIGHT, 3);
    (void)state;
    assert_true(override_set(&list, &o)); /* the file said 7 */
    assert_int_equal(override_value(&list, "a:1", &file, OVERRIDE_WEIGHT, 7), 3);
    assert_int_equal(override_value(&list, "a:1", &file, OVERRIDE_DRAIN, 0), 0);
    file.weight = 8;
    assert_int_equal(override_value(&list, "a:1", &file, OVERRIDE_WEIGHT, 8), 8);
    assert_false(override_is_orphan(&list, &o));
    o = about("b:1", OVERRIDE_WEIGHT, 3);
    o.base = override_base(NULL, OVERRIDE_WEIGHT);
    assert_true(override_set(&list, &o));
    assert_true(override_is_orphan(&list, &o));
    struct override added = about("b:1", OVERRIDE_ADDED, 1);
    assert_true(override_set(&list, &added));
    assert_false(override_is_orphan(&list, &o));
    override_free(&list);
}

static void subjects(void **state)
{
    static const char *const same[][2] = {
        { "A.example:80", "a.example:80" }, { "a.example", "a.example:8000" },
        { "[::1]:80", "[::1]:80" },         { "[::1]", "[::1]:8000" },
        { "unix:/Run/x", "unix:/Run/x" },   { "10.0.0.1", "10.0.0.1:8000" }
    };
    char out[OVERRIDE_SUBJECT], long_one[400];
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_true(override_parse(same[i][0], strlen(same[i][0]), out));
        assert_string_equal(out, same[i][1]);
    }
    memset(long_one, 'a', sizeof long_one);
    assert_false(override_parse(long_one, sizeof long_one, out));
    assert_false(override_parse("", 0, out));
    assert_false(override_parse("a b", 3, out));
    assert_false(override_parse("a\0b", 3, out));
    struct conf_target target = { .target = { "X:5", 3 }, .host = { "x", 1 }, .port = 5 };
    override_subject(&target, out);
    assert_string_equal(out, "x:5");
    for (uint32_t i = 1; i < OVERRIDE_THINGS; i++)
        assert_int_equal(override_thing_of(override_name(i)), i);
    assert_int_equal(override_thing_of("x"), 0);
    assert_string_equal(override_name(99), "unknown");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(lists_are_kept_in_order),
        TEST(there_is_a_limit),
        TEST(is_read_as_written),
        TEST(what_is_not_sound_is_none),
        TEST(it_holds_while_the_file_says_the_same),
        TEST(values_by_hand_and_orphans),
        TEST(subjects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
