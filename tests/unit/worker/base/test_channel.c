/* SPDX-License-Identifier: Apache-2.0 */
/* The channel: whole messages or nothing, whatever the other side sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/channel.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int ends[2], refusals; /* the next calls of sendmsg that find the queue full */

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (refusals > 0) {
        refusals--;
        errno = EAGAIN;
        return -1;
    }
    return syscall(SYS_sendmsg, fd, message, flags);
}

static struct channel_message got;

static int setup(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends);
}

static int teardown(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void carries_fields_and_text(void **state)
{
    (void)state;
    assert_int_equal(channel_receive(ends[1], &got), 0);
    assert_true(channel_send(ends[0], CHANNEL_RESULT, 1, 99, "two\nlines", 9));
    assert_true(channel_send(ends[0], CHANNEL_RETIRE, 0, 0, NULL, 0));
    assert_int_equal(channel_receive(ends[1], &got), 1);
    assert_int_equal(got.op, CHANNEL_RESULT);
    assert_int_equal(got.number, 1);
    assert_int_equal(got.id, 99);
    assert_string_equal(got.text, "two\nlines");
    assert_int_equal(channel_receive(ends[1], &got), 1);
    assert_int_equal(got.op, CHANNEL_RETIRE);
    assert_int_equal(got.text_n, 0);
    assert_string_equal(got.text, "");
    assert_int_equal(channel_receive(ends[1], &got), 0);
}

static void cuts_a_text_that_is_too_long(void **state)
{
    static char text[CHANNEL_TEXT_MAX + 1000];

    (void)state;
    memset(text, 'x', sizeof text);
    assert_true(channel_send(ends[0], CHANNEL_RESULT, 0, 1, text, sizeof text));
    assert_int_equal(channel_receive(ends[1], &got), 1);
    assert_int_equal(got.text_n, CHANNEL_TEXT_MAX - 1);
    assert_int_equal(strlen(got.text), CHANNEL_TEXT_MAX - 1);
}

static void drops_what_is_ill_formed(void **state)
{
    struct channel_message bad = { .op = CHANNEL_READY, .text_n = 5 };
    static char large[100000];
    size_t head = offsetof(struct channel_message, text);

    (void)state;
    assert_int_equal(send(ends[0], &bad, head, 0), head); /* says five bytes, has none */
    assert_int_equal(send(ends[0], &bad, head + 6, 0), head + 6);
    assert_int_equal(send(ends[0], &bad, 3, 0), 3);
    bad.text_n = 0;
    bad.op = 0;
    assert_int_equal(send(ends[0], &bad, head, 0), head);
    bad.op = CHANNEL_OPS;
    assert_int_equal(send(ends[0], &bad, head, 0), head);
    assert_int_equal(send(ends[0], large, sizeof large, 0), sizeof large);
    assert_int_equal(channel_receive(ends[1], &got), 0);
    assert_true(channel_send(ends[0], CHANNEL_READY, 0, 0, NULL, 0));
    assert_int_equal(channel_receive(ends[1], &got), 1);
    assert_int_equal(got.op, CHANNEL_READY);
}

static void says_when_the_other_side_is_gone(void **state)
{
    (void)state;
    assert_true(channel_send(ends[0], CHANNEL_READY, 0, 0, NULL, 0));
    close(ends[0]);
    ends[0] = -1;
    assert_int_equal(channel_receive(ends[1], &got), 1);
    assert_int_equal(channel_receive(ends[1], &got), -1);
    assert_false(channel_send(ends[1], CHANNEL_RETIRE, 0, 0, NULL, 0));
    assert_int_equal(errno, EPIPE);
}

static void waits_for_no_reader_for_long(void **state)
{
    int sent = 0;

    (void)state;
    while (sent < 100000 && channel_send(ends[0], CHANNEL_REOPEN_LOGS, 0, 0, NULL, 0))
        sent++;
    assert_true(sent > 0 && sent < 100000);
    assert_int_equal(errno, EAGAIN);
}

static void has_a_little_patience_with_a_full_queue(void **state)
{
    (void)state;
    refusals = 5;
    assert_true(channel_send(ends[0], CHANNEL_READY, 0, 7, NULL, 0));
    assert_int_equal(channel_receive(ends[1], &got), 1);
    assert_int_equal(got.id, 7);
}

static void passes_a_descriptor_to_who_takes_it(void **state)
{
    int pair[2], passed, first;

    (void)state;
    assert_int_equal(pipe(pair), 0);
    assert_true(channel_send_fd(ends[0], CHANNEL_TWIN, 3, pair[0]));
    assert_true(channel_send(ends[0], CHANNEL_ALONE, 4, 0, NULL, 0));
    assert_int_equal(channel_receive_fd(ends[1], &got, &passed), 1);
    assert_int_equal(got.op, CHANNEL_TWIN);
    assert_int_equal(got.number, 3);
    assert_true(passed >= 0 && passed != pair[0]);
    assert_int_equal(fcntl(passed, F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(read(passed, &first, 1), 1);
    close(passed);
    assert_int_equal(channel_receive_fd(ends[1], &got, &passed), 1);
    assert_int_equal(got.op, CHANNEL_ALONE);
    assert_int_equal(passed, -1);
    close(pair[0]);
    close(pair[1]);
}

/* A child that sends the master descriptors does not fill its table. */
static void leaves_no_descriptor_with_who_takes_none(void **state)
{
    int before = dup(0);

    (void)state;
    close(before);
    for (int i = 0; i < 3; i++) {
        assert_true(channel_send_fd(ends[0], CHANNEL_READY, 0, 0));
        assert_int_equal(channel_receive(ends[1], &got), 1);
    }
    int after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

/* Nor does an ill-formed packet with one. */
static void drops_descriptors_with_what_is_ill_formed(void **state)
{
    int passed, before = dup(0);

    (void)state;
    close(before);
    assert_true(channel_send_fd(ends[0], CHANNEL_OPS, 0, 0));
    assert_int_equal(channel_receive_fd(ends[1], &got, &passed), 0);
    assert_int_equal(passed, -1);
    int after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(carries_fields_and_text, setup, teardown),
        cmocka_unit_test_setup_teardown(cuts_a_text_that_is_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(drops_what_is_ill_formed, setup, teardown),
        cmocka_unit_test_setup_teardown(says_when_the_other_side_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(waits_for_no_reader_for_long, setup, teardown),
        cmocka_unit_test_setup_teardown(has_a_little_patience_with_a_full_queue, setup, teardown),
        cmocka_unit_test_setup_teardown(passes_a_descriptor_to_who_takes_it, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_no_descriptor_with_who_takes_none, setup, teardown),
        cmocka_unit_test_setup_teardown(drops_descriptors_with_what_is_ill_formed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
