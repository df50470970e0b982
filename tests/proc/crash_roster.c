/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The roster under writers that die and readers that never stop. A child makes, replaces by a
 * longer and by a shorter one, and removes a record, traced, and is killed after so and so many
 * instructions, some hundred times over the whole way: what can be read is one of the records on
 * the way, and after the next write by another nothing is lost and everybody has been told. Then
 * two writers replace one record without a pause, and are killed and followed, while others read:
 * never a mixture. Skipped where ptrace is not allowed (the first).
 */
#include "tests/proc/traced.h"

#include "shm/roster.h"
#include <string.h>
#include <sys/mman.h>

enum { VICTIM = 3, SURVIVOR = 5, DEATHS = 150, LONG = 1000, SHORT = 90, LARGEST = 3000 };
enum { RECORD = 9, OTHER = 10, READERS = 2, WRITERS = 2, ROUNDS = 40 };

static struct zone zone;

static void put(uint32_t slot, uint64_t identity, char letter, size_t n)
{
    char data[LARGEST];
    memset(data, letter, n);
    if (!roster_put(&zone, slot, identity, data, n, ROSTER_LOUD))
        _exit(1);
}

static void way(void)
{
    put(VICTIM, RECORD, 'b', LONG);
    put(VICTIM, RECORD, 'c', SHORT);
    put(VICTIM, OTHER, 'd', SHORT);
    roster_remove(&zone, VICTIM, RECORD);
}

/* How many letters the record has, all the same, which is *letter; 0: there is none. */
static size_t letters(uint64_t identity, char *letter)
{
    char data[LARGEST];
    size_t n = roster_get(&zone, identity, data, sizeof data, NULL);
    *letter = n ? data[0] : '-';
    for (size_t i = 1; i < n; i++)
        if (data[i] != *letter)
            return SIZE_MAX;
    return n;
}

static long seen[4]; /* each record on the way, none */

/* After a death: one of the records on the way, readable before anybody has mended anything. */
static void is_sound(void)
{
    uint64_t epoch = atomic_load(roster_epoch(&zone));
    char letter;
    size_t n = letters(RECORD, &letter), used;
    assert_true((n == SHORT && (letter == 'a' || letter == 'c')) || (n == LONG && letter == 'b') ||
                n == 0);
    seen[letter == '-' ? 3 : letter - 'a']++;
    roster_break(&zone, VICTIM);
    roster_remove(&zone, SURVIVOR, OTHER);
    put(SURVIVOR, RECORD, 'x', SHORT);
    put(SURVIVOR, RECORD, 'a', SHORT);
    assert_true(atomic_load(roster_epoch(&zone)) > epoch);
    assert_true(roster_audit(&zone, &used));
    assert_int_equal(used, 1);
}

static void any_instruction(void **state)
{
    static const struct traced traced = { DEATHS, way, is_sound };
    (void)state;
    assert_true(roster_make(&zone));
    put(SURVIVOR, RECORD, 'a', SHORT);
    long whole = traced_deaths(&traced);
    print_message("# %d deaths on a way of %ld instructions: %ld %ld %ld %ld\n", DEATHS, whole,
                  seen[0], seen[1], seen[2], seen[3]);
    for (int i = 0; i < 4; i++)
        assert_true(seen[i] > 0);
    region_drop(&zone);
}

/* --- readers -------------------------------------------------------------------------------- */

static _Noreturn void write_for_ever(uint32_t slot)
{
    for (unsigned i = slot;; i++)
        put(slot, RECORD, (char)('a' + i % 26), 1 + i * 37 % LARGEST);
}

/* Ends with the number of mixtures that were read, at most 100. */
static _Noreturn void read_for_ever(_Atomic uint32_t *stop, _Atomic uint64_t *reads)
{
    int mixtures = 0;
    char letter;
    while (!atomic_load(stop)) {
        mixtures += letters(RECORD, &letter) == SIZE_MAX;
        atomic_fetch_add(reads, 1);
    }
    _exit(mixtures < 100 ? mixtures : 100);
}

static pid_t start_writer(uint32_t slot)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        write_for_ever(slot);
    return pid;
}

static void never_a_mixture(void **state)
{
    struct {
        _Atomic uint32_t stop;
        _Atomic uint64_t reads;
    } *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t readers[READERS], writers[WRITERS];
    int status;
    (void)state;
    assert_true(shared != MAP_FAILED && roster_make(&zone));
    for (int i = 0; i < READERS; i++) {
        readers[i] = fork();
        assert_true(readers[i] >= 0);
        if (readers[i] == 0)
            read_for_ever(&shared->stop, &shared->reads);
    }
    for (uint32_t i = 0; i < WRITERS; i++)
        writers[i] = start_writer(i);
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t slot = (uint32_t)round % WRITERS;
        uint64_t reads = atomic_load(&shared->reads);
        while (atomic_load(&shared->reads) < reads + 1000)
            usleep(1000);
        kill(writers[slot], SIGKILL);
        assert_int_equal(waitpid(writers[slot], &status, 0), writers[slot]);
        roster_break(&zone, slot);
        writers[slot] = start_writer(slot);
    }
    for (uint32_t i = 0; i < WRITERS; i++) {
        kill(writers[i], SIGKILL);
        assert_int_equal(waitpid(writers[i], &status, 0), writers[i]);
        roster_break(&zone, i);
    }
    atomic_store(&shared->stop, 1);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(waitpid(readers[i], &status, 0), readers[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    put(SURVIVOR, RECORD, 'z', 1);
    size_t used;
    assert_true(roster_audit(&zone, &used));
    assert_int_equal(used, 1);
    print_message("# %d writers killed under %llu reads\n", ROUNDS,
                  (unsigned long long)atomic_load(&shared->reads));
    munmap(shared, 4096);
    region_drop(&zone);
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(any_instruction),
                                               cmocka_unit_test(never_a_mixture) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
