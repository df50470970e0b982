/* SPDX-License-Identifier: Apache-2.0 */
/* acl: groups that may and may not, and what the upstream is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_acl.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"

static struct stream s;

static struct conf_text ab[] = { { "a", 1 }, { "bb", 2 } }, b[] = { { "bb", 2 } },
                        c[] = { { "c", 1 } };
static struct conf_consumer consumer;

static int status_of(const struct conf_acl *config, const struct conf_consumer *who, bool known)
{
    fake_request(&s, "GET /\nX-Consumer-Groups: root\n");
    s.consumer = who;
    s.authenticated = known;
    enum stage_result r = acl_ops.access(&s, config);
    assert_int_equal(r, s.status ? STAGE_DONE : STAGE_NEXT);
    return s.status;
}

static int status_for(const struct conf_acl *config, const struct conf_consumer *who)
{
    return status_of(config, who, who != NULL);
}

static void groups(void **state)
{
    (void)state;
    struct conf_acl config = { .allow = { b, 1 } };
    consumer.groups = (struct conf_texts){ ab, 2 };
    assert_int_equal(status_for(&config, NULL), 401);
    assert_int_equal(status_for(&config, &consumer), 0);
    assert_true(slice_equal(*fake_upstream(&s, "X-Consumer-Groups"), SLICE("a, bb")));
    consumer.groups = (struct conf_texts){ c, 1 };
    assert_int_equal(status_for(&config, &consumer), 403);
    assert_true(slice_equal(s.message, SLICE("You cannot consume this service")));
    assert_null(fake_upstream(&s, "X-Consumer-Groups")->p);
    consumer.groups.n = 0;
    assert_int_equal(status_for(&config, &consumer), 403);
    config = (struct conf_acl){ .deny = { ab, 2 }, .hide_groups_header = true };
    assert_int_equal(status_for(&config, &consumer), 0);
    assert_null(fake_upstream(&s, "X-Consumer-Groups")->p);
    consumer.groups = (struct conf_texts){ c, 1 };
    assert_int_equal(status_for(&config, &consumer), 0);
    assert_null(fake_upstream(&s, "X-Consumer-Groups")->p);
    consumer.groups = (struct conf_texts){ b, 1 };
    assert_int_equal(status_for(&config, &consumer), 403);
}

/* A token that is no consumer's has shown who asks; the anonymous consumer has not. */
static void without_groups(void **state)
{
    (void)state;
    struct conf_acl allow = { .allow = { b, 1 } }, deny = { .deny = { b, 1 } };
    consumer.groups.n = 0;
    assert_int_equal(status_of(&allow, NULL, true), 403);
    assert_int_equal(status_of(&deny, NULL, true), 403);
    assert_int_equal(status_of(&allow, &consumer, false), 401);
    assert_true(slice_equal(s.message, SLICE("Unauthorized")));
    assert_int_equal(status_of(&deny, &consumer, false), 0);
    assert_int_equal(status_of(&deny, NULL, false), 401);
    consumer.groups = (struct conf_texts){ c, 1 };
    assert_int_equal(status_of(&allow, &consumer, false), 403);
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test_teardown(groups, teardown),
                                               cmocka_unit_test_teardown(without_groups,
                                                                         teardown) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
