/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rights go away in this order: groups, group, user (with it all capabilities and, by the kernel,
 * dumping of memory), then no_new_privs, so that no exec brings them back. The death signal comes
 * last, because a change of user clears it; a master that died before it was set is found by
 * looking at the parent. RLIMIT_CORE stays as the operator set it.
 */
#include "master/sandbox.h"
#include "worker/base/log.h"
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Descriptors besides those of connections: listeners, zones, logs, the epoll set, files being
 * reopened. */
enum { SANDBOX_RESERVE = 512 };

static const char sandbox_default[] = "gateway";
static const char sandbox_fallback[] = "nobody";

static bool sandbox_fill(struct sandbox_user *user, const struct passwd *entry)
{
    user->uid = entry->pw_uid;
    user->gid = entry->pw_gid;
    user->change = entry->pw_uid != 0;
    user->groups_n = SANDBOX_GROUPS;
    if (getgrouplist(entry->pw_name, entry->pw_gid, user->groups, &user->groups_n) < 0)
        user->groups_n = SANDBOX_GROUPS;
    return true;
}

bool sandbox_lookup(const char *name, struct sandbox_user *user, struct refusal *refusal)
{
    const struct passwd *entry;

    *user = (struct sandbox_user){ .uid = geteuid(), .gid = getegid() };
    if (geteuid() != 0 || strcmp(name, "root") == 0)
        return true;
    errno = 0;
    entry = getpwnam(name);
    if (entry)
        return sandbox_fill(user, entry);
    if (strcmp(name, sandbox_default) != 0)
        return refusal_say(refusal, "user: there is no user \"%s\" on this machine%s%s", name,
                           errno ? ": " : "", errno ? strerror(errno) : "");
    entry = getpwnam(sandbox_fallback);
    if (entry == NULL)
        return refusal_say(refusal, "user: there is neither a user \"%s\" nor \"%s\"",
                           sandbox_default, sandbox_fallback);
    user->fallback = true;
    return sandbox_fill(user, entry);
}

static bool sandbox_become(const struct sandbox_user *user)
{
    if (!user->change)
        return true;
    if (setgroups((size_t)user->groups_n, user->groups) < 0 ||
        setresgid(user->gid, user->gid, user->gid) < 0 ||
        setresuid(user->uid, user->uid, user->uid) < 0) {
        log_errno(LOG_LEVEL_ERROR, "cannot become user %u, group %u", user->uid, user->gid);
        return false;
    }
    return true;
}

/* A master that is no root may have been given some (AmbientCapabilities=); a change of user takes
 * them from the others. */
static bool sandbox_drop_capabilities(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

    if (geteuid() == 0) /* asked for by `user` */
        return true;
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0,
                0); /* kernels without it have none */
    if (syscall(SYS_capset, &head, none) == 0)
        return true;
    log_errno(LOG_LEVEL_ERROR, "cannot give up capabilities");
    return false;
}

bool sandbox_enter(const struct sandbox_user *user, pid_t master)
{
    if (!sandbox_become(user) || !sandbox_drop_capabilities())
        return false;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        log_errno(LOG_LEVEL_ERROR, "cannot give up gaining rights");
        return false;
    }
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
        log_errno(LOG_LEVEL_ERROR, "cannot tie its life to the master's");
        return false;
    }
    return getppid() == master; /* nobody is there to be told otherwise */
}

void sandbox_pin(uint32_t index)
{
    cpu_set_t allowed, one;
    int count, nth;

    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0 || (count = CPU_COUNT(&allowed)) == 0)
        return;
    nth = (int)(index % (uint32_t)count);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || nth-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (sched_setaffinity(0, sizeof one, &one) < 0)
            log_errno(LOG_LEVEL_WARN, "cannot be bound to CPU %zu", cpu);
        return;
    }
}

/* A client's and an upstream's connection are counted one by one, but a body that is spliced needs
 * a pipe as well: so twice as many are asked for, and it is worth a warning only if not even the
 * connections have room. */
void sandbox_descriptors(int connections)
{
    struct rlimit limit;
    rlim_t least = (rlim_t)connections + SANDBOX_RESERVE, ample = least + (rlim_t)connections;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= ample)
        return;
    if (limit.rlim_max < ample) {
        struct rlimit higher = { ample, ample };
        if (setrlimit(RLIMIT_NOFILE, &higher) == 0)
            return;
        ample = limit.rlim_max;
    }
    if (ample < least)
        log_write(LOG_LEVEL_WARN,
                  "worker_connections = %d needs %llu descriptors a process, the limit is %llu: "
                  "raise LimitNOFILE or ulimit -n",
                  connections, (unsigned long long)least, (unsigned long long)ample);
    limit.rlim_cur = ample;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_errno(LOG_LEVEL_WARN, "cannot raise the limit of descriptors to %llu",
                  (unsigned long long)ample);
}
