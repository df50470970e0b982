/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything here is made by the master with its rights and given to the user of the other
 * processes where those need it later: they reopen logs by path after a rotation. That user may own
 * the directory and put a link in a log's place: what a link leads to is neither made nor given
 * away. The lock on the pid file, not its content, says that a gateway runs.
 */
#include "master/files.h"
#include "worker/base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool files_make_prefix(const char *path, const struct sandbox_user *user,
                              struct refusal *refusal)
{
    struct stat st;

    if (mkdir(path, 0755) == 0) {
        if (user->change && chown(path, user->uid, user->gid) < 0)
            return refusal_errno(refusal, "prefix: cannot give %s to the user", path);
        return true;
    }
    if (errno != EEXIST)
        return refusal_errno(refusal, "prefix: cannot make the directory %s", path);
    if (stat(path, &st) < 0)
        return refusal_errno(refusal, "prefix: %s", path);
    return S_ISDIR(st.st_mode) || refusal_say(refusal, "prefix: %s is no directory", path);
}

/* Sets *own when the path itself is the file. */
static int files_open_log(const char *path, bool *own)
{
    static const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = open(path, flags | O_CREAT | O_NOFOLLOW, 0640);

    *own = fd >= 0 || errno != ELOOP;
    return *own ? fd : open(path, flags);
}

static bool files_make_log(const char *path, const struct sandbox_user *user,
                           struct refusal *refusal)
{
    struct stat st;
    bool own;
    int fd;

    if (path[0] != '/') /* "stderr", "syslog", "stdout", "off" */
        return true;
    fd = files_open_log(path, &own);
    if (fd < 0)
        return refusal_errno(refusal, "cannot open the log %s", path);
    if (own && user->change && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
        st.st_uid != user->uid && fchown(fd, user->uid, user->gid) < 0)
        log_errno(LOG_LEVEL_WARN, "cannot give %s to the user of the processes", path);
    (void)close(fd);
    return true;
}

bool files_prepare(const struct conf *conf, const struct sandbox_user *user,
                   struct refusal *refusal)
{
    return files_make_prefix(conf->prefix.s, user, refusal) &&
           files_make_log(conf->error_log.s, user, refusal) &&
           files_make_log(conf->access_log.s, user, refusal);
}

void files_prepare_logs(const struct conf *conf, const struct sandbox_user *user)
{
    struct refusal refusal = { "" };

    if (!files_make_log(conf->error_log.s, user, &refusal))
        log_write(LOG_LEVEL_ERROR, "%s", refusal.text);
    if (!files_make_log(conf->access_log.s, user, &refusal))
        log_write(LOG_LEVEL_ERROR, "%s", refusal.text);
}

/* --- gateway -t ------------------------------------------------------------------------ */

/* The directory of `path`, without a trailing slash. */
static void files_parent(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;

    (void)snprintf(out, PATH_MAX, "%.*s", n < PATH_MAX ? (int)n : 0, path);
    if (n == 0)
        (void)strcpy(out, slash ? "/" : ".");
}

/* 0, or why nothing can be made in the directory. */
static int files_test_parent(const char *path)
{
    char parent[PATH_MAX];
    struct stat st;

    files_parent(path, parent);
    if (stat(parent, &st) < 0)
        return errno;
    if (!S_ISDIR(st.st_mode))
        return ENOTDIR;
    return faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS) < 0 ? errno : 0;
}

static int files_test_there(const char *path, const struct stat *st, mode_t type)
{
    if (type == S_IFSOCK)
        return S_ISSOCK(st->st_mode) ? 0 : EEXIST;
    if (S_ISDIR(st->st_mode))
        return EISDIR;
    return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 ? errno : 0;
}

bool files_test_path(const char *what, const char *path, mode_t type, struct refusal *refusal)
{
    struct stat st;

    if (stat(path, &st) == 0)
        errno = files_test_there(path, &st, type);
    else if (errno == ENOENT)
        errno = files_test_parent(path);
    return errno == 0 || refusal_errno(refusal, "%s %s", what, path);
}

/* What lies in a prefix that will be made can be made as well. */
static bool files_test_below(const struct conf *conf, const char *what, struct conf_text path,
                             mode_t type, struct refusal *refusal)
{
    char parent[PATH_MAX];
    struct stat st;

    if (path.s[0] != '/') /* "stderr", "syslog", "stdout", "off" */
        return true;
    files_parent(path.s, parent);
    if (strcmp(parent, conf->prefix.s) == 0 && stat(parent, &st) < 0)
        return true;
    return files_test_path(what, path.s, type, refusal);
}

static bool files_test_prefix(const char *path, struct refusal *refusal)
{
    struct stat st;

    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) || refusal_say(refusal, "prefix: %s is no directory", path);
    if (errno == ENOENT)
        errno = files_test_parent(path);
    return errno == 0 || refusal_errno(refusal, "prefix: cannot make the directory %s", path);
}

bool files_test(const struct conf *conf, struct refusal *refusal)
{
    return files_test_prefix(conf->prefix.s, refusal) &&
           files_test_below(conf, "cannot open the log", conf->error_log, S_IFREG, refusal) &&
           files_test_below(conf, "cannot open the log", conf->access_log, S_IFREG, refusal) &&
           files_test_below(conf, "cannot write the pid file", conf->pid_file, S_IFREG, refusal) &&
           files_test_below(conf, "cannot listen on", conf->control_socket, S_IFSOCK, refusal);
}

/* --- the pid file ---------------------------------------------------------------------- */

static bool files_pid_held(const char *path, int fd, struct refusal *refusal)
{
    char text[16] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);

    text[strspn(text, "0123456789")] = '\0';
    return refusal_say(refusal, "a gateway is running already: %s is locked by process %s", path,
                       n > 0 && text[0] ? text : "unknown");
}

static bool files_pid_write(int fd, const char *path, struct refusal *refusal)
{
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return files_pid_held(path, fd, refusal);
    if (fd >= 0 && ftruncate(fd, 0) == 0 && dprintf(fd, "%d\n", (int)getpid()) > 0)
        return true;
    return refusal_errno(refusal, "cannot write the pid file %s", path);
}

bool files_pid_take(struct files_pid *pid, const char *path, struct refusal *refusal)
{
    int fd;

    if (strlen(path) >= sizeof pid->path)
        return refusal_say(refusal, "pid_file: the path %s is too long", path);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (!files_pid_write(fd, path, refusal)) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    pid->fd = fd;
    strcpy(pid->path, path);
    return true;
}

void files_pid_drop(struct files_pid *pid)
{
    if (pid->fd < 0)
        return;
    (void)unlink(pid->path);
    (void)close(pid->fd);
    pid->fd = -1;
}

/* Written over, then cut: whoever reads it meanwhile finds a pid in the first line. */
bool files_pid_renew(const struct files_pid *pid, struct refusal *refusal)
{
    char text[16];
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());

    if (pid->fd >= 0 && pwrite(pid->fd, text, (size_t)n, 0) == n && ftruncate(pid->fd, n) == 0)
        return true;
    return refusal_errno(refusal, "cannot write the pid file %s", pid->path);
}

void files_pid_leave(struct files_pid *pid)
{
    if (pid->fd >= 0)
        (void)close(pid->fd);
    pid->fd = -1;
}
