/* SPDX-License-Identifier: Apache-2.0 */
/* The checker as the master meets it, and its duties at times of the test's choice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/checker/checker.c"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct site {
    struct heritage heritage;
    int master; /* the master's end of the channel */
    pid_t child;
};

static int setup(void **state)
{
    static struct site s;
    int ends[2];
    s = (struct site){ .child = -1 };
    assert_true(board_make(&s.heritage.board));
    assert_true(tickets_make(&s.heritage.tickets));
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    s.heritage.slot = 3;
    s.heritage.generation = 7;
    s.heritage.channel = ends[0];
    s.master = ends[1];
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct site *s = *state;
    if (s->child > 0) {
        kill(s->child, SIGKILL);
        waitpid(s->child, NULL, 0);
    }
    close(s->master);
    close(s->heritage.channel);
    region_drop(&s->heritage.board);
    region_drop(&s->heritage.tickets);
    return 0;
}

static void start(struct site *s)
{
    s->child = fork();
    assert_true(s->child >= 0);
    if (s->child == 0) {
        close(s->master);
        _exit(checker_main(&s->heritage));
    }
    close(s->heritage.channel);
    s->heritage.channel = -1;
}

static void expect_ready(struct site *s)
{
    static struct channel_message message;
    struct pollfd p = { .fd = s->master, .events = POLLIN };
    assert_int_equal(poll(&p, 1, 120000), 1);
    assert_int_equal(channel_receive(s->master, &message), 1);
    assert_int_equal(message.op, CHANNEL_READY);
    assert_int_equal(message.id, 7);
    assert_int_equal(board_of(&s->heritage.board)->rows[3].state, BOARD_RUNNING);
}

static void expect_end(struct site *s)
{
    int status;
    assert_int_equal(waitpid(s->child, &status, 0), s->child);
    s->child = -1;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void is_ready_then_retires(void **state)
{
    struct site *s = *state;
    start(s);
    expect_ready(s);
    assert_true(channel_send(s->master, CHANNEL_REOPEN_LOGS, 0, 0, NULL, 0));
    assert_true(channel_send(s->master, CHANNEL_RESULT, 0, 0, "not for it", 10));
    assert_true(channel_send(s->master, CHANNEL_RETIRE, 0, 0, NULL, 0));
    expect_end(s);
}

static void ends_with_the_master(void **state)
{
    struct site *s = *state;
    start(s);
    expect_ready(s);
    close(s->master);
    s->master = -1;
    expect_end(s);
}

static void rotates_keys_when_they_are_old(void **state)
{
    struct site *s = *state;
    struct ticket_key first[TICKETS_KEYS], keys[TICKETS_KEYS];
    static struct checker c;
    c = (struct checker){ .heritage = &s->heritage, .row = &board_of(&s->heritage.board)->rows[3] };
    struct clock now = { .ms = 1000 };
    assert_int_equal(tickets_read(&s->heritage.tickets, first), 1);
    now.real_s = first[0].made + TICKETS_AGE + 1;
    plan(&c, &now);
    assert_int_equal(patience(&c, &now), SWEEP_MS);
    run_due(&c, &now); /* old enough, but the duty is not due */
    assert_int_equal(tickets_read(&s->heritage.tickets, keys), 1);
    now.ms += TICKETS_LOOK_MS - 10;
    assert_int_equal(c.due[0] - now.ms, 10);
    now.ms += 10;
    assert_int_equal(patience(&c, &now), 0);
    run_due(&c, &now);
    assert_int_equal(tickets_read(&s->heritage.tickets, keys), 2);
    assert_memory_equal(&keys[1], &first[0], sizeof(keys[1]));
    now.ms += TICKETS_LOOK_MS;
    run_due(&c, &now); /* due, but the newest is young */
    assert_int_equal(tickets_read(&s->heritage.tickets, keys), 2);
    assert_string_equal(c.row->doing, "waiting");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(is_ready_then_retires, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_with_the_master, setup, teardown),
        cmocka_unit_test_setup_teardown(rotates_keys_when_they_are_old, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
