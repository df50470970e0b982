/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole master over processes that only play their part: what starts, dies, is replaced,
 * reloads and ends. The entries of the roles are defined here, so that the master is linked with
 * these in place of the real ones; how they behave is written in the configuration
 * (keepalive_requests), so that a reload can change it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/control/control.h"
#include "master/master.h"
#include "shm/assert.h"
#include "worker/checker/checker.h"
#include "worker/worker.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Values of keepalive_requests that mean something to the processes below. */
enum { WELL = 1000, DIES_AT_START = 1001, NEVER_READY = 1002, STAYS_WHEN_RETIRED = 1003 };

enum { PATIENCE = 90000 }; /* ms; nothing below takes that long unless it is broken */

/* --- the parts ------------------------------------------------------------------------- */

static struct channel_message heard;

/* Says READY, then waits until it is retired; `door`: a socket on which anybody is answered "ROLE
 * INDEX GENERATION". */
static int play(const struct heritage *h, int door, void (*asked)(const struct heritage *, char))
{
    struct pollfd p[2] = { { .fd = h->channel, .events = POLLIN },
                           { .fd = door, .events = POLLIN } };
    int way = h->conf->keepalive_requests, open_calls = 0;
    bool leaving = false;

    if (way == DIES_AT_START && h->role == ROLE_WORKER)
        must(h->role != ROLE_WORKER);
    if (way != NEVER_READY)
        channel_send(h->channel, CHANNEL_READY, 0, 0, NULL, 0);
    for (;;) {
        char text[64], question;
        int fd, got;

        poll(p, 2, -1);
        while ((got = channel_receive(h->channel, &heard)) == 1)
            if (heard.op == CHANNEL_RETIRE && way == STAYS_WHEN_RETIRED && h->role == ROLE_WORKER)
                channel_send(h->channel, CHANNEL_RETIRED, 0, 0, NULL, 0);
            else if (heard.op == CHANNEL_RETIRE)
                leaving = true;
            else if (heard.op == CHANNEL_RESULT && (fd = (int)heard.id) > 0) {
                dprintf(fd, "%u %s", heard.number, heard.text);
                close(fd);
                open_calls--;
            }
        if (got < 0 || (leaving && open_calls == 0))
            return 0;
        if (door < 0 || (fd = accept(door, NULL, NULL)) < 0)
            continue;
        if (asked && recv(fd, &question, 1, 0) == 1 && question != '?') {
            heard.id = (uint64_t)fd;
            open_calls++;
            asked(h, question);
            continue; /* answered with the result, by descriptor */
        }
        snprintf(text, sizeof text, "%d %u %llu %d", (int)h->role, h->index,
                 (unsigned long long)h->generation, (int)getpid());
        (void)!write(fd, text, strlen(text));
        close(fd);
    }
}

int worker_main(const struct heritage *h)
{
    return play(h, h->proxy[0], NULL);
}

int checker_main(const struct heritage *h)
{
    return play(h, -1, NULL);
}

static void ask_master(const struct heritage *h, char question)
{
    enum channel_op op = question == 'r'   ? CHANNEL_RELOAD
                         : question == 's' ? CHANNEL_STOP
                         : question == 'q' ? CHANNEL_QUIT
                                           : CHANNEL_REOPEN;
    channel_send(h->channel, op, 0, heard.id, NULL, 0);
}

int control_main(const struct heritage *h)
{
    return play(h, h->control, ask_master);
}

/* --- the stage ------------------------------------------------------------------------- */

static char folder[64], conf_path[96], log_path[96], log_text[1 << 16];
static char door[128], control[128];
static pid_t master_pid;
static struct master the_master;

static void write_conf(int way, int workers, const char *more)
{
    FILE *f = fopen(conf_path, "w");

    fprintf(f,
            "prefix = \"%s/run\";\nworkers = %d;\nkeepalive_requests = %d;\nuser = \"%s\";\n"
            "error_log = \"%s\";\nshutdown_timeout = 300;\nlog_level = \"info\";\n"
            "worker_connections = 100;\nproxy_listen = ( { address = \"unix:%s\"; } "
            ");\nstatus_listen = \"off\";\n"
            "shared_dicts = ( { name = \"gateway_cache\"; size = \"1m\"; } );\n%s",
            folder, workers, way, geteuid() == 0 ? "nobody" : "root", log_path, door, more);
    fclose(f);
}

static const char *log_content(void)
{
    FILE *f = fopen(log_path, "r");
    size_t n = f ? fread(log_text, 1, sizeof log_text - 1, f) : 0;

    log_text[n] = '\0';
    if (f)
        fclose(f);
    return log_text;
}

/* Waits until the log says so, at most PATIENCE. */
static void expect_log(const char *what)
{
    for (int i = 0; i < PATIENCE / 10; i++) {
        if (strstr(log_content(), what))
            return;
        usleep(10000);
    }
    fail_msg("no \"%s\" in:\n%s", what, log_text);
}

static int count_log(const char *what)
{
    int n = 0;
    for (const char *p = log_content(); (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

/* Connects, sends one byte, reads the answer to the end. */
static const char *ask(const char *path, char question)
{
    static char text[4096];
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    size_t n = 0;
    ssize_t got;
    struct timeval limit = { PATIENCE / 1000, 0 };

    strcpy(a.sun_path, path);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    text[0] = '\0';
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0) {
        (void)send(fd, &question, 1, MSG_NOSIGNAL); /* a worker answers unasked */
        while (n < sizeof text - 1 && (got = read(fd, text + n, sizeof text - 1 - n)) > 0)
            n += (size_t)got;
    }
    text[n] = '\0';
    close(fd);
    return text;
}

/* The generation that answers at the door, and who does. */
static unsigned long long generation_at(const char *path, pid_t *pid)
{
    unsigned long long generation = 0;
    unsigned role, index;
    int who = 0;

    (void)!sscanf(ask(path, '?'), "%u %u %llu %d", &role, &index, &generation, &who);
    if (pid)
        *pid = who;
    return generation;
}

/* Until the old one has heard that it is retired, it may still take a connection. */
static void expect_generation(const char *path, unsigned long long generation)
{
    unsigned long long got = generation_at(path, NULL);

    for (int i = 0; i < PATIENCE / 10 && got != generation; i++) {
        usleep(10000);
        got = generation_at(path, NULL);
    }
    assert_int_equal(got, generation);
}

static void launch(void)
{
    master_pid = fork();
    if (master_pid == 0) {
        static char name[] = "/nowhere/gateway";
        static char *const argv[] = { name, NULL };
        struct conf_errors errors = { 0 };
        const struct conf *conf = conf_load(conf_path, false, &errors);

        if (conf == NULL)
            fprintf(stderr, "%s\n", errors.text);
        _exit(conf ? master_run(&the_master, conf, conf_path, argv) : 99);
    }
}

static void start(int way, int workers)
{
    write_conf(way, workers, "");
    launch();
    expect_log("generation 1 serves");
}

static int ending(void)
{
    int status = -1;

    for (int i = 0; i < PATIENCE / 10; i++) {
        if (waitpid(master_pid, &status, WNOHANG) == master_pid) {
            master_pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
        }
        usleep(10000);
    }
    return -1;
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_master.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(conf_path, sizeof conf_path, "%s/gateway.conf", folder);
    snprintf(log_path, sizeof log_path, "%s/error.log", folder);
    snprintf(door, sizeof door, "%s/door.sock", folder);
    snprintf(control, sizeof control, "%s/run/control.sock", folder);
    return 0;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    if (master_pid > 0) {
        kill(master_pid, SIGKILL);
        waitpid(master_pid, NULL, 0);
    }
    master_pid = 0;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* --- the play -------------------------------------------------------------------------- */

static void starts_and_stops(void **state)
{
    char path[128];

    (void)state;
    start(WELL, 2);
    assert_int_equal(generation_at(door, NULL), 1);
    assert_int_equal(generation_at(control, NULL), 1);
    snprintf(path, sizeof path, "%s/run/gateway.pid", folder);
    assert_int_equal(access(path, F_OK), 0);
    kill(master_pid, SIGTERM);
    assert_int_equal(ending(), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(control, F_OK), -1);
    assert_int_equal(access(door, F_OK), -1);
}

static void a_killed_child_is_replaced_and_mourned(void **state)
{
    pid_t first, second = 0;
    char line[96];

    (void)state;
    start(WELL, 1);
    assert_int_equal(generation_at(door, &first), 1);
    kill(first, SIGKILL);
    snprintf(line, sizeof line,
             "worker 0 (pid %d) was killed by SIGKILL; a new one takes its place", (int)first);
    expect_log(line);
    assert_int_equal(generation_at(door, &second), 1);
    assert_int_not_equal(first, second);
    snprintf(line, sizeof line, "worker 0 (pid %d) serves in the place of pid %d after ",
             (int)second, (int)first);
    expect_log(line);
    kill(second, SIGSEGV);
    expect_log("was killed by SIGSEGV; last words: SIGSEGV sent by process");
    assert_int_equal(generation_at(door, NULL), 1);
}

static void a_crash_loop_backs_off(void **state)
{
    pid_t pid;

    (void)state;
    start(WELL, 1);
    /* four, and on a slow machine as many as it takes until four of them lived for less than a
     * second */
    for (int i = 0; i < 4 || (i < 200 && !strstr(log_content(), "it dies young")); i++) {
        assert_int_equal(generation_at(door, &pid), 1);
        kill(pid, SIGKILL);
    }
    expect_log("it dies young, the next one starts in 100 ms");
    assert_int_equal(generation_at(door, NULL), 1);
}

static void a_reload_brings_a_new_generation(void **state)
{
    pid_t old;

    (void)state;
    start(WELL, 1);
    assert_int_equal(generation_at(door, &old), 1);
    write_conf(WELL, 3, "");
    assert_string_equal(ask(control, 'r'), "0 generation 2 serves with 3 workers");
    expect_log("generation 2 serves with 3 workers");
    expect_generation(control, 2);
    expect_generation(door, 2);
    for (int i = 0; i < PATIENCE / 10 && kill(old, 0) == 0; i++)
        usleep(10000);
    assert_int_equal(kill(old, 0), -1);
    kill(master_pid, SIGHUP);
    expect_log("generation 3 serves with 3 workers");
}

static void a_broken_file_changes_nothing(void **state)
{
    const char *text;

    (void)state;
    start(WELL, 1);
    write_conf(WELL, 1, "worker = 5;\nnonsense = true;\n");
    text = ask(control, 'r');
    assert_int_equal(text[0], '1');
    assert_non_null(strstr(text, "gateway.conf:12: "));
    assert_non_null(strstr(text, "gateway.conf:13: "));
    expect_log("nothing has changed: generation 1 serves with 1 worker");
    assert_int_equal(count_log("configuration refused: "), 2);
    assert_int_equal(generation_at(door, NULL), 1);
}

static void an_address_that_cannot_be_had_changes_nothing(void **state)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    char line[64], expected[96];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n) + listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    start(WELL, 1);
    snprintf(line, sizeof line, "admin_listen = \"127.0.0.1:%d\";\n", ntohs(a.sin_port));
    snprintf(expected, sizeof expected, "1 cannot listen on 127.0.0.1:%d: Address already in use",
             ntohs(a.sin_port));
    write_conf(WELL, 1, line);
    assert_string_equal(ask(control, 'r'), expected);
    assert_int_equal(generation_at(door, NULL), 1);
    assert_int_equal(generation_at(control, NULL), 1);
    close(fd);
}

static void processes_that_die_at_start_change_nothing(void **state)
{
    const char *text;

    (void)state;
    start(WELL, 1);
    write_conf(DIES_AT_START, 1, "");
    text = ask(control, 'r');
    assert_int_equal(text[0], '1');
    assert_non_null(strstr(text, "was killed by SIGABRT; last words: "));
    assert_non_null(strstr(text, "assertion failed: h->role != ROLE_WORKER"));
    assert_int_equal(generation_at(door, NULL), 1);
    write_conf(WELL, 2, "");
    assert_string_equal(ask(control, 'r'), "0 generation 2 serves with 2 workers");
}

static void those_who_stay_too_long_are_ended(void **state)
{
    pid_t old;

    (void)state;
    start(STAYS_WHEN_RETIRED, 1);
    assert_int_equal(generation_at(door, &old), 1);
    write_conf(WELL, 1, "");
    assert_string_equal(ask(control, 'r'), "0 generation 2 serves with 1 worker");
    /* one, or more where others of them got no processor to end */
    expect_log(" processes of generation 1 still had work after 300 ms and are ended");
    expect_generation(door, 2);
}

static void a_start_that_fails_ends(void **state)
{
    (void)state;
    write_conf(DIES_AT_START, 1, "");
    launch();
    assert_int_equal(ending(), 1);
    expect_log("assertion failed: h->role != ROLE_WORKER");
    assert_int_equal(access(control, F_OK), -1);
}

static void a_second_start_is_refused(void **state)
{
    pid_t first;

    (void)state;
    start(WELL, 1);
    first = master_pid;
    launch();
    assert_int_equal(ending(), 1);
    master_pid = first;
    assert_int_equal(generation_at(door, NULL), 1);
    assert_int_equal(generation_at(control, NULL), 1);
}

static void a_graceful_stop_waits_and_then_does_not(void **state)
{
    (void)state;
    start(STAYS_WHEN_RETIRED, 2);
    kill(master_pid, SIGQUIT);
    assert_int_equal(ending(), 0);
    expect_log("graceful stop");
    expect_log(" processes did not end in time and are killed");
}

static void the_control_process_can_stop_it(void **state)
{
    (void)state;
    start(WELL, 1);
    assert_non_null(strstr(ask(control, 'o'), "0 logs reopened"));
    assert_string_equal(ask(control, 's'), "0 stopping");
    assert_int_equal(ending(), 0);
}

static void children_end_with_a_killed_master(void **state)
{
    pid_t worker;

    (void)state;
    start(WELL, 1);
    assert_int_equal(generation_at(door, &worker), 1);
    /* who has lost its parent becomes a child of this one: it may be that nobody else buries it */
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    kill(master_pid, SIGKILL);
    waitpid(master_pid, NULL, 0);
    master_pid = 0;
    alarm(PATIENCE / 1000);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    alarm(0);
    assert_int_equal(kill(worker, 0), -1);
    assert_int_equal(unlink(log_path), 0);
    start(WELL, 1);
    assert_int_equal(generation_at(door, NULL), 1);
}

static void rotated_logs_are_opened_anew(void **state)
{
    char moved[128];

    (void)state;
    start(WELL, 1);
    snprintf(moved, sizeof moved, "%s.1", log_path);
    assert_int_equal(rename(log_path, moved), 0);
    kill(master_pid, SIGUSR1);
    expect_log("logs reopened");
}

static void an_upgrade_that_cannot_start_changes_nothing(void **state)
{
    (void)state;
    start(WELL, 1);
    for (int i = 1; i <= 2; i++) {
        kill(master_pid, SIGUSR2);
        expect_log("upgrade: starting /nowhere/gateway");
        expect_log("upgrade refused: cannot run /nowhere/gateway: No such file or directory");
        for (int k = 0; k < PATIENCE / 10 && count_log("nothing has changed") < i; k++)
            usleep(10000);
        assert_int_equal(count_log("nothing has changed: generation 1 serves with 1 worker"), i);
        assert_int_equal(generation_at(door, NULL), 1);
    }
    write_conf(WELL, 1, "");
    assert_non_null(strstr(ask(control, 'r'), "generation 2 serves"));
}

static int descriptors(void)
{
    char path[64], command[128], text[16] = "";
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)master_pid);
    snprintf(command, sizeof command, "ls %s | wc -l", path);
    f = popen(command, "r");
    if (fgets(text, sizeof text, f) == NULL)
        text[0] = '\0';
    pclose(f);
    return atoi(text);
}

/* The control process that is just being replaced takes a question and not always answers it. */
static const char *reload_for_certain(void)
{
    const char *text = ask(control, 'r');

    for (int i = 0; i < 100 && text[0] == '\0'; i++)
        text = ask(control, 'r');
    return text;
}

static void reloads_leave_nothing_behind(void **state)
{
    int before;

    (void)state;
    start(WELL, 1);
    before = descriptors();
    for (int i = 2; i <= 40; i++) {
        write_conf(i % 5 == 0 ? DIES_AT_START : WELL, 1 + i % 3, "");
        reload_for_certain();
    }
    write_conf(WELL, 1, "");
    assert_non_null(strstr(reload_for_certain(), "serves with 1 worker"));
    int after = descriptors();
    for (int i = 0; i < PATIENCE / 10 && after > before; i++) {
        usleep(10000);
        after = descriptors();
    }
    assert_in_range(after, 1, before);
    assert_true(count_log("configuration refused: ") > 1);
    assert_true(count_log(" serves with ") > 20);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(starts_and_stops),
        TEST(a_killed_child_is_replaced_and_mourned),
        TEST(a_crash_loop_backs_off),
        TEST(a_reload_brings_a_new_generation),
        TEST(a_broken_file_changes_nothing),
        TEST(an_address_that_cannot_be_had_changes_nothing),
        TEST(processes_that_die_at_start_change_nothing),
        TEST(those_who_stay_too_long_are_ended),
        TEST(a_start_that_fails_ends),
        TEST(a_second_start_is_refused),
        TEST(a_graceful_stop_waits_and_then_does_not),
        TEST(the_control_process_can_stop_it),
        TEST(children_end_with_a_killed_master),
        TEST(rotated_logs_are_opened_anew),
        TEST(an_upgrade_that_cannot_start_changes_nothing),
        TEST(reloads_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
