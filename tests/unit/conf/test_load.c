/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps share: unique names, ids, paths. */
#include "conf/load.h"
#include "loading.h"

static struct load load;
static struct source source;
static jmp_buf out;

static int begin(void **state)
{
    (void)state;
    memset(&load, 0, sizeof load);
    load.memory.no_memory = load.scratch.no_memory = &out;
    load.report = (struct report){ .memory = &load.scratch, .file = "f" };
    load.source = &source;
    load.conf = &source.as;
    source.as.prefix = (struct conf_text){ "/p", 2 };
    return 0;
}

static int end(void **state)
{
    (void)state;
    memory_free(&load.scratch);
    memory_free(&load.memory);
    return 0;
}

static void test_claims(void **state)
{
    (void)state;
    int one, two;
    struct load_claim claim = { &load.routes, "route", "name", { "r", 1 }, &one, NULL };
    assert_null(load_find(&load.routes, claim.name));
    load_claim(&load, &claim);
    assert_int_equal(load.report.n, 0);
    assert_ptr_equal(load_find(&load.routes, claim.name), &one);
    claim.entity = &two;
    load_claim(&load, &claim);
    assert_int_equal(load.report.n, 1);
    assert_ptr_equal(load_find(&load.routes, claim.name), &one);
    claim.name = (struct conf_text){ "", 0 };
    load_claim(&load, &claim);
    load_claim(&load, &claim);
    assert_int_equal(load.report.n, 1);
}

static void test_ids(void **state)
{
    (void)state;
    int one, two;
    struct load_claim claim = { &load.routes, "route", "name", { "r", 1 }, &one, NULL };
    struct conf_text derived = { "", 0 }, again = { "", 0 },
                     set = { "00000000-0000-4000-8000-00000000000a", 36 };
    load_id(&load, &claim, &derived);
    assert_int_equal(derived.n, 36);
    assert_ptr_equal(load_find_id(&load, "route", derived), &one);
    assert_null(load_find_id(&load, "service", derived));
    claim.kind = "service";
    load_id(&load, &claim, &again);
    assert_string_not_equal(derived.s, again.s);
    claim.entity = &two;
    load_id(&load, &claim, &set);
    assert_ptr_equal(load_find_id(&load, "service",
                                  (struct conf_text){ "00000000-0000-4000-8000-00000000000A", 36 }),
                     &two);
    assert_int_equal(load.report.n, 0);
    load_id(&load, &claim, &set);
    assert_int_equal(load.report.n, 1);
}

static void test_paths(void **state)
{
    (void)state;
    assert_string_equal(load_path(&load, (struct conf_text){ "a/b", 3 }).s, "/p/a/b");
    assert_string_equal(load_path(&load, (struct conf_text){ "/a", 2 }).s, "/a");
    assert_string_equal(load_path(&load, (struct conf_text){ "", 0 }).s, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_claims, begin, end),
        cmocka_unit_test_setup_teardown(test_ids, begin, end),
        cmocka_unit_test_setup_teardown(test_paths, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
