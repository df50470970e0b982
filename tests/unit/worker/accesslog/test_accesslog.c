/* SPDX-License-Identifier: Apache-2.0 */
/* The access log's buffer and its files: when it writes, what happens when it cannot, and what two
 * writers leave behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "worker/accesslog/accesslog.h"
#include "worker/base/log.h"
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/accesslog.XXXXXX";
static char path[64], other[64];

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/access.log", folder);
    snprintf(other, sizeof(other), "%s/access.log.1", folder);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    char errors[64];
    snprintf(errors, sizeof(errors), "%s/error.log", folder);
    return log_open(errors, LOG_LEVEL_INFO, "test") ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char errors[64];
    snprintf(errors, sizeof(errors), "%s/error.log", folder);
    log_close();
    unlink(errors);
    return rmdir(folder);
}

static void add(struct accesslog *log, int status, size_t target_n)
{
    static char target[900];
    memset(target, 't', sizeof(target));
    struct access_record r = { .client_ip = SLICE("::1"),
                               .method = SLICE("GET"),
                               .target = { target, target_n },
                               .protocol = SLICE("HTTP/1.1"),
                               .status = status };
    accesslog_append(log, &r);
}

static long size_of(const char *file)
{
    struct stat st;
    return stat(file, &st) == 0 ? (long)st.st_size : -1;
}

struct count {
    unsigned whole, broken;
};

/* Lines of the combined format that are as they were made, and others. */
static struct count count_lines(const char *file)
{
    char line[8192];
    struct count count = { 0 };
    FILE *f = fopen(file, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        size_t n = strlen(line);
        bool whole = strncmp(line, "::1 - - [", 9) == 0 && n > 20 &&
                     strcmp(line + n - 8, "\"-\" \"-\"\n") == 0 && !strstr(line + 1, "::1 - - [");
        whole ? count.whole++ : count.broken++;
    }
    fclose(f);
    return count;
}

static void test_off_is_null(void **state)
{
    (void)state;
    struct accesslog *log = accesslog_open("off", CONF_ACCESS_JSON);
    assert_null(log);
    add(log, 200, 1);
    accesslog_flush(log);
    accesslog_reopen(log);
    assert_int_equal(0, accesslog_lost(log));
    accesslog_close(&log);
}

static void test_lines_wait_for_flush_or_a_full_buffer(void **state)
{
    (void)state;
    struct accesslog *log = accesslog_open(path, CONF_ACCESS_COMBINED);
    add(log, 200, 10);
    assert_int_equal(0, size_of(path));
    accesslog_flush(log);
    assert_int_equal(1, count_lines(path).whole);
    for (int i = 0; i < 200; i++)
        add(log, 200, 500);
    assert_true(size_of(path) > 50000);
    accesslog_close(&log);
    assert_null(log);
    assert_int_equal(201, count_lines(path).whole);
    unlink(path);
}

static void test_reopen_follows_rotation(void **state)
{
    (void)state;
    struct accesslog *log = accesslog_open(path, CONF_ACCESS_COMBINED);
    add(log, 200, 1);
    assert_int_equal(0, rename(path, other));
    accesslog_reopen(log);
    add(log, 201, 1);
    accesslog_close(&log);
    assert_int_equal(1, count_lines(other).whole);
    assert_int_equal(1, count_lines(path).whole);
    unlink(path);
    unlink(other);
}

static void test_unopenable_file_loses_lines_and_recovers(void **state)
{
    (void)state;
    assert_int_equal(0, mkdir(path, 0700));
    struct accesslog *log = accesslog_open(path, CONF_ACCESS_COMBINED);
    assert_non_null(log);
    for (int i = 0; i < 300; i++)
        add(log, 200, 500);
    accesslog_flush(log);
    assert_int_equal(300, accesslog_lost(log));
    rmdir(path);
    accesslog_reopen(log);
    add(log, 200, 1);
    accesslog_close(&log);
    assert_int_equal(1, count_lines(path).whole);
    unlink(path);
}

static void test_full_device_keeps_a_buffer_and_counts_the_rest(void **state)
{
    (void)state;
    struct accesslog *log = accesslog_open("/dev/full", CONF_ACCESS_COMBINED);
    for (int i = 0; i < 1000; i++)
        add(log, 200, 500);
    assert_in_range(accesslog_lost(log), 800, 950);
    uint64_t lost = accesslog_lost(log);
    accesslog_flush(log);
    assert_int_equal(lost, accesslog_lost(log));
    accesslog_close(&log);
}

/* A file that may grow no more takes a part of a line, as a full disk does. */
static void test_torn_line_is_ended_when_there_is_room_again(void **state)
{
    (void)state;
    struct rlimit old, low;
    assert_int_equal(0, getrlimit(RLIMIT_FSIZE, &old));
    low = old;
    low.rlim_cur = 1000;
    struct accesslog *log = accesslog_open(path, CONF_ACCESS_COMBINED);
    for (int i = 0; i < 5; i++)
        add(log, 200, 300);
    assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &low));
    accesslog_flush(log);
    accesslog_flush(log);
    assert_int_equal(1000, size_of(path));
    assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &old));
    add(log, 200, 300);
    accesslog_flush(log);
    assert_int_equal(1, accesslog_lost(log));
    accesslog_close(&log);
    struct count count = count_lines(path);
    assert_int_equal(5, count.whole);
    assert_int_equal(1, count.broken);
    unlink(path);
}

static void test_pipe_nobody_reads_never_blocks(void **state)
{
    (void)state;
    assert_int_equal(0, mkfifo(path, 0600));
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    struct accesslog *log = accesslog_open(path, CONF_ACCESS_COMBINED);
    const unsigned lines = 1000;
    for (unsigned i = 0; i < lines; i++)
        add(log, 200, 700);
    accesslog_flush(log);
    uint64_t lost = accesslog_lost(log);
    assert_true(lost > 0);

    char *got = malloc(2000000);
    size_t n = 0;
    for (int i = 0; i < 64; i++) { /* what the pipe holds, then what is still buffered */
        ssize_t r;
        while ((r = read(reader, got + n, 65536)) > 0)
            n += (size_t)r;
        accesslog_flush(log);
    }
    close(reader);
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(n, write(fd, got, n));
    close(fd);
    free(got);
    assert_int_equal(lines - lost, count_lines(path).whole);
    assert_int_equal(0, count_lines(path).broken);
    add(log, 200, 1);
    accesslog_flush(log); /* the reader is gone: EPIPE, no signal */
    accesslog_close(&log);
    unlink(path);
}

static void write_many(const char *target, int status)
{
    struct accesslog *log = accesslog_open(target, CONF_ACCESS_COMBINED);
    for (unsigned i = 0; i < 3000; i++) {
        add(log, status, 1 + i * 37 % 800);
        if (i % 64 == 0)
            accesslog_flush(log);
    }
    accesslog_close(&log);
}

static void test_lines_of_several_processes_are_not_torn(void **state)
{
    (void)state;
    pid_t children[4];
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            write_many(path, 200 + i);
            _exit(0);
        }
    }
    for (int i = 0; i < 4; i++) {
        int status = -1;
        assert_int_equal(children[i], waitpid(children[i], &status, 0));
        assert_int_equal(0, status);
    }
    assert_int_equal(4 * 3000, count_lines(path).whole);
    assert_int_equal(0, count_lines(path).broken);
    unlink(path);
}

static void test_stdout(void **state)
{
    (void)state;
    fflush(stdout);
    int saved = dup(STDOUT_FILENO), ends[2], flags;
    assert_int_equal(0, pipe(ends));
    dup2(ends[1], STDOUT_FILENO);
    struct accesslog *log = accesslog_open("stdout", CONF_ACCESS_JSON);
    add(log, 200, 5);
    accesslog_close(&log);
    flags = fcntl(STDOUT_FILENO, F_GETFL);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    char line[ACCESS_LINE_MAX];
    ssize_t n = read(ends[0], line, sizeof(line));
    assert_true(n > 20 && line[0] == '{' && line[n - 1] == '\n');
    assert_false(flags & O_NONBLOCK);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_is_null),
        cmocka_unit_test(test_lines_wait_for_flush_or_a_full_buffer),
        cmocka_unit_test(test_reopen_follows_rotation),
        cmocka_unit_test(test_unopenable_file_loses_lines_and_recovers),
        cmocka_unit_test(test_full_device_keeps_a_buffer_and_counts_the_rest),
        cmocka_unit_test(test_torn_line_is_ended_when_there_is_room_again),
        cmocka_unit_test(test_pipe_nobody_reads_never_blocks),
        cmocka_unit_test(test_lines_of_several_processes_are_not_torn),
        cmocka_unit_test(test_stdout),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
