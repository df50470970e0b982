/* SPDX-License-Identifier: Apache-2.0 */
/* What the master keeps in the file system: the prefix, the pid file, and logs that others may
 * reopen. */
#ifndef MASTER_FILES_H
#define MASTER_FILES_H

#include "conf/conf.h"
#include "master/refusal.h"
#include "master/sandbox.h"

/* Makes the prefix where it is missing, and the log files, which then belong to `user`. */
bool files_prepare(const struct conf *conf, const struct sandbox_user *user,
                   struct refusal *refusal);
/* The log files alone, again, after rotation; a failure is logged. */
void files_prepare_logs(const struct conf *conf, const struct sandbox_user *user);

/* For gateway -t: whether files_prepare() and what follows could make or open what they need; makes
 * and opens nothing. False: *refusal says why not. */
bool files_test(const struct conf *conf, struct refusal *refusal);
/* Whether a file of that type (S_IFREG, S_IFSOCK; S_IFREG means what is no directory) is there or
 * could be made. False: *refusal begins with `what`. */
bool files_test_path(const char *what, const char *path, mode_t type, struct refusal *refusal);

struct files_pid {
    int fd; /* holds the lock; -1: none */
    char path[1024];
};

/* Writes the pid into the file at `path` and locks it until it is dropped. False: *pid is as it was
 * and *refusal says why, for instance because another process holds the lock. */
bool files_pid_take(struct files_pid *pid, const char *path, struct refusal *refusal);
/* Writes the pid of this process into the file, which it has inherited. */
bool files_pid_renew(const struct files_pid *pid, struct refusal *refusal);
/* Lets go of the file, which is another process's by now: it stays, and so does its lock. */
void files_pid_leave(struct files_pid *pid);
/* Removes the file and gives up the lock; nothing happens without one. */
void files_pid_drop(struct files_pid *pid);

#endif
