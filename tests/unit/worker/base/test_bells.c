/* SPDX-License-Identifier: Apache-2.0 */
/* Bells ring for their slot, again and again without being read, also from another process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/bells.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

static int watch(const struct bells *bells, uint32_t slot)
{
    struct epoll_event e = { .events = EPOLLIN | EPOLLET };
    int epoll = epoll_create1(0);
    assert_true(epoll >= 0);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, bells_of(bells, slot), &e), 0);
    return epoll;
}

static bool rang(int epoll)
{
    struct epoll_event e;
    return epoll_wait(epoll, &e, 1, 0) == 1;
}

static void test_each_ring_is_seen_by_its_slot(void **state)
{
    struct bells bells;
    (void)state;
    assert_true(bells_make(&bells, 3));
    int zero = watch(&bells, 0), one = watch(&bells, 1);
    assert_false(rang(zero) || rang(one));
    for (int i = 0; i < 3; i++) {
        bells_ring(&bells, 1);
        assert_true(rang(one));
        assert_false(rang(one));
        assert_false(rang(zero));
    }
    bells_ring(&bells, 3); /* the fourth slot shares the first one's */
    assert_true(rang(zero));
    bells_ring_all(&bells);
    assert_true(rang(zero));
    assert_true(rang(one));
    close(zero);
    close(one);
    bells_drop(&bells);
    assert_int_equal(bells_of(&bells, 0), -1);
    bells_ring(&bells, 0);
}

static void test_from_another_process(void **state)
{
    struct bells bells;
    int status;
    (void)state;
    assert_true(bells_make(&bells, 2));
    int own = watch(&bells, 0);
    pid_t pid = fork();
    if (pid == 0) {
        bells_ring(&bells, 0);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(rang(own));
    close(own);
    bells_drop(&bells);
}

static void test_no_more_than_there_is_room(void **state)
{
    struct bells bells;
    (void)state;
    assert_true(bells_make(&bells, 1000));
    assert_int_equal(bells.n, BELLS_MAX);
    errno = 0;
    bells_ring(&bells, 255);
    assert_int_equal(errno, 0);
    bells_drop(&bells);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_ring_is_seen_by_its_slot),
        cmocka_unit_test(test_from_another_process),
        cmocka_unit_test(test_no_more_than_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
