/* SPDX-License-Identifier: Apache-2.0 */
/* Rights: who a child becomes, what it can no longer do, and that it dies with the master. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/sandbox.h"
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct refusal refusal;

/* Runs `check` in a child that entered the sandbox; true when it said so. */
static int run(const struct sandbox_user *user, bool (*check)(const struct sandbox_user *))
{
    int status = -1;
    pid_t master = getpid(), pid = fork();

    if (pid == 0)
        _exit(sandbox_enter(user, master) && check(user) ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static bool is_confined(const struct sandbox_user *user)
{
    int death = 0;

    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_GET_PDEATHSIG, &death) == 0 &&
           death == SIGKILL && getuid() == user->uid && geteuid() == user->uid;
}

static bool is_nobody_for_good(const struct sandbox_user *user)
{
    gid_t groups[SANDBOX_GROUPS];
    int n = getgroups(SANDBOX_GROUPS, groups);

    for (int i = 0; i < n; i++)
        if (groups[i] == 0)
            return false;
    return is_confined(user) && getgid() == user->gid && setuid(0) < 0 && setgid(0) < 0;
}

static void an_ordinary_user_stays_who_it_is(void **state)
{
    struct sandbox_user user;

    (void)state;
    assert_true(sandbox_lookup("root", &user, &refusal));
    assert_false(user.change);
    assert_int_equal(run(&user, is_confined), 0);
}

static void root_becomes_the_user(void **state)
{
    struct sandbox_user user;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(sandbox_lookup("nobody", &user, &refusal));
    assert_true(user.change);
    assert_int_not_equal(user.uid, 0);
    assert_int_equal(run(&user, is_nobody_for_good), 0);
}

static void an_unknown_user_is_refused_by_name(void **state)
{
    struct sandbox_user user;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_false(sandbox_lookup("no-such-user", &user, &refusal));
    assert_non_null(strstr(refusal.text, "no-such-user"));
}

static void the_default_user_may_be_missing(void **state)
{
    struct sandbox_user user;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(sandbox_lookup("gateway", &user, &refusal));
    assert_true(user.change);
    assert_int_not_equal(user.uid, 0);
}

static void a_child_without_its_master_does_not_begin(void **state)
{
    struct sandbox_user user;
    int status = -1;
    pid_t pid;

    (void)state;
    assert_true(sandbox_lookup("root", &user, &refusal));
    pid = fork();
    if (pid == 0)
        _exit(sandbox_enter(&user, getpid()) ? 0 : 1); /* its parent is somebody else */
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 1 << 8);
}

static void workers_are_pinned_round_the_allowed_cpus(void **state)
{
    cpu_set_t before, after;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    for (uint32_t i = 0; i < 5; i++) {
        sandbox_pin(i);
        assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
        assert_int_equal(CPU_COUNT(&after), 1);
        assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    }
}

static void descriptors_are_raised_as_far_as_it_goes(void **state)
{
    struct rlimit before, after;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    before.rlim_cur = before.rlim_cur < 128 ? before.rlim_cur : 128;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    sandbox_descriptors(100);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_true(after.rlim_cur >= 712 || after.rlim_cur == after.rlim_max);
    sandbox_descriptors(0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(before.rlim_cur == after.rlim_cur);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_user_stays_who_it_is),
        cmocka_unit_test(root_becomes_the_user),
        cmocka_unit_test(an_unknown_user_is_refused_by_name),
        cmocka_unit_test(the_default_user_may_be_missing),
        cmocka_unit_test(a_child_without_its_master_does_not_begin),
        cmocka_unit_test(workers_are_pinned_round_the_allowed_cpus),
        cmocka_unit_test(descriptors_are_raised_as_far_as_it_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
