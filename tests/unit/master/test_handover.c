/* SPDX-License-Identifier: Apache-2.0 */
/* The text that one master leaves to the next, and what they say to each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/handover.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct handover out, in;
static struct refusal refusal;
static char text[HANDOVER_TEXT];

static void comes_back_as_it_went(void **state)
{
    (void)state;
    out = (struct handover){ .generation = UINT64_MAX,
                             .master = 4711,
                             .link = 5,
                             .pid_file = { 6, "/run/a gateway/gateway.pid" },
                             .sockets = { 7, 8 },
                             .sockets_n = 2,
                             .zones = { { 9, 5, 7, "a cache" }, { 10, 1, 2, "" } },
                             .zones_n = 2,
                             .bells_n = BELLS_MAX,
                             .slots_n = BOARD_SLOTS };
    for (int i = 0; i < BELLS_MAX; i++)
        out.bells[i] = 100 + i;
    for (int i = 0; i < BOARD_SLOTS; i++)
        out.slots[i] = (struct handover_slot){ BOARD_SLOTS - 1 - i, i };
    assert_true(handover_print(&out, text, sizeof text));
    assert_true(handover_parse(text, &in, &refusal));
    assert_memory_equal(&in, &out, sizeof in);
    out.pid_file.fd = -1;
    assert_true(handover_print(&out, text, sizeof text));
    assert_true(handover_parse(text, &in, &refusal));
    assert_int_equal(in.pid_file.fd, -1);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    out = (struct handover){ .master = 1, .pid_file = { 6, "/a\nzone 1" } };
    assert_false(handover_print(&out, text, sizeof text));
    out.pid_file = (struct files_pid){ -1, "" };
    assert_true(handover_print(&out, text, sizeof text));
    for (size_t size = 0; size <= strlen(text); size++)
        assert_false(handover_print(&out, text, size));
}

static void reads_what_it_knows(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } texts[] = {
        { "gateway 1\nmaster 2\nlink 3\n", true },
        { "gateway 1\nmaster 2\nlink 3\nwind 4 from the north\n", true },
        { "gateway 2\nmaster 2\nlink 3\n", false },
        { "gateway 10\nmaster 2\nlink 3\n", false },
        { "", false },
        { "gateway 1\nmaster 2\n", false },
        { "gateway 1\nlink 3\n", false },
        { "gateway 1\nmaster 2\nlink 3\nzone\n", false },
        { "gateway 1\nmaster 2\nlink 3\nzone -1\n", false },
        { "gateway 1\nmaster 2\nlink 3\nzone 4\n", true },
        { "gateway 1\nmaster 2\nlink 3\nzone 4 x\n", false },
        { "gateway 1\nmaster 2\nlink 3\nzone 4 5\n", false },
        { "gateway 1\nmaster 2\nlink 3\nzone 1x\n", false },
        { "gateway 1\nmaster 2\nlink 3\nzone 99999999999\n", false },
        { "gateway 1\nmaster 2\nlink 3\nslot 256 1\n", false },
        { "gateway 1\nmaster 2\nlink 3\nslot 1\n", false },
        { "gateway 1\nmaster 2\nlink 3\npid_file 4\n", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(handover_parse(texts[i].text, &in, &refusal), texts[i].good);
    assert_false(handover_parse("gateway 77\n", &in, &refusal));
    assert_non_null(strstr(refusal.text, "\"gateway 77\""));
}

static void too_many_of_a_kind_are_refused(void **state)
{
    size_t n = (size_t)snprintf(text, sizeof text, "gateway 1\nmaster 2\nlink 3\n");

    (void)state;
    for (int i = 0; i <= BELLS_MAX; i++) {
        assert_true(handover_parse(text, &in, &refusal));
        n += (size_t)snprintf(text + n, sizeof text - n, "bell %d\n", i);
    }
    assert_false(handover_parse(text, &in, &refusal));
}

static void descriptors_pass_exec_or_do_not(void **state)
{
    (void)state;
    out = (struct handover){ .link = open("/dev/null", O_RDONLY | O_CLOEXEC),
                             .pid_file = { .fd = -1 },
                             .zones = { { .fd = open("/dev/null", O_RDONLY | O_CLOEXEC) } },
                             .zones_n = 1 };
    assert_true(handover_close_on_exec(&out, false));
    assert_int_equal(fcntl(out.zones[0].fd, F_GETFD), 0);
    assert_int_equal(fcntl(out.link, F_GETFD), 0);
    assert_true(handover_close_on_exec(&out, true));
    assert_int_equal(fcntl(out.zones[0].fd, F_GETFD), FD_CLOEXEC);
    close(out.zones[0].fd);
    assert_false(handover_close_on_exec(&out, true));
    close(out.link);
}

static void words_are_heard_in_order(void **state)
{
    static char longest[HANDOVER_SAID * 2], heard[HANDOVER_SAID];
    enum handover_word word;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    assert_int_equal(handover_hear(ends[0], &word, heard), 0);
    memset(longest, 'x', sizeof longest - 1);
    assert_true(handover_say(ends[1], HANDOVER_READY, NULL));
    assert_true(handover_say(ends[1], HANDOVER_REFUSED, longest));
    assert_int_equal(handover_hear(ends[0], &word, heard), 1);
    assert_int_equal(word, HANDOVER_READY);
    assert_string_equal(heard, "");
    assert_int_equal(handover_hear(ends[0], &word, heard), 1);
    assert_int_equal(word, HANDOVER_REFUSED);
    assert_int_equal(strlen(heard), HANDOVER_SAID - 1);
    close(ends[1]);
    assert_int_equal(handover_hear(ends[0], &word, heard), -1);
    assert_false(handover_say(ends[0], HANDOVER_GO, NULL));
    close(ends[0]);
}

static void who_ends_early_says_why(void **state)
{
    char heard[HANDOVER_SAID];
    enum handover_word word;
    int ends[2];

    (void)state;
    unsetenv(HANDOVER_VARIABLE);
    handover_decline("nobody hears it");
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    snprintf(text, sizeof text, "gateway 1\nmaster 2\nlink %d\n", ends[1]);
    setenv(HANDOVER_VARIABLE, text, 1);
    handover_decline("line 7: no");
    assert_int_equal(handover_hear(ends[0], &word, heard), 1);
    assert_int_equal(word, HANDOVER_REFUSED);
    assert_string_equal(heard, "line 7: no");
    setenv(HANDOVER_VARIABLE, "nonsense", 1);
    handover_decline("nobody hears it");
    unsetenv(HANDOVER_VARIABLE);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_went),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(reads_what_it_knows),
        cmocka_unit_test(too_many_of_a_kind_are_refused),
        cmocka_unit_test(descriptors_pass_exec_or_do_not),
        cmocka_unit_test(words_are_heard_in_order),
        cmocka_unit_test(who_ends_early_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
