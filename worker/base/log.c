/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines are made in a buffer on the stack and written with one call, so that lines of several
 * processes never mix. A line is at most 4096 bytes, which a pipe takes whole or not at all: if it
 * would have to wait, the line is counted as lost instead. Control bytes are escaped, because parts
 * of a line may come from a client.
 */
#include "worker/base/log.h"
#include "conf/hex.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { LOG_LINE = 4096, LOG_TEXT = 3072, LOG_PATH = 1024, LOG_WHO = 32 };

static struct log_context {
    int fd;
    enum log_level level;
    bool syslog, file; /* neither: standard error */
    bool pollable;     /* a pipe, terminal or socket: may make a writer wait */
    char who[LOG_WHO];
    char path[LOG_PATH];
    unsigned long lost;
    unsigned long hidden; /* to be said by the next line: how many like it were left out */
} log_self = { .fd = STDERR_FILENO, .level = LOG_LEVEL_INFO, .pollable = true, .who = "gateway" };

static const struct {
    const char *name;
    int priority;
} log_levels[] = {
    [LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },    [LOG_LEVEL_INFO] = { "info", LOG_INFO },
    [LOG_LEVEL_NOTICE] = { "notice", LOG_NOTICE }, [LOG_LEVEL_WARN] = { "warn", LOG_WARNING },
    [LOG_LEVEL_ERROR] = { "error", LOG_ERR },
};

/* --- target ---------------------------------------------------------------------------- */

static bool log_waits(int fd)
{
    struct stat st;
    return fstat(fd, &st) < 0 || !S_ISREG(st.st_mode);
}

/* Opens the path and takes it in place of the present target; on failure nothing changes. */
static bool log_open_file(void)
{
    /* Nobody at the other end of a pipe must not make the opener wait: the master is one. */
    int fd = open(log_self.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                  0640);
    if (fd < 0)
        return false;
    if (log_self.fd > STDERR_FILENO)
        (void)close(log_self.fd);
    log_self.fd = fd;
    log_self.pollable = log_waits(fd);
    return true;
}

bool log_open(const char *target, enum log_level level, const char *who)
{
    log_close();
    log_who(who);
    log_self.level = level;
    if (strcmp(target, "stderr") == 0)
        return true;
    if (strcmp(target, "syslog") == 0) {
        openlog("gateway", LOG_PID | LOG_NDELAY, LOG_DAEMON);
        log_self.syslog = true;
        return true;
    }
    if (strlen(target) >= sizeof log_self.path) {
        errno = ENAMETOOLONG;
    } else {
        strcpy(log_self.path, target);
        log_self.file = log_open_file();
    }
    if (!log_self.file)
        log_errno(LOG_LEVEL_ERROR, "cannot open the error log %s, standard error is used", target);
    return log_self.file;
}

void log_who(const char *who)
{
    (void)snprintf(log_self.who, sizeof log_self.who, "%s", who);
}

void log_reopen(void)
{
    if (log_self.file && !log_open_file())
        log_errno(LOG_LEVEL_WARN, "cannot reopen the error log %s, the old file is kept",
                  log_self.path);
}

void log_close(void)
{
    if (log_self.fd > STDERR_FILENO)
        (void)close(log_self.fd);
    if (log_self.syslog)
        closelog();
    log_self.fd = STDERR_FILENO;
    log_self.syslog = log_self.file = false;
    log_self.pollable = log_waits(STDERR_FILENO);
}

bool log_wants(enum log_level level)
{
    return level >= log_self.level;
}

unsigned long log_lost(void)
{
    return log_self.lost;
}

/* --- lines ----------------------------------------------------------------------------- */

static size_t log_prefix(char *line, size_t size, enum log_level level)
{
    struct timespec now;
    struct tm tm;
    char date[32];
    int n;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (localtime_r(&now.tv_sec, &tm) == NULL ||
        strftime(date, sizeof date, "%Y/%m/%d %H:%M:%S", &tm) == 0)
        strcpy(date, "-");
    n = snprintf(line, size, "%s.%03d [%s] %d %s: ", date, (int)(now.tv_nsec / 1000000),
                 log_levels[level].name, (int)getpid(), log_self.who);
    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* Appends text with control bytes as \xNN; returns the new length, which leaves room for a line
 * feed. */
static size_t log_escape(char *line, size_t n, size_t size, const char *text)
{
    for (; *text && n + 5 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c != 0x7f) {
            line[n++] = (char)c;
            continue;
        }
        line[n++] = '\\';
        line[n++] = 'x';
        hex_lower(line + n, c);
        n += 2;
    }
    return n;
}

static bool log_put(const char *line, size_t n)
{
    struct pollfd p = { .fd = log_self.fd, .events = POLLOUT };
    ssize_t done;

    if (log_self.pollable && poll(&p, 1, 0) == 0)
        return false;
    do
        done = write(log_self.fd, line, n);
    while (done < 0 && errno == EINTR);
    return done == (ssize_t)n;
}

static void log_line(enum log_level level, const char *text)
{
    char line[LOG_LINE];
    size_t n = log_self.syslog ? 0 : log_prefix(line, sizeof line, level);

    n = log_escape(line, n, sizeof line, text);
    if (log_self.syslog) {
        syslog(log_levels[level].priority, "%s: %.*s", log_self.who, (int)n, line);
        return;
    }
    line[n++] = '\n';
    if (!log_put(line, n))
        log_self.lost++;
}

static void log_format(enum log_level level, int why, const char *format, va_list args)
{
    char text[LOG_TEXT];
    size_t n;
    unsigned long hidden = log_self.hidden;

    log_self.hidden = 0;
    if (!log_wants(level) || vsnprintf(text, sizeof text - 256, format, args) < 0)
        return;
    n = strlen(text);
    if (why)
        n += (size_t)snprintf(text + n, sizeof text - n, ": %s", strerror(why));
    if (hidden)
        (void)snprintf(text + n, sizeof text - n, " (and %lu more like this)", hidden);
    log_line(level, text);
}

void log_write(enum log_level level, const char *format, ...)
{
    int saved = errno;
    va_list args;

    va_start(args, format);
    log_format(level, 0, format, args);
    va_end(args);
    errno = saved;
}

void log_errno(enum log_level level, const char *format, ...)
{
    int saved = errno;
    va_list args;

    va_start(args, format);
    log_format(level, saved, format, args);
    va_end(args);
    errno = saved;
}

bool log_due(struct log_site *site)
{
    struct timespec now;
    long long ms;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    ms = now.tv_sec * 1000LL + now.tv_nsec / 1000000;
    if (ms < site->next) {
        site->hidden++;
        return false;
    }
    site->next = ms + 1000;
    log_self.hidden = site->hidden;
    site->hidden = 0;
    return true;
}
