/* SPDX-License-Identifier: Apache-2.0 */
/* The board: slots, and the last words of processes that die of each kind of bug. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/assert.h"
#include "shm/board.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct zone zone;
static struct board_shm *board;

static int setup(void **state)
{
    (void)state;
    if (!board_make(&zone))
        return -1;
    board = board_of(&zone);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    region_drop(&zone);
    return 0;
}

static void claims_the_lowest_free_slot(void **state)
{
    (void)state;
    assert_int_equal(board_claim(board, 1, 0, 5), 0);
    assert_int_equal(board_claim(board, 1, 1, 5), 1);
    assert_int_equal(board_claim(board, 2, 0, 5), 2);
    board_release(board, 1);
    assert_int_equal(board_claim(board, 0, 3, 6), 1);
    assert_int_equal(atomic_load(&board->rows[1].generation), 6);
    assert_int_equal(atomic_load(&board->rows[1].index), 3);
    assert_int_equal(atomic_load(&board->rows[1].state), BOARD_STARTING);
}

static void says_when_it_is_full(void **state)
{
    (void)state;
    for (int i = 0; i < BOARD_SLOTS; i++)
        assert_int_equal(board_claim(board, 0, 0, 1), i);
    assert_int_equal(board_claim(board, 0, 0, 1), -1);
    board_release(board, 77);
    assert_int_equal(board_claim(board, 0, 0, 1), 77);
}

static void slots_outside_do_no_harm(void **state)
{
    char words[8] = "before";

    (void)state;
    board_release(board, -1);
    board_release(board, BOARD_SLOTS);
    board_assign(board, -1, 0, 0, 0);
    board_assign(board, BOARD_SLOTS, 0, 0, 0);
    board_words(board, BOARD_SLOTS, words, sizeof words);
    assert_string_equal(words, "");
}

static void a_successor_finds_a_clean_row(void **state)
{
    char words[BOARD_WORDS];
    int slot = board_claim(board, 0, 0, 1);

    (void)state;
    strcpy(board->rows[slot].words, "old words");
    board_doing(&board->rows[slot], "parse");
    atomic_store(&board->rows[slot].connections, 12);
    board_assign(board, slot, 2, 4, 9);
    board_words(board, slot, words, sizeof words);
    assert_string_equal(words, "");
    assert_string_equal(board->rows[slot].doing, "");
    assert_int_equal(atomic_load(&board->rows[slot].connections), 0);
    assert_int_equal(atomic_load(&board->rows[slot].role), 2);
}

static void doing_is_cut_to_fit(void **state)
{
    char longer[200];

    (void)state;
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    board_doing(&board->rows[0], longer);
    assert_int_equal(strlen(board->rows[0].doing), BOARD_DOING - 1);
    board_doing(&board->rows[0], "log");
    assert_string_equal(board->rows[0].doing, "log");
}

static void scribbled_words_are_bounded_and_printable(void **state)
{
    char words[BOARD_WORDS + 10], few[5];

    (void)state;
    memset(board->rows[0].words, '\n', sizeof board->rows[0].words);
    board_words(board, 0, words, sizeof words);
    assert_int_equal(strlen(words), BOARD_WORDS);
    assert_int_equal(words[0], '?');
    board_words(board, 0, few, sizeof few);
    assert_string_equal(few, "????");
}

/* Runs `die` in a child that has its words caught; returns its wait status. */
static int run(void (*die)(void), char *words)
{
    int status = -1, slot = board_claim(board, 0, 0, 1);
    pid_t pid = fork();

    if (pid == 0) {
        board_catch(&board->rows[slot]);
        board_doing(&board->rows[slot], "access");
        die();
        _exit(99);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    board_words(board, slot, words, BOARD_WORDS);
    return status;
}

static void die_segv(void)
{
    *(volatile int *)mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) = 1;
}

static void die_must(void)
{
    must(board == NULL);
}

static void die_abort(void)
{
    abort();
}

static void die_illegal(void)
{
    __builtin_trap();
}

static int deeper(volatile char *p)
{
    volatile char room[4096];
    room[0] = p[0];
    return p[0] == 2 ? 0 : deeper(room) + room[0];
}

static void die_stack(void)
{
    const struct rlimit little = { 1 << 20, 1 << 20 }; /* here it may be without a limit */
    char c = 1;

    setrlimit(RLIMIT_STACK, &little);
    (void)deeper(&c);
}

static void expect(void (*die)(void), int sig, const char *text)
{
    char words[BOARD_WORDS];
    int status = run(die, words);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), sig);
    if (strstr(words, text) == NULL)
        fail_msg("no \"%s\" in \"%s\"", text, words);
    assert_non_null(strstr(words, " while access, backtrace: "));
    assert_non_null(strstr(words, "+0x"));
}

static void leaves_words_for_each_signal(void **state)
{
    (void)state;
    expect(die_segv, SIGSEGV, "SIGSEGV at 0x");
    expect(die_abort, SIGABRT, "SIGABRT");
    expect(die_illegal, SIGILL, "SIGILL at 0x");
}

static void leaves_the_failed_assertion(void **state)
{
    (void)state;
    expect(die_must, SIGABRT, "assertion failed: board == NULL; SIGABRT");
}

static void survives_a_full_stack_long_enough(void **state)
{
    (void)state;
    expect(die_stack, SIGSEGV, "SIGSEGV at 0x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(claims_the_lowest_free_slot, setup, teardown),
        cmocka_unit_test_setup_teardown(says_when_it_is_full, setup, teardown),
        cmocka_unit_test_setup_teardown(slots_outside_do_no_harm, setup, teardown),
        cmocka_unit_test_setup_teardown(a_successor_finds_a_clean_row, setup, teardown),
        cmocka_unit_test_setup_teardown(doing_is_cut_to_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(scribbled_words_are_bounded_and_printable, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_words_for_each_signal, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_the_failed_assertion, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_a_full_stack_long_enough, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
