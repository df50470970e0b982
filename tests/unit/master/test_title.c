/* SPDX-License-Identifier: Apache-2.0 */
/* The title over the command line: cut to its room, and nothing behind it is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/title.h"
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

static const char command[] = "/usr/sbin/gateway\0-c\0x.conf\0HOME=/root";
static char room[sizeof command];
static char *arguments[] = { room, room + 18, room + 21, NULL };

static int setup(void **state)
{
    (void)state;
    memcpy(room, command, sizeof command);
    return 0;
}

static void writes_over_the_arguments(void **state)
{
    char name[16];

    (void)state;
    title_init(3, arguments);
    title_set("worker 3");
    assert_string_equal(room, "gateway: worker 3");
    assert_string_equal(room + 28, "HOME=/root");
    assert_int_equal(prctl(PR_GET_NAME, name), 0);
    assert_string_equal(name, "worker 3");
    assert_string_equal(program_invocation_short_name, "gateway");
}

static void is_cut_to_its_room(void **state)
{
    (void)state;
    title_init(3, arguments);
    title_set("a title that is much longer than the command line was");
    assert_int_equal(strlen(room), 27);
    assert_string_equal(room + 28, "HOME=/root");
}

static void needs_no_arguments(void **state)
{
    char *none[] = { NULL };

    (void)state;
    title_init(0, none);
    title_set("control");
    assert_string_equal(room + 28, "HOME=/root");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(writes_over_the_arguments, setup),
        cmocka_unit_test_setup(is_cut_to_its_room, setup),
        cmocka_unit_test_setup(needs_no_arguments, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
