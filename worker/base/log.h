/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error log: one line a call, written at once with one write(2): "2026/11/21 10:00:00.123
 * [warn] 4711 worker 0: text". Repeated identical failures (a full disk, EMFILE) are written once a
 * second with a count. A line that cannot be written is counted, never waited for.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR
};

/* `target`: "stderr", "syslog" or a path. `who`: "master", "worker 3"; copied. On failure to open,
 * stderr stays and the reason is logged there; false. */
bool log_open(const char *target, enum log_level level, const char *who);
void log_who(const char *who); /* after fork */
void log_reopen(
    void); /* after rotation; an unprivileged process that may not open keeps the old file */
void log_close(void);
bool log_wants(enum log_level level);
unsigned long log_lost(void); /* lines that could not be written */

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with ": strerror(errno)" at the end; errno is kept. */
void log_errno(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For what can happen thousands of times a second: at most one line a second for each call site. */
#define log_rarely(level, ...)                                                                     \
    do {                                                                                           \
        static struct log_site log_site_;                                                          \
        if (log_due(&log_site_))                                                                   \
            log_write(level, __VA_ARGS__);                                                         \
    } while (0)
struct log_site {
    long long next;       /* ms, monotonic */
    unsigned long hidden; /* since the last line */
};
bool log_due(struct log_site *site);

#endif
