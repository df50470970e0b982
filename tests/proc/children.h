/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that are killed at any moment and replaced: what the hammers of shared memory have in
 * common. What a child does and what is done about one that was killed is the test's. The
 * environment may say how long (HAMMER_SECONDS) and repeat a run's choices (HAMMER_SEED).
 */
#ifndef TESTS_CHILDREN_H
#define TESTS_CHILDREN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above first */
#include <cmocka.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHILDREN_MAX = 8, CHILDREN_LONGEST = 300000 /* ms */, CHILDREN_SLOWEST = 10 };

struct children {
    uint32_t n, kills;
    void (*live)(void *arg, uint32_t slot, uint32_t kills); /* in the child; ends by _exit(0) */
    void (*bury)(void *arg, uint32_t slot);                 /* after one was killed */
    void *arg;
    pid_t pids[CHILDREN_MAX];
};

/* How children_hunt() goes on. */
struct children_hunt {
    uint64_t dice;
    uint32_t pause;           /* us, at most, ahead of each kill */
    bool in_peace;            /* none is killed */
    int64_t ms;               /* at least so long */
    bool (*enough)(void *of); /* and until this is true, but not for ever */
    void *of;
};

static inline int64_t children_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A number from the environment, to run longer or with the same dice again. */
static inline uint64_t children_setting(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value && *value ? strtoull(value, NULL, 10) : otherwise;
}

static inline int64_t children_seconds(uint64_t otherwise)
{
    return (int64_t)children_setting("HAMMER_SECONDS", otherwise) * 1000;
}

/* A die for the whole run, which is said so that it can be thrown again. */
static inline uint64_t children_seed(void)
{
    uint64_t seed = children_setting("HAMMER_SEED", (uint64_t)children_ms());
    print_message("# HAMMER_SEED=%" PRIu64 "\n", seed);
    return seed;
}

static inline uint32_t children_roll(uint64_t *dice, uint32_t sides)
{
    *dice = *dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*dice >> 33) % sides;
}

static inline pid_t children_fork(const struct children *c, uint32_t slot)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives a test that failed */
        c->live(c->arg, slot, c->kills);
        _exit(100); /* it was to end by itself */
    }
    return pid;
}

/* True when it died of SIGKILL; any end but that and status 0 fails the test. */
static inline bool children_reap(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return true;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("a child ended with status %x", (unsigned)status);
    return false;
}

static inline void children_begin(struct children *c)
{
    assert_true(c->n <= CHILDREN_MAX);
    c->kills = 0;
    for (uint32_t i = 0; i < c->n; i++)
        c->pids[i] = children_fork(c, i);
}

/* Kills one, wherever it is, buries it and starts another in its slot. */
static inline void children_kill(struct children *c, uint32_t slot)
{
    assert_int_equal(kill(c->pids[slot], SIGKILL), 0);
    if (children_reap(c->pids[slot]))
        c->bury(c->arg, slot);
    c->kills++;
    c->pids[slot] = children_fork(c, slot);
}

/* us: the longer it takes until there is enough, the fewer are killed. Where many others run no
 * child gets as far as its first step within a pause that is long for a machine of its own. */
static inline uint32_t children_pause(const struct children_hunt *h, int64_t passed)
{
    int64_t doubled = passed > h->ms ? (passed - h->ms) / 1000 : 0;
    return h->pause << (doubled < CHILDREN_SLOWEST ? doubled : CHILDREN_SLOWEST);
}

/* Kills one after the other, wherever they are. */
static inline void children_hunt(struct children *c, struct children_hunt *h)
{
    for (int64_t since = children_ms();;) {
        int64_t passed = children_ms() - since;
        if (passed > CHILDREN_LONGEST || (passed > h->ms && h->enough(h->of)))
            return;
        usleep(1 + children_roll(&h->dice, children_pause(h, passed)));
        uint32_t slot = children_roll(&h->dice, c->n);
        if (!h->in_peace)
            children_kill(c, slot);
    }
}

/* After all have been told to end: each must have done so by itself. */
static inline void children_end(const struct children *c)
{
    for (uint32_t i = 0; i < c->n; i++)
        assert_false(children_reap(c->pids[i]));
}

#endif
