/* SPDX-License-Identifier: Apache-2.0 */
/* How a child gives its rights away, and who it becomes. */
#ifndef MASTER_SANDBOX_H
#define MASTER_SANDBOX_H

#include "master/refusal.h"
#include <stdint.h>
#include <sys/types.h>

enum { SANDBOX_GROUPS = 64 };

struct sandbox_user {
    bool change; /* false: not started by root, or root was asked for; children stay who they are */
    bool fallback; /* the default user is missing, another one stands in */
    uid_t uid;
    gid_t gid;
    gid_t groups[SANDBOX_GROUPS]; /* supplementary ones, `gid` among them */
    int groups_n;
};

/* Looks the user up (blocking). The default user may be missing on a machine where nothing was
 * installed: then "nobody" serves, with a warning; any other missing name is refused. */
bool sandbox_lookup(const char *name, struct sandbox_user *user, struct refusal *refusal);

/* In the child, right after fork: becomes `user`, may never gain rights again, dies when `master`
 * does. False: what failed has been logged; the caller must end. */
bool sandbox_enter(const struct sandbox_user *user, pid_t master);

/* Binds the calling process to the (index modulo count)th CPU that it is allowed to use. Failure is
 * logged only. */
void sandbox_pin(uint32_t index);

/* Raises RLIMIT_NOFILE for processes that hold up to `connections` connections; says so when it
 * cannot. */
void sandbox_descriptors(int connections);

#endif
