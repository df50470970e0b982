/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Death between any two instructions. A writer is stopped by ptrace at a random moment at
 * which it is in the cache's code (every other time: owns the lock of the shard) and goes on from
 * there for a random number of instructions, one by one; then it is killed.
 * Players go on beside it all the time. After each death they have to get on at once when the
 * master has broken the locks, now and then the audit has to pass in the midst of it all, and at
 * the end no byte was wrong and no page is lost. HAMMER_SECONDS sets how long (4), HAMMER_SEED
 * repeats the choices of a run. Skipped where ptrace is not allowed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/cache_ticket_parts.h"
#include "shm/repair.h"
#include "shm/room.h"
#include "tests/proc/player.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum { PLAYERS = 2, VICTIM = 3, PARENT = 9, ZONE = 1536 * 1024, SHARED = 32 };
enum { TRIES = 200, LOCKED = 300, AUDIT_EACH = 16, HANGS = 120000 /* ms */ };

struct board {
    _Atomic uint64_t beat[PLAYERS];    /* counts what they have done */
    _Atomic uint32_t longest[PLAYERS]; /* us that one of those took */
};

struct killer {
    struct zone zone;
    struct cache *cache; /* the parent's own */
    struct player dice;
    pid_t players[PLAYERS], victim;
    uint64_t kills, locked, steps, audits;
    int64_t waited; /* us, the longest time that a player needed to get on after a death */
};

static struct board *board;

static int64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void nap_us(long us)
{
    const struct timespec pause = { .tv_nsec = us * 1000 };
    nanosleep(&pause, NULL);
}

static void wake_nobody(void *arg, uint32_t slot)
{
    (void)arg;
    (void)slot;
}

/* One fills, those who come meanwhile read along as far as it is. */
static void play_together(struct player *player)
{
    struct cache *cache = player->cache;
    uint32_t number = OBJECTS + roll(player, SHARED), ticket = 0;
    const uint32_t size = 3000 + number % 7 * 4096;
    uint8_t id[CACHE_ID_SIZE];
    char key[32];
    struct cache_hit hit;
    struct cache_ticket_view view;
    size_t n = objects_key(number, key);
    cache_id(cache, key, n, id);
    switch (cache_ticket_take(cache, id, OBJECTS_NOW, &ticket)) {
    case CACHE_TICKET_FILL: {
        struct cache_fill *fill = objects_begin(cache, number, 1, size, size);
        if (fill)
            cache_fill_offer(fill, ticket, size);
        if (fill && objects_append(fill, number, 1, size)) {
            cache_fill_progress(fill);
            cache_fill_commit(&fill);
        }
        cache_fill_abort(&fill);
        cache_ticket_end(cache, &ticket, CACHE_TICKET_DONE, 0);
        return;
    }
    case CACHE_TICKET_WAIT:
        if (cache_ticket_join(cache, ticket, key, n, &hit)) {
            struct cache_growth at = { 0 };
            struct iovec iov[4];
            cache_ticket_look(cache, ticket, &view);
            at.known = view.published;
            int count = cache_body_grown(cache, &hit, &at, iov, 4);
            for (int i = 0; i < count; i++) {
                if (!objects_same(number, 1, at.offset, iov[i].iov_base, iov[i].iov_len))
                    wrong("is wrong while it grows", number);
                at.offset += iov[i].iov_len;
            }
            cache_unpin(cache, &hit);
        }
        cache_ticket_leave(cache, &ticket);
        return;
    default:
        return;
    }
}

static void play_any(struct player *player)
{
    if (roll(player, 8) == 0)
        play_together(player);
    else
        play(player);
}

static _Noreturn void live(const struct zone *zone, uint32_t slot, uint64_t dice)
{
    struct player *player = calloc(1, sizeof *player);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!player || !(player->cache = cache_attach(zone, slot)))
        _exit(3);
    cache_ticket_waker(player->cache, wake_nobody, NULL);
    player->dice = dice;
    while (!atomic_load(&tally->stop)) {
        int64_t since = clock_us();
        play_any(player);
        if (slot >= PLAYERS)
            continue;
        uint32_t took = (uint32_t)(clock_us() - since);
        if (took > atomic_load(&board->longest[slot]))
            atomic_store(&board->longest[slot], took);
        atomic_fetch_add(&board->beat[slot], 1);
    }
    cache_detach(&player->cache);
    free(player);
    _exit(0);
}

static pid_t start(struct killer *k, uint32_t slot)
{
    uint64_t dice = (uint64_t)roll(&k->dice, 1u << 30) << 20 | slot;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        live(&k->zone, slot, dice);
    return pid;
}

/* The next stop of the victim. */
static void await_stop(const struct killer *k)
{
    int status;
    assert_int_equal(waitpid(k->victim, &status, __WALL), k->victim);
    if (!WIFSTOPPED(status))
        fail_msg("the victim ended by itself with status %x", (unsigned)status);
}

static void step(struct killer *k)
{
    assert_int_equal(ptrace(PTRACE_SINGLESTEP, k->victim, NULL, NULL), 0);
    await_stop(k);
    k->steps++;
}

/* The objects of shm/ are linked one behind the other, out of the archive: what lies between the
 * first and the last of these is the cache. */
static bool in_cache(uintptr_t at)
{
    static void (*const known[])(void) = {
        (void (*)(void))cache_find,   (void (*)(void))cache_fill_commit,
        (void (*)(void))cache_update, (void (*)(void))cache_ticket_take,
        (void (*)(void))evict_some,   (void (*)(void))index_put,
        (void (*)(void))lock_give,    (void (*)(void))pages_give,
        (void (*)(void))pins_drop,    (void (*)(void))queue_victim,
        (void (*)(void))repair_shard, (void (*)(void))room_chunk,
        (void (*)(void))slab_give,    (void (*)(void))store_unlock,
    };
    uintptr_t low = UINTPTR_MAX, high = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uintptr_t one = (uintptr_t)known[i];
        low = one < low ? one : low;
        high = one > high ? one : high;
    }
    return at >= low && at <= high;
}

static uintptr_t where(const struct killer *k)
{
    struct __ptrace_syscall_info info = { 0 };
    assert_true(ptrace(PTRACE_GET_SYSCALL_INFO, k->victim, (void *)sizeof info, &info) > 0);
    return (uintptr_t)info.instruction_pointer;
}

static bool owns_lock(const struct killer *k)
{
    uint32_t word = atomic_load(&k->cache->shm->shard_lock[0].lock.word);
    return (word & 0x7fffffff) == VICTIM + 1;
}

/* Stopped at any moment, until it is where it should be: in the cache's code, or with the lock. */
static void get_hold(struct killer *k, bool locked)
{
    for (int i = 0; i < TRIES; i++) {
        nap_us(roll(&k->dice, 300));
        assert_int_equal(ptrace(PTRACE_INTERRUPT, k->victim, NULL, NULL), 0);
        await_stop(k);
        if (locked ? owns_lock(k) : in_cache(where(k)))
            return;
        assert_int_equal(ptrace(PTRACE_CONT, k->victim, NULL, NULL), 0);
    }
    assert_int_equal(ptrace(PTRACE_INTERRUPT, k->victim, NULL, NULL), 0);
    await_stop(k);
}

/* From there any number of instructions on. */
static void walk(struct killer *k)
{
    bool locked = roll(&k->dice, 2) == 0;
    get_hold(k, locked);
    uint32_t more = roll(&k->dice, locked ? LOCKED : 1u << roll(&k->dice, 11));
    for (uint32_t i = 0; i < more; i++)
        step(k);
}

/* Everybody gets on: nobody waits for the dead. */
static void await_players(struct killer *k)
{
    uint64_t beat[PLAYERS];
    int64_t since = clock_us();
    for (uint32_t i = 0; i < PLAYERS; i++)
        beat[i] = atomic_load(&board->beat[i]);
    for (uint32_t i = 0; i < PLAYERS; i++) {
        while (atomic_load(&board->beat[i]) == beat[i]) {
            int status;
            if (waitpid(k->players[i], &status, WNOHANG) != 0)
                fail_msg("player %u ended with status %x", i, (unsigned)status);
            if (clock_us() - since > HANGS * INT64_C(1000))
                fail_msg("player %u waits for the dead", i);
            nap_us(50);
        }
    }
    int64_t waited = clock_us() - since;
    k->waited = waited > k->waited ? waited : k->waited;
}

static void check_audit(struct killer *k)
{
    char why[256];
    if (!cache_audit(k->cache, why, sizeof why))
        fail_msg("audit after %" PRIu64 " deaths: %s", k->kills, why);
    k->audits++;
}

static void kill_once(struct killer *k)
{
    int status;
    walk(k);
    assert_int_equal(kill(k->victim, SIGKILL), 0);
    assert_int_equal(waitpid(k->victim, &status, __WALL), k->victim);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    k->locked += owns_lock(k);
    cache_break(&k->zone, VICTIM);
    k->kills++;
    await_players(k);
    if (k->kills % AUDIT_EACH == 0)
        check_audit(k);
}

static bool seize(struct killer *k)
{
    k->victim = start(k, VICTIM);
    return ptrace(PTRACE_SEIZE, k->victim, NULL, NULL) == 0;
}

static void finish(struct killer *k)
{
    int status;
    uint8_t id[CACHE_ID_SIZE];
    uint32_t ticket;
    atomic_store(&tally->stop, 1);
    for (uint32_t i = 0; i < PLAYERS; i++) {
        assert_int_equal(waitpid(k->players[i], &status, 0), k->players[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    for (uint32_t i = 0; i < SHARED; i++) { /* what the dead were making is anybody's */
        objects_id(k->cache, OBJECTS + i, id);
        assert_int_equal(cache_ticket_take(k->cache, id, OBJECTS_NOW, &ticket), CACHE_TICKET_FILL);
        cache_ticket_end(k->cache, &ticket, CACHE_TICKET_LOST, 0);
        assert_true(objects_look(k->cache, OBJECTS + i) >= 0);
    }
    cache_detach(&k->cache);
    print_message("# %" PRIu64 " killed, %" PRIu64 " of them with the lock, %" PRIu64
                  " instructions stepped, %" PRIu64 " audits; players got on after %" PRId64
                  " us at most, the longest call took %u us\n",
                  k->kills, k->locked, k->steps, k->audits, k->waited,
                  board->longest[0] > board->longest[1] ? board->longest[0] : board->longest[1]);
    check_end(&k->zone, PARENT);
    assert_true(k->locked > 0);
}

static void test_any_instruction(void **state)
{
    struct killer k = { .dice = { .dice = children_setting("HAMMER_SEED", (uint64_t)clock_us()) } };
    int64_t until = children_ms() + (int64_t)children_setting("HAMMER_SECONDS", 4) * 1000;
    (void)state;
    print_message("# HAMMER_SEED=%" PRIu64 "\n", k.dice.dice);
    assert_true(region_make(&k.zone, ZONE_CACHE, CACHE_VERSION, "anywhere", ZONE));
    assert_true(cache_format(&k.zone));
    k.cache = cache_attach(&k.zone, PARENT);
    assert_non_null(k.cache);
    cache_ticket_waker(k.cache, wake_nobody, NULL);
    for (uint32_t i = 0; i < PLAYERS; i++)
        k.players[i] = start(&k, i);
    while (k.locked == 0 || children_ms() < until) {
        if (!seize(&k)) {
            print_message("# no ptrace here\n");
            kill(k.victim, SIGKILL);
            waitpid(k.victim, NULL, 0);
            for (uint32_t i = 0; i < PLAYERS; i++)
                kill(k.players[i], SIGKILL);
            skip();
        }
        kill_once(&k);
    }
    finish(&k);
    region_drop(&k.zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_any_instruction) };
    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return tally == MAP_FAILED || board == MAP_FAILED ? 1
                                                      : cmocka_run_group_tests(tests, NULL, NULL);
}
