/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of the master: one struct, kept by main(). A generation is everything that one load of
 * the configuration stands for; a child is one slot on the board, so children[i] is described by
 * row i.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include "master/files.h"
#include "master/refusal.h"
#include "master/sandbox.h"
#include "worker/base/channel.h"
#include "worker/base/heritage.h"
#include <limits.h>
#include <poll.h>

enum {
    MASTER_SOCKETS = HERITAGE_LISTENERS_MAX + 3,
    MASTER_ASKS = 64,
    MASTER_POLLED = BOARD_SLOTS + 3, /* signals, two links */
};

struct listen_socket {
    const struct conf_address *address; /* of the generation's configuration */
    int fd;
    int backlog;
    int mode;   /* of a Unix socket's file */
    bool fresh; /* opened for this generation, which has not taken over yet */
};

struct listen_set {
    struct listen_socket v[MASTER_SOCKETS];
    size_t n;
};

enum generation_state {
    GENERATION_STARTING, /* its children are being forked, the one before still serves */
    GENERATION_CURRENT,
    GENERATION_INHERITED, /* of another master: sockets and zones, no process, no configuration */
    GENERATION_RETIRING,  /* its children finish what they have; none is replaced */
    GENERATION_UNDONE,    /* never served: its children have been killed and are yet to be reaped */
};

struct generation {
    struct generation *next; /* newest first */
    enum generation_state state;
    const struct conf *conf; /* owned */
    struct sandbox_user user;
    struct conf_address control;           /* control_socket as an address */
    struct heritage heritage;              /* what each child gets, but for what is its own */
    const char *dicts[HERITAGE_DICTS_MAX]; /* names of heritage.dicts */
    char legacy_dicts[HERITAGE_DICTS_MAX][REGION_NAME_MAX]; /* where no configuration has them */
    struct listen_set sockets; /* none once another generation has taken over */
    unsigned children;         /* slots that it holds */
    int64_t deadline; /* ms, monotonic: STARTING: to be ready; RETIRING: to be gone, 0 = has been
                         killed */
};

struct child {
    struct generation *generation; /* NULL: the slot is free */
    enum heritage_role role;
    uint32_t index;
    pid_t pid;            /* 0: does not run; `due` says when it will */
    int channel;          /* -1: closed */
    bool ready;           /* has said that it serves */
    bool retired;         /* has said that it accepts no more */
    unsigned owes;        /* answers about twins of dictionaries */
    int64_t started, due; /* ms, monotonic */
    int64_t missed;       /* ms: since then nobody serves in this place; 0: a first start */
    pid_t before;         /* who died then */
    unsigned quick;       /* deaths in a row after a short life */
};

/* Who waits for the outcome of a reload. */
struct reload_ask {
    int slot;
    pid_t pid;
    uint64_t id;
};

enum reload_phase {
    RELOAD_ANNOUNCED, /* the old processes are told of dictionaries that change their size */
    RELOAD_MOVING,    /* their content is being copied */
    RELOAD_STARTING,  /* the new processes start */
};

struct reload {
    enum reload_phase phase;   /* of the one that comes */
    struct generation *coming; /* NULL: none is under way */
    bool wanted;               /* another one is to follow */
    bool failed;               /* `why` says it; to be undone in the next turn */
    const struct generation
        *settling;     /* committed: the answer waits until this one accepts no more */
    int64_t settle_by; /* ms: at the latest then; 0: nothing settles */
    struct refusal why;
    struct reload_ask asks[MASTER_ASKS];
    size_t asks_n, asks_now; /* the first asks_now of asks_n belong to the one under way */
};

/* The master that hands over to another binary: upgrade.c. */
enum upgrade_state {
    UPGRADE_NONE,
    UPGRADE_STARTING,
    UPGRADE_GIVEN,
    UPGRADE_SETTLING,
    UPGRADE_UNDONE
};

struct upgrade {
    enum upgrade_state state;
    pid_t successor; /* and its process group */
    int link;        /* -1: closed */
    int64_t deadline;
    int slot; /* who asked; -1: nobody waits */
    pid_t asker;
    uint64_t id;
    bool refused;                      /* it said so; `why` has its words */
    bool dead;                         /* it has been reaped */
    const struct generation *settling; /* the one that retires for it */
    struct refusal why;
};

/* The master that takes over from another one: heir.c. */
struct heir {
    struct generation *legacy;      /* what it inherited; NULL: nothing, or it has taken over */
    struct conf_address *addresses; /* of the legacy's sockets */
    int link;                       /* -1: the other one has ended */
    pid_t master;                   /* that one */
    bool asked, go;
    int64_t gone_by;         /* ms: its processes are waited for until then; 0: they are not */
    bool held[BOARD_SLOTS];  /* slots that are the other's */
    pid_t pids[BOARD_SLOTS]; /* who had them at that time */
    char dropped[512];       /* names of zones that could not be kept */
};

enum master_mode {
    MASTER_SERVING,
    MASTER_DRAINING,
    MASTER_STOPPING,
    MASTER_SUPERSEDED, /* another master serves: this one ends when its processes have */
};

struct master {
    const char *conf_path;
    char *const *argv; /* as it was called; what a successor is called with */
    char program[PATH_MAX];
    enum master_mode mode;
    int exit_status;
    int signals; /* signalfd */
    struct files_pid pid;
    struct zone board, tickets;
    struct bells bells;             /* of all generations */
    struct generation *generations; /* newest first */
    struct generation *current;     /* NULL: none has been ready yet, or all are to end */
    struct reload reload;
    struct upgrade upgrade;
    struct heir heir;
    int64_t deadline; /* ms: what still lives then is killed; 0 = none */
    struct child children[BOARD_SLOTS];
    struct pollfd polled[MASTER_POLLED];
    int polled_slot[MASTER_POLLED]; /* -1: a link to another master */
    struct channel_message message; /* of the one being read */
};

/* ms of CLOCK_MONOTONIC. */
int64_t master_now(void);

/* Starts with `conf` (owned from here on) and serves until told to end; returns the exit status.
 * `conf_path` is what a reload reads, `argv` what an upgrade is called with; both must stay. What
 * keeps it from starting goes to standard error. */
int master_run(struct master *m, const struct conf *conf, const char *conf_path, char *const *argv);

/* "generation 3 serves with 2 workers", for logs and results. */
void master_describe(const struct generation *g, char *out, size_t size);

#endif
