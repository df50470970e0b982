/* SPDX-License-Identifier: Apache-2.0 */
/* Which files the master would run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/program.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[128], found[PATH_MAX];
static struct refusal refusal;

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_program.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/gateway", folder);
    close(open(path, O_CREAT | O_WRONLY, 0755));
    return chmod(path, 0755);
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void finds_the_own_program(void **state)
{
    char here[PATH_MAX];

    (void)state;
    assert_true(program_find("/usr/sbin/gateway", found)); /* the link, not where it leads */
    assert_string_equal(found, "/usr/sbin/gateway");
    assert_non_null(getcwd(here, sizeof here));
    assert_true(program_find("build/gateway", found));
    assert_memory_equal(found, here, strlen(here));
    assert_string_equal(found + strlen(here), "/build/gateway");
    assert_true(program_find("gateway", found)); /* found along PATH: the kernel knows where */
    assert_non_null(strstr(found, "/test_program"));
}

static void takes_what_nobody_else_could_change(void **state)
{
    (void)state;
    assert_true(program_check(path, found, &refusal));
    assert_non_null(strstr(found, "/gateway"));
}

static void refuses_the_rest(void **state)
{
    (void)state;
    assert_false(program_check("gateway", found, &refusal));
    assert_non_null(strstr(refusal.text, "has to be absolute"));
    assert_false(program_check("/nowhere", found, &refusal));
    assert_non_null(strstr(refusal.text, "No such file"));
    assert_false(program_check(folder, found, &refusal));
    assert_non_null(strstr(refusal.text, "it is no program"));
    chmod(path, 0775);
    assert_false(program_check(path, found, &refusal));
    assert_non_null(strstr(refusal.text, "others than root could have changed"));
    chmod(path, 0644);
    assert_false(program_check(path, found, &refusal));
    chmod(path, 0755);
    chmod(folder, 0777);
    assert_false(program_check(path, found, &refusal));
    assert_non_null(strstr(refusal.text, folder));
    chmod(folder, 01777);
    assert_true(program_check(path, found, &refusal));
}

static void refuses_the_file_of_another_user(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(path, 65534, 65534), 0);
    assert_false(program_check(path, found, &refusal));
    assert_int_equal(chown(path, 0, 0), 0);
    assert_int_equal(chown(folder, 65534, 65534), 0);
    assert_false(program_check(path, found, &refusal));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(finds_the_own_program),
        TEST(takes_what_nobody_else_could_change),
        TEST(refuses_the_rest),
        TEST(refuses_the_file_of_another_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
