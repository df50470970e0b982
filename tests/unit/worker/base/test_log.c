/* SPDX-License-Identifier: Apache-2.0 */
/* The error log: form of a line, escapes, levels, rotation, lines that cannot be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[128], moved[128], text[16384];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_log.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/error.log", folder);
    snprintf(moved, sizeof moved, "%s/error.log.1", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_close();
    unlink(path);
    unlink(moved);
    return rmdir(folder);
}

static const char *content(const char *file)
{
    FILE *f = fopen(file, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;

    text[n] = '\0';
    if (f)
        fclose(f);
    return text;
}

static void a_line_has_its_form(void **state)
{
    regex_t form;

    (void)state;
    assert_true(log_open(path, LOG_LEVEL_INFO, "worker 3"));
    log_write(LOG_LEVEL_WARN, "peer %s took %d ms", "a:1", 12);
    assert_int_equal(regcomp(&form,
                             "^[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3} "
                             "[[]warn[]] [0-9]+ worker 3: peer a:1 took 12 ms\n$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    assert_int_equal(regexec(&form, content(path), 0, NULL, 0), 0);
    regfree(&form);
}

static void errno_is_told_and_kept(void **state)
{
    (void)state;
    assert_true(log_open(path, LOG_LEVEL_INFO, "master"));
    errno = ENOENT;
    log_errno(LOG_LEVEL_ERROR, "cannot read %s", "x");
    assert_int_equal(errno, ENOENT);
    assert_non_null(strstr(content(path), "master: cannot read x: No such file or directory\n"));
}

static void levels_below_are_silent(void **state)
{
    (void)state;
    assert_true(log_open(path, LOG_LEVEL_NOTICE, "master"));
    log_write(LOG_LEVEL_INFO, "not this");
    log_write(LOG_LEVEL_NOTICE, "but this");
    assert_false(log_wants(LOG_LEVEL_INFO));
    assert_true(log_wants(LOG_LEVEL_ERROR));
    assert_null(strstr(content(path), "not this"));
    assert_non_null(strstr(content(path), "but this"));
}

static void nobody_forges_a_line(void **state)
{
    (void)state;
    assert_true(log_open(path, LOG_LEVEL_INFO, "master"));
    log_write(LOG_LEVEL_INFO, "path %s", "/a\n2026 [error] forged\x1b[2J");
    assert_non_null(strstr(content(path), "path /a\\x0a2026 [error] forged\\x1b[2J\n"));
}

static void a_long_text_is_cut_to_one_line(void **state)
{
    static char longer[20000];

    (void)state;
    memset(longer, 1, sizeof longer - 1);
    assert_true(log_open(path, LOG_LEVEL_INFO, "master"));
    log_write(LOG_LEVEL_INFO, "%s", longer);
    content(path);
    assert_in_range(strlen(text), 2000, 4096);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void rotation_opens_the_path_anew(void **state)
{
    (void)state;
    assert_true(log_open(path, LOG_LEVEL_INFO, "master"));
    log_write(LOG_LEVEL_INFO, "before");
    assert_int_equal(rename(path, moved), 0);
    log_write(LOG_LEVEL_INFO, "between");
    log_reopen();
    log_write(LOG_LEVEL_INFO, "after");
    assert_non_null(strstr(content(moved), "between"));
    assert_null(strstr(text, "after"));
    assert_non_null(strstr(content(path), "after"));
}

static void a_file_that_cannot_be_opened_anew_is_kept(void **state)
{
    (void)state;
    assert_true(log_open(path, LOG_LEVEL_INFO, "master"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    log_reopen();
    log_write(LOG_LEVEL_INFO, "still somewhere");
    assert_int_equal(log_lost(), 0);
    assert_int_equal(rmdir(path), 0);
}

static void standard_error_stays_when_a_file_cannot_be_opened(void **state)
{
    (void)state;
    assert_false(log_open("/nowhere/at/all", LOG_LEVEL_ERROR, "master"));
    assert_true(log_wants(LOG_LEVEL_ERROR));
}

static void a_full_disk_is_counted_not_waited_for(void **state)
{
    unsigned long lost = log_lost();

    (void)state;
    assert_true(log_open("/dev/full", LOG_LEVEL_INFO, "master"));
    log_write(LOG_LEVEL_INFO, "nobody reads this");
    log_write(LOG_LEVEL_INFO, "nor this");
    assert_int_equal(log_lost(), lost + 2);
}

static void a_stopped_reader_is_not_waited_for(void **state)
{
    unsigned long lost = log_lost();
    int pipes[2], saved = dup(STDERR_FILENO);

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    dup2(pipes[1], STDERR_FILENO);
    assert_true(log_open("stderr", LOG_LEVEL_INFO, "master"));
    for (int i = 0; i < 3000; i++)
        log_write(LOG_LEVEL_INFO, "a line of some length that fills the pipe sooner or later");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipes[0]);
    close(pipes[1]);
    assert_true(log_lost() > lost);
}

static void repeated_lines_are_counted(void **state)
{
    struct log_site site = { 0 };

    (void)state;
    assert_true(log_open(path, LOG_LEVEL_INFO, "master"));
    assert_true(log_due(&site));
    for (int i = 0; i < 5; i++)
        (void)log_due(&site);
    assert_true(site.hidden <= 5);
    site.hidden = 41;
    site.next = 0;
    assert_true(log_due(&site));
    log_write(LOG_LEVEL_INFO, "accept: out of descriptors");
    log_write(LOG_LEVEL_INFO, "another");
    assert_non_null(strstr(content(path), "out of descriptors (and 41 more like this)\n"));
    assert_non_null(strstr(text, "another\n"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_line_has_its_form),
        TEST(errno_is_told_and_kept),
        TEST(levels_below_are_silent),
        TEST(nobody_forges_a_line),
        TEST(a_long_text_is_cut_to_one_line),
        TEST(rotation_opens_the_path_anew),
        TEST(a_file_that_cannot_be_opened_anew_is_kept),
        TEST(standard_error_stays_when_a_file_cannot_be_opened),
        TEST(a_full_disk_is_counted_not_waited_for),
        TEST(a_stopped_reader_is_not_waited_for),
        TEST(repeated_lines_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
