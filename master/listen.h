/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets: opened once by the master, handed from generation to generation while their
 * address stays. */
#ifndef MASTER_LISTEN_H
#define MASTER_LISTEN_H

#include "master/master.h"

/* Gives `g` a socket for each address of its configuration: the very socket of `old` (may be NULL)
 * where it has the address, else a new one. False: nothing is listened to that was not before;
 * *refusal names the address. */
bool listen_take(struct generation *g, struct generation *old, struct refusal *refusal);

/* `set` takes over from `old` (may be NULL): what only `old` has is closed, `old` is left empty;
 * backlogs and modes of those that stay become what the new configuration says. */
void listen_commit(struct listen_set *set, struct listen_set *old);

/* Closes what was opened for a generation that never took over. */
void listen_abandon(struct listen_set *set);

/* Adds an inherited socket to the set; `address` becomes its own and has to stay. False: it is none
 * that listens; it stays the caller's. */
bool listen_inherit(struct listen_set *set, struct conf_address *address, int fd);

/* Closes all; the files of Unix sockets stay, since they are another master's by now. */
void listen_leave(struct listen_set *set);

/* Closes all and removes the files of Unix sockets. */
void listen_close(struct listen_set *set);

/* Whether the addresses of `conf` can be bound, without listening on them. `held`: a gateway runs
 * already, so that an address in use is no fault. */
bool listen_test(const struct conf *conf, bool held, struct refusal *refusal);

/* What is behind a Unix socket's path. */
enum listen_life { LISTEN_NONE, LISTEN_STALE, LISTEN_ALIVE, LISTEN_UNKNOWN /* errno says why */ };
enum listen_life listen_probe(const struct conf_address *address);

/* The address of a Unix socket at `path`; false: too long. `text` is not copied. */
bool listen_unix(struct conf_address *address, struct conf_text path);

#endif
