/* SPDX-License-Identifier: Apache-2.0 */
/* The prefix, the pid file and its lock, logs that belong to the user of the processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/files.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64], prefix[80], pid_path[128], error_log[128], access_log[128];
static struct conf conf;
static struct sandbox_user user;
static struct refusal refusal;

static struct conf_text text(const char *s)
{
    return (struct conf_text){ s, strlen(s) };
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_files.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(prefix, sizeof prefix, "%s/run", folder);
    snprintf(pid_path, sizeof pid_path, "%s/run/gateway.pid", folder);
    snprintf(error_log, sizeof error_log, "%s/error.log", folder);
    snprintf(access_log, sizeof access_log, "%s/access.log", folder);
    conf = (struct conf){ .prefix = text(prefix),
                          .pid_file = text(pid_path),
                          .error_log = text(error_log),
                          .access_log = text(access_log) };
    user = (struct sandbox_user){ .change = geteuid() == 0, .uid = 65534, .gid = 65534 };
    refusal.text[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(pid_path);
    unlink(error_log);
    unlink(access_log);
    rmdir(prefix);
    return rmdir(folder);
}

static uid_t owner(const char *path)
{
    struct stat st = { 0 };

    assert_int_equal(stat(path, &st), 0);
    return st.st_uid;
}

static void makes_what_is_missing(void **state)
{
    struct stat st;
    uid_t expected = user.change ? user.uid : geteuid();

    (void)state;
    assert_true(files_prepare(&conf, &user, &refusal));
    assert_int_equal(stat(prefix, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_int_equal(st.st_uid, expected);
    assert_int_equal(owner(error_log), expected);
    assert_int_equal(owner(access_log), expected);
    assert_true(files_prepare(&conf, &user, &refusal));
}

static void makes_rotated_logs_again(void **state)
{
    (void)state;
    assert_true(files_prepare(&conf, &user, &refusal));
    assert_int_equal(unlink(error_log), 0);
    files_prepare_logs(&conf, &user);
    assert_int_equal(owner(error_log), user.change ? user.uid : geteuid());
}

static void words_for_logs_are_no_files(void **state)
{
    (void)state;
    conf.error_log = text("stderr");
    conf.access_log = text("off");
    assert_true(files_prepare(&conf, &user, &refusal));
    assert_int_equal(access(error_log, F_OK), -1);
}

static void refuses_what_it_cannot_make(void **state)
{
    (void)state;
    conf.prefix = text("/nowhere/at/all");
    assert_false(files_prepare(&conf, &user, &refusal));
    assert_non_null(strstr(refusal.text, "/nowhere/at/all: No such file or directory"));
    conf.prefix = text("/dev/null");
    assert_false(files_prepare(&conf, &user, &refusal));
    assert_non_null(strstr(refusal.text, "/dev/null is no directory"));
    conf.prefix = text(folder);
    conf.error_log = text("/nowhere/error.log");
    assert_false(files_prepare(&conf, &user, &refusal));
    assert_non_null(strstr(refusal.text, "/nowhere/error.log"));
}

static void the_pid_file_is_written_and_removed(void **state)
{
    struct files_pid pid = { .fd = -1 };
    char content[32] = "", expected[32];
    FILE *f;

    (void)state;
    assert_true(files_prepare(&conf, &user, &refusal));
    assert_true(files_pid_take(&pid, pid_path, &refusal));
    f = fopen(pid_path, "r");
    assert_non_null(fgets(content, sizeof content, f));
    fclose(f);
    snprintf(expected, sizeof expected, "%d\n", (int)getpid());
    assert_string_equal(content, expected);
    files_pid_drop(&pid);
    assert_int_equal(pid.fd, -1);
    assert_int_equal(access(pid_path, F_OK), -1);
    files_pid_drop(&pid);
}

static void a_held_pid_file_names_its_holder(void **state)
{
    struct files_pid pid = { .fd = -1 }, other = { .fd = -1 };
    char expected[32];

    (void)state;
    assert_true(files_prepare(&conf, &user, &refusal));
    assert_true(files_pid_take(&pid, pid_path, &refusal));
    assert_false(files_pid_take(&other, pid_path, &refusal));
    assert_int_equal(other.fd, -1);
    snprintf(expected, sizeof expected, "by process %d", (int)getpid());
    assert_non_null(strstr(refusal.text, expected));
    files_pid_drop(&pid);
    assert_true(files_pid_take(&other, pid_path, &refusal));
    files_pid_drop(&other);
}

static void a_left_over_pid_file_is_taken_over(void **state)
{
    struct files_pid pid = { .fd = -1 };
    pid_t child;

    (void)state;
    assert_true(files_prepare(&conf, &user, &refusal));
    child = fork();
    if (child == 0)
        _exit(files_pid_take(&pid, pid_path, &refusal) ? 0 : 1);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(access(pid_path, F_OK), 0);
    assert_true(files_pid_take(&pid, pid_path, &refusal));
    files_pid_drop(&pid);
}

static void a_pid_file_changes_hands(void **state)
{
    struct files_pid pid = { .fd = -1 }, heir, other = { .fd = -1 };
    char text[32] = "";
    int fd;

    (void)state;
    assert_true(files_prepare(&conf, &user, &refusal));
    assert_true(files_pid_take(&pid, pid_path, &refusal));
    heir = pid;
    heir.fd = dup(pid.fd); /* as over fork and exec */
    assert_int_equal(pwrite(pid.fd, "1234567890\n", 11, 0), 11);
    assert_true(files_pid_renew(&heir, &refusal));
    files_pid_leave(&pid);
    assert_int_equal(pid.fd, -1);
    assert_false(files_pid_take(&other, pid_path, &refusal)); /* still locked, by the heir */
    fd = open(pid_path, O_RDONLY);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    assert_int_equal(atoi(text), getpid());
    assert_int_equal(strlen(text), snprintf(NULL, 0, "%d\n", (int)getpid()));
    files_pid_drop(&heir);
    assert_int_equal(access(pid_path, F_OK), -1);
    assert_false(files_pid_renew(&pid, &refusal));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(makes_what_is_missing),
        TEST(makes_rotated_logs_again),
        TEST(words_for_logs_are_no_files),
        TEST(refuses_what_it_cannot_make),
        TEST(the_pid_file_is_written_and_removed),
        TEST(a_held_pid_file_names_its_holder),
        TEST(a_left_over_pid_file_is_taken_over),
        TEST(a_pid_file_changes_hands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
