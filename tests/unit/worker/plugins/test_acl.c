/* SPDX-License-Identifier: Apache-2.0 */
/* acl: groups that may and may not, and what the upstream is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugin_acl.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"

static struct stream s;

static struct conf_text ab[] = { { "a", 1 }, { "bb", 2 } }, b[] = { { "bb", 2 } },
                        c[] = { { "c", 1 } };
static struct conf_consumer consumer;

static int status_for(const struct conf_acl *config, const struct conf_consumer *who)
{
    fake_request(&s, "GET /\nX-Consumer-Groups: root\n");
    s.consumer = who;
    enum stage_result r = acl_ops.access(&s, config);
    assert_int_equal(r, s.status ? STAGE_DONE : STAGE_NEXT);
    return s.status;
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

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test_teardown(groups, teardown) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
