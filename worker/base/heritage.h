/* SPDX-License-Identifier: Apache-2.0 */
/* The fork boundary: everything that a child gets from the master. Filled before fork, never
 * changed after it. */
#ifndef BASE_HERITAGE_H
#define BASE_HERITAGE_H

#include "conf/conf.h"
#include "shm/board.h"
#include "shm/region.h"
#include "worker/base/bells.h"

enum heritage_role { ROLE_WORKER, ROLE_CHECKER, ROLE_CONTROL, ROLE_MOVER, ROLE_COUNT };

enum { HERITAGE_LISTENERS_MAX = 64, HERITAGE_DICTS_MAX = 32 };

struct heritage {
    const struct conf *conf;
    uint64_t generation; /* of the configuration, 1, 2, ... */
    enum heritage_role role;
    uint32_t index; /* of the worker, 0..N-1 */
    uint32_t slot;  /* on the board */
    pid_t master;
    int channel; /* SOCK_SEQPACKET to the master, non-blocking: worker/base/channel.h */
    int proxy[HERITAGE_LISTENERS_MAX]; /* listening sockets, in the order of conf->proxy_listen */
    int control, status, admin;        /* listening sockets of the control process; -1: off */
    struct zone board, stats, health, tickets, roster, limits, seats, tokens, jwks;
    struct zone dicts[HERITAGE_DICTS_MAX]; /* in the order of conf->shared_dicts */
    /* Of a dictionary that changes its size: the zone that the generation before or after has in
     * its place. What is purged in one is purged in both (twins.h). */
    struct zone twins[HERITAGE_DICTS_MAX];
    uint32_t moves;     /* bits: dictionaries whose content is to come from their twin */
    struct bells bells; /* workers wake each other; others have none */
};

#endif
