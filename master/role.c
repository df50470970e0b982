/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of processes. The master (this program) holds the rights and does no work; each row
 * below is a process that does work and holds no rights. Whoever adds a process adds a row here and
 * an entry function elsewhere.
 */
#include "master/role.h"
#include "master/control/control.h"
#include "worker/checker/checker.h"
#include "worker/mover.h"
#include "worker/worker.h"
#include <stdio.h>

static uint32_t role_count_workers(const struct conf *conf)
{
    int n = conf_worker_count(conf);
    return n > 0 ? (uint32_t)n : 1;
}

static uint32_t role_count_one(const struct conf *conf)
{
    (void)conf;
    return 1;
}

/* Started by a reload that needs one. */
static uint32_t role_count_none(const struct conf *conf)
{
    (void)conf;
    return 0;
}

static const struct role_restart role_always = {
    .quick = 1000, .patience = 3, .first = 100, .longest = 10000, .forget = 10000
};

const struct role role_table[ROLE_COUNT] = {
    [ROLE_WORKER] = { "worker", role_count_workers, worker_main,
                      ROLE_DROPS_RIGHTS | ROLE_PINNED | ROLE_PROXY_DOORS | ROLE_CACHES,
                      &role_always },
    [ROLE_CHECKER] = { "checker", role_count_one, checker_main, ROLE_DROPS_RIGHTS, &role_always },
    [ROLE_CONTROL] = { "control", role_count_one, control_main,
                       ROLE_DROPS_RIGHTS | ROLE_CONTROL_DOORS | ROLE_CACHES, &role_always },
    [ROLE_MOVER] = { "mover", role_count_none, mover_main, ROLE_DROPS_RIGHTS, NULL },
};

void role_title(enum heritage_role role, uint32_t index, char *out, size_t size)
{
    const char *name = role < ROLE_COUNT ? role_table[role].name : "process";
    if (role == ROLE_WORKER)
        (void)snprintf(out, size, "%s %u", name, index);
    else
        (void)snprintf(out, size, "%s", name);
}

int role_delay(const struct role_restart *restart, unsigned quick)
{
    int delay = restart->first;

    if (quick <= restart->patience)
        return 0;
    for (unsigned i = restart->patience + 1; i < quick && delay < restart->longest; i++)
        delay *= 2;
    return delay < restart->longest ? delay : restart->longest;
}

uint32_t role_processes(const struct conf *conf)
{
    uint32_t n = 0;
    for (size_t i = 0; i < ROLE_COUNT; i++)
        n += role_table[i].count(conf);
    return n;
}
