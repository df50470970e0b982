/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers about tokens under askers that die and readers that never stop. A child asks about a
 * token, tells what was said, asks about another one and fails, traced, and is killed after so and
 * so many instructions, some hundred times over the whole way: what can be read is what was said
 * before, what was said now, or nothing, and after the death is known another asks in its place.
 * Then two writers tell without a pause, and are killed and followed, while others read: never a
 * mixture. Skipped where ptrace is not allowed (the first).
 */
#include "tests/proc/traced.h"

#include "shm/tokens.h"
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

enum { VICTIM = 3, SURVIVOR = 5, DEATHS = 120, SIZE = 1 << 20, ROUND = 1000 };
enum { READERS = 2, WRITERS = 2, KILLS = 30, IDS = 3 };

static struct zone zone;
static int64_t base = 1000000; /* the time that a round begins at */

static void wake(void *arg, uint32_t slot)
{
    (void)arg, (void)slot;
}

static struct tokens *attach(uint32_t slot)
{
    struct tokens *t = tokens_attach(&zone, slot, wake, NULL);
    if (!t)
        _exit(1);
    return t;
}

/* All of one set. */
static const uint8_t *id_of(unsigned n)
{
    static uint8_t id[TOKENS_ID];
    memset(id, 0, sizeof id);
    id[0] = (uint8_t)(n + 1);
    id[31] = (uint8_t)n;
    return id;
}

static void tell(struct tokens *t, struct tokens_ticket *ticket, char letter, size_t n, int64_t now,
                 int64_t until)
{
    char text[TOKENS_TEXT];
    struct tokens_answer answer = { .text = text, .n = n, .until = until, .refusal = letter & 1 };
    memset(text, letter, n);
    tokens_tell(t, ticket, &answer, now);
}

/* How many letters are there, all the same, which is *letter; 0: nothing. SIZE_MAX: a mixture. */
static size_t letters(const struct tokens *t, unsigned id, int64_t now, char *letter)
{
    char text[TOKENS_TEXT];
    size_t n = 0;
    *letter = '-';
    if (!tokens_find(t, id_of(id), now, text, &n))
        return 0;
    *letter = text[0];
    for (size_t i = 1; i < n; i++)
        if (text[i] != *letter)
            return SIZE_MAX;
    return n;
}

/* --- any instruction ------------------------------------------------------------------------ */

static struct tokens *victim, *survivor; /* made before the fork: only the way is traced */

/* It is known as 'a' until base + 100. */
static void way(void)
{
    struct tokens_ticket ticket;
    if (tokens_take(victim, id_of(0), base + 200, &ticket) != TOKENS_ASK)
        _exit(2);
    tell(victim, &ticket, 'b', TOKENS_TEXT, base + 200, base + 400);
    if (tokens_take(victim, id_of(1), base + 200, &ticket) != TOKENS_ASK)
        _exit(3);
    tokens_fail(victim, &ticket);
}

static void say_a(void)
{
    struct tokens_ticket ticket;
    assert_int_equal(tokens_take(survivor, id_of(0), base, &ticket), TOKENS_ASK);
    tell(survivor, &ticket, 'a', 90, base, base + 100);
}

static long seen[3]; /* what was said before, what now, nothing */

static void is_sound(void)
{
    struct tokens_ticket ticket;
    char letter;
    size_t n = letters(survivor, 0, base + 50, &letter);
    assert_true((letter == 'a' && n == 90) || (letter == 'b' && n == TOKENS_TEXT) ||
                (letter == '-' && n == 0));
    seen[letter == '-' ? 2 : letter - 'a']++;
    tokens_break(&zone, VICTIM);
    enum tokens_turn turn = tokens_take(survivor, id_of(0), base + 300, &ticket);
    assert_true(turn == TOKENS_ASK || (turn == TOKENS_FOUND && letter == 'b'));
    if (turn == TOKENS_ASK) {
        tell(survivor, &ticket, 'c', 10, base + 300, base + 400);
        assert_int_equal(letters(survivor, 0, base + 300, &letter), 10);
    }
    assert_int_equal(tokens_take(survivor, id_of(1), base + 300, &ticket), TOKENS_ASK);
    tokens_fail(survivor, &ticket);
    base += ROUND;
    say_a();
}

static void any_instruction(void **state)
{
    static const struct traced traced = { DEATHS, way, is_sound };
    (void)state;
    assert_true(tokens_make(&zone, SIZE));
    victim = attach(VICTIM);
    survivor = attach(SURVIVOR);
    say_a();
    long whole = traced_deaths(&traced);
    print_message("# %d deaths on a way of %ld instructions: %ld %ld %ld\n", DEATHS, whole, seen[0],
                  seen[1], seen[2]);
    for (int i = 0; i < 3; i++)
        assert_true(seen[i] > 0);
    tokens_detach(&victim);
    tokens_detach(&survivor);
    region_drop(&zone);
}

/* --- readers -------------------------------------------------------------------------------- */

struct shared {
    _Atomic uint32_t stop;
    _Atomic int64_t clock;
    _Atomic uint64_t found, told;
};

static _Noreturn void write_for_ever(struct shared *shared, uint32_t slot)
{
    struct tokens *t = attach(slot);
    struct tokens_ticket ticket;
    for (unsigned i = slot;; i++) {
        int64_t now = atomic_fetch_add(&shared->clock, 1);
        if (tokens_take(t, id_of(i % IDS), now, &ticket) != TOKENS_ASK)
            continue;
        tell(t, &ticket, (char)('a' + i % 26), 1 + i * 37 % TOKENS_TEXT, now, now + 20);
        atomic_fetch_add(&shared->told, 1);
    }
}

/* Ends with the number of mixtures that were read, at most 100. */
static _Noreturn void read_for_ever(struct shared *shared)
{
    struct tokens *t = attach(SURVIVOR);
    int mixtures = 0;
    char letter;
    for (unsigned i = 0; !atomic_load(&shared->stop); i++) {
        size_t n = letters(t, i % IDS, atomic_load(&shared->clock), &letter);
        mixtures += n == SIZE_MAX;
        if (n)
            atomic_fetch_add(&shared->found, 1);
    }
    _exit(mixtures < 100 ? mixtures : 100);
}

static pid_t start_writer(struct shared *shared, uint32_t slot)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        write_for_ever(shared, slot);
    return pid;
}

static void end_writer(pid_t pid, uint32_t slot)
{
    int status;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    tokens_break(&zone, slot);
}

static void never_a_mixture(void **state)
{
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t readers[READERS], writers[WRITERS];
    int status;
    (void)state;
    assert_true(shared != MAP_FAILED && tokens_make(&zone, SIZE));
    atomic_store(&shared->clock, 1000);
    for (int i = 0; i < READERS; i++) {
        readers[i] = fork();
        assert_true(readers[i] >= 0);
        if (readers[i] == 0)
            read_for_ever(shared);
    }
    for (uint32_t i = 0; i < WRITERS; i++)
        writers[i] = start_writer(shared, i);
    for (uint32_t round = 0; round < KILLS; round++) {
        uint32_t slot = round % WRITERS;
        uint64_t told = atomic_load(&shared->told), found = atomic_load(&shared->found);
        while (atomic_load(&shared->told) < told + 100 || atomic_load(&shared->found) < found + 100)
            usleep(100);
        end_writer(writers[slot], slot);
        writers[slot] = start_writer(shared, slot);
    }
    for (uint32_t i = 0; i < WRITERS; i++)
        end_writer(writers[i], i);
    atomic_store(&shared->stop, 1);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(waitpid(readers[i], &status, 0), readers[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    print_message("# %d writers killed, %llu answers, %llu found\n", KILLS,
                  (unsigned long long)atomic_load(&shared->told),
                  (unsigned long long)atomic_load(&shared->found));
    munmap(shared, sizeof *shared);
    region_drop(&zone);
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(any_instruction),
                                               cmocka_unit_test(never_a_mixture) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
