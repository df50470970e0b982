/* SPDX-License-Identifier: Apache-2.0 */
/* The process model: which processes there are besides the master, how many, and how each is
 * treated. */
#ifndef MASTER_ROLE_H
#define MASTER_ROLE_H

#include "worker/base/heritage.h"

/* What a process may do and gets, as bits. Every process has no_new_privs and dies with the master.
 */
enum role_sandbox {
    ROLE_DROPS_RIGHTS = 1,  /* becomes the configured user when the master is root */
    ROLE_PINNED = 2,        /* bound to one CPU each, where worker_cpu_affinity asks for it */
    ROLE_PROXY_DOORS = 4,   /* inherits the listening sockets of proxy_listen */
    ROLE_CONTROL_DOORS = 8, /* inherits those of control_socket, status_listen and admin_listen */
    ROLE_CACHES = 16        /* uses and purges dictionaries */
};

/* When a process that ended unasked is replaced. Times in ms. */
struct role_restart {
    int quick;          /* a life shorter than this is a quick death */
    unsigned patience;  /* so many quick deaths in a row are replaced at once */
    int first, longest; /* then it waits: the first time, doubling up to the longest */
    int forget;         /* a life longer than this starts the count anew */
};

struct role {
    const char *name;
    uint32_t (*count)(const struct conf *conf);
    int (*entry)(const struct heritage *heritage); /* returns the exit status */
    unsigned sandbox;                              /* bits of enum role_sandbox */
    const struct role_restart *restart;            /* NULL: it does one thing and ends */
};

extern const struct role role_table[ROLE_COUNT];

/* "worker 3", "control": how a process is called in logs and titles. Cut to fit. */
void role_title(enum heritage_role role, uint32_t index, char *out, size_t size);

/* ms to wait before a process with so many quick deaths in a row is replaced; 0 = at once. */
int role_delay(const struct role_restart *restart, unsigned quick);

/* All processes of one generation. */
uint32_t role_processes(const struct conf *conf);

#endif
