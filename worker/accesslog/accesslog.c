/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines are rendered straight into the buffer, so a line costs no copy and, most of the time, no
 * system call. A regular file takes the whole buffer in one write; what may make a writer wait (a
 * pipe, a terminal, a socket) gets whole lines of at most PIPE_BUF bytes at a time, which a pipe
 * takes undivided or not at all. After a write that failed nothing is tried until the next flush,
 * so that a full disk does not cost a call for each request. Where a write broke off in the middle
 * of a line, the next one begins with a line feed.
 *
 * SIGPIPE must be ignored by the process, as in every process of the gateway.
 */
#include "worker/accesslog/accesslog.h"
#include "shm/assert.h"
#include "worker/base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 65536 };

_Static_assert(ACCESS_LINE_MAX + 1 <= PIPE_BUF,
               "a line, with a line feed in front, is one atomic write");

enum target {
    TARGET_NONE,
    TARGET_FILE,
    TARGET_PIPE,
    TARGET_SOCKET
}; /* TARGET_PIPE: and terminals */

struct accesslog {
    char *path; /* NULL: stdout */
    enum conf_access_format format;
    enum target target;
    int fd;        /* -1: none */
    bool stuck;    /* the last write failed: wait for the next flush */
    bool fragment; /* the file ends in a part of a line */
    int error;     /* errno of the last failure */
    uint64_t lost, told;
    size_t used;             /* of the lines, which begin at buffer[1] */
    char buffer[1 + BUFFER]; /* buffer[0]: a line feed, to end a fragment with */
};

/* --- the target ----------------------------------------------------------------------------- */

static enum target target_of(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return TARGET_NONE;
    if (S_ISSOCK(st.st_mode))
        return TARGET_SOCKET;
    return S_ISFIFO(st.st_mode) || isatty(fd) ? TARGET_PIPE : TARGET_FILE;
}

/* A description of our own, so that O_NONBLOCK and O_APPEND are not forced on whoever shares stdout
 * with us. Where that is not allowed, the shared one, which is polled before each write. */
static int open_stdout(void)
{
    int fd = open("/proc/self/fd/1", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd >= 0 ? fd : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}

static bool open_target(struct accesslog *log)
{
    int fd = log->path
                 ? open(log->path,
                        O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640)
                 : open_stdout();
    enum target target = fd >= 0 ? target_of(fd) : TARGET_NONE;
    if (target == TARGET_NONE) {
        log->error = errno;
        log_errno(LOG_LEVEL_ERROR, "cannot open the access log %s",
                  log->path ? log->path : "stdout");
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (log->fd >= 0)
        close(log->fd);
    log->fd = fd;
    log->target = target;
    log->stuck = log->fragment = false;
    return true;
}

/* --- writing -------------------------------------------------------------------------------- */

static ssize_t write_once(const struct accesslog *log, const char *p, size_t n)
{
    struct pollfd ready = { .fd = log->fd, .events = POLLOUT };
    ssize_t r;
    if (log->target == TARGET_PIPE && poll(&ready, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    do
        r = log->target == TARGET_SOCKET ? send(log->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL)
                                         : write(log->fd, p, n);
    while (r < 0 && errno == EINTR);
    return r;
}

static char *lines(struct accesslog *log, size_t offset)
{
    return log->buffer + 1 + offset;
}

/* How much of the lines from `from` on goes into one write: whole lines. */
static size_t portion(struct accesslog *log, size_t from)
{
    size_t n = log->used - from, limit = PIPE_BUF - (size_t)log->fragment;
    if (log->target == TARGET_FILE || n <= limit)
        return n;
    const char *end = memrchr(lines(log, from), '\n', limit);
    must(end != NULL);
    return (size_t)(end + 1 - lines(log, from));
}

static uint64_t count_lines(const char *p, size_t n)
{
    uint64_t lines = 0;
    for (const char *end = p + n; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
        lines++;
    return lines;
}

/* Writes once what begins at `from`. Returns how many bytes of it are settled; 0: nothing more can
 * be written now. */
static size_t advance(struct accesslog *log, size_t from)
{
    size_t n = portion(log, from), extra = log->fragment;
    must(extra == 0 || from == 0);
    ssize_t r = write_once(log, lines(log, from) - extra, n + extra);
    if (r < 0)
        log->error = errno;
    size_t done = r > 0 ? (size_t)r - extra : 0;
    log->stuck = done < n;
    if (r > 0)
        log->fragment = false;
    if (done == 0 || lines(log, from)[done - 1] == '\n')
        return done;
    /* It broke off within a line: the rest of that line is of no use. */
    const char *end = memchr(lines(log, from + done), '\n', log->used - from - done);
    must(end != NULL);
    log->fragment = true;
    log->lost++;
    log->error = ENOSPC; /* the likely reason: a short write has no errno */
    return (size_t)(end + 1 - lines(log, from));
}

static void write_out(struct accesslog *log)
{
    size_t from = 0;
    if (log->fd < 0) {
        log->lost += count_lines(lines(log, 0), log->used);
        log->used = 0;
    }
    while (from < log->used && !log->stuck)
        from += advance(log, from);
    log->used -= from;
    if (from > 0 && log->used > 0)
        memmove(lines(log, 0), lines(log, from), log->used);
}

static void tell(struct accesslog *log)
{
    static struct log_site site;
    if (log->lost == log->told || !log_due(&site))
        return;
    log_write(LOG_LEVEL_ERROR, "access log %s: %llu lines lost: %s",
              log->path ? log->path : "stdout", (unsigned long long)(log->lost - log->told),
              strerror(log->error));
    log->told = log->lost;
}

/* --- what others call ----------------------------------------------------------------------- */

struct accesslog *accesslog_open(const char *target, enum conf_access_format format)
{
    if (strcmp(target, "off") == 0)
        return NULL;
    struct accesslog *log = malloc(sizeof(*log));
    if (!log)
        return NULL;
    memset(log, 0, offsetof(struct accesslog, buffer));
    log->format = format;
    log->fd = -1;
    log->buffer[0] = '\n';
    bool is_stdout = strcmp(target, "stdout") == 0;
    log->path = is_stdout ? NULL : strdup(target);
    if (!is_stdout && !log->path) {
        free(log);
        return NULL;
    }
    open_target(log);
    return log;
}

void accesslog_append(struct accesslog *log, const struct access_record *record)
{
    if (!log)
        return;
    if (BUFFER - log->used < ACCESS_LINE_MAX && !log->stuck)
        write_out(log);
    if (BUFFER - log->used < ACCESS_LINE_MAX) {
        log->lost++;
        return;
    }
    char *p = lines(log, log->used);
    log->used += log->format == CONF_ACCESS_JSON
                     ? access_render_json(record, p, BUFFER - log->used)
                     : access_render_combined(record, p, BUFFER - log->used);
}

void accesslog_flush(struct accesslog *log)
{
    if (!log)
        return;
    log->stuck = false;
    if (log->used > 0)
        write_out(log);
    tell(log);
}

void accesslog_reopen(struct accesslog *log)
{
    if (!log)
        return;
    accesslog_flush(log);
    if (log->path)
        open_target(log);
}

void accesslog_close(struct accesslog **log)
{
    if (!*log)
        return;
    accesslog_flush(*log);
    if ((*log)->fd >= 0)
        close((*log)->fd);
    free((*log)->path);
    free(*log);
    *log = NULL;
}

uint64_t accesslog_lost(const struct accesslog *log)
{
    return log ? log->lost : 0;
}
