/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl: what its commands share. One table of commands (gatewayctl.c) serves parsing, help
 * and dispatch. */
#ifndef MASTER_CTL_COMMAND_H
#define MASTER_CTL_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

enum ctl_exit { CTL_OK, CTL_REFUSED, CTL_USAGE, CTL_UNREACHABLE };

/* Options; a command names those that it takes by bits. -s, -o and -h are everybody's. */
enum ctl_option {
    CTL_URL = 1,
    CTL_ALL = 2,
    CTL_LIMIT = 4,
    CTL_DICT = 8,
    CTL_BINARY = 16,
    CTL_TAG = 32,
    CTL_PREFIX = 64,
    CTL_HOST = 128,
    CTL_ROUTE = 256,
    CTL_SERVICE = 512,
    CTL_SOFT = 1024,
    CTL_DRY_RUN = 2048,
    CTL_STATUS = 4096,
    CTL_SORT = 8192,
    CTL_FILE = 16384,
    CTL_CONCURRENCY = 32768,
    CTL_SPAN = 65536,
    CTL_MATCH = 131072,
    CTL_FIELD = 262144,
    CTL_FROM = 524288,
    CTL_TO = 1 << 20,
    CTL_PERCENT = 1 << 21,
    CTL_STEP = 1 << 22,
    CTL_ABORT_IF = 1 << 23,
    CTL_REQUESTS = 1 << 24,
    CTL_CANCEL = 1 << 25,
    CTL_FINISH = 1 << 26,
};

enum { CTL_FIELDS_MAX = 64 };

struct ctl {
    const char *socket;                             /* path of the control socket */
    bool json;                                      /* -o json: the API's answer as it is */
    const char *url, *limit, *dict, *binary, *span; /* NULL: not given */
    const char *tag, *prefix, *host, *route, *service;
    const char *status, *sort, *file, *concurrency, *match, *from, *field;
    const char *to, *percent, *step, *abort_if, *requests;
    const char *fields[CTL_FIELDS_MAX]; /* -H, as often as given; ended by NULL */
    bool all, soft, dry_run, cancel, finish;
    FILE *out, *err;
    int argc; /* words behind the command's name */
    char *const *argv;
};

struct ctl_command {
    const char *name;      /* one word or two */
    const char *arguments; /* for the usage line; "" when there are none */
    const char *summary;   /* one line */
    unsigned options;      /* bits of enum ctl_option */
    int min, max;          /* how many arguments */
    enum ctl_exit (*run)(struct ctl *ctl);
};

#define CTL_COMMANDS(X)                                                                            \
    X(ctl_process_status)                                                                          \
    X(ctl_process_workers)                                                                         \
    X(ctl_process_reload)                                                                          \
    X(ctl_process_upgrade)                                                                         \
    X(ctl_process_stop)                                                                            \
    X(ctl_process_quit)                                                                            \
    X(ctl_process_reopen)                                                                          \
    X(ctl_process_check)                                                                           \
    X(ctl_process_version)                                                                         \
    X(ctl_entity_routes)                                                                           \
    X(ctl_explain)                                                                                 \
    X(ctl_entity_services)                                                                         \
    X(ctl_entity_upstreams)                                                                        \
    X(ctl_health_log)                                                                              \
    X(ctl_health_probe)                                                                            \
    X(ctl_jwks_list)                                                                               \
    X(ctl_jwks_refresh)                                                                            \
    X(ctl_target_list)                                                                             \
    X(ctl_target_set)                                                                              \
    X(ctl_target_add)                                                                              \
    X(ctl_target_delete)                                                                           \
    X(ctl_shift)                                                                                   \
    X(ctl_target_service)                                                                          \
    X(ctl_target_overrides)                                                                        \
    X(ctl_target_drop)                                                                             \
    X(ctl_target_commit)                                                                           \
    X(ctl_entity_stat)                                                                             \
    X(ctl_entity_metrics)                                                                          \
    X(ctl_purge)                                                                                   \
    X(ctl_cache_warm)                                                                              \
    X(ctl_cache_stat)                                                                              \
    X(ctl_cache_advise)                                                                            \
    X(ctl_cache_get)                                                                               \
    X(ctl_cache_key)                                                                               \
    X(ctl_cache_ls)

#define CTL_PROTOTYPE(name) enum ctl_exit name(struct ctl *ctl);
CTL_COMMANDS(CTL_PROTOTYPE)
#undef CTL_PROTOTYPE

#endif
