/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a configuration: collected in any order, given out in file order, one line
 * each, "gateway.conf:41: services[0].routes[1].paths: what". The place is found from the setting
 * itself.
 */
#ifndef CONF_REPORT_H
#define CONF_REPORT_H

#include "conf/memory.h"
#include <libconfig.h>
#include <stdbool.h>

struct conf_errors;
struct report_entry;

struct report {
    struct memory *memory;
    const char *file; /* how the file is named in errors */
    struct report_entry *entries;
    size_t n;
};

/* An error at a setting. A setting from the environment is named by its variable; `at` NULL: the
 * file as a whole. */
void report_add(struct report *report, const config_setting_t *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* An error at the member `key` of group `at`, or at the group itself where the member is not
 * written. */
void report_key(struct report *report, const config_setting_t *at, const char *key,
                const char *format, ...) __attribute__((format(printf, 4, 5)));
/* An error at a line, for what the parser of the syntax says. */
void report_line(struct report *report, unsigned line, const char *what);

/* "text" in quotes, cut when long, control bytes escaped, a URL without its user and password; for
 * use in messages. */
const char *report_quote(struct report *report, const char *s, size_t n);

/* "gateway.conf:41", for explanations. */
struct conf_text report_place(struct report *report, const config_setting_t *at);

/* The one of names[0..n) that `name` is most likely meant to be (edit distance); NULL when n is 0.
 */
const char *report_nearest(const char *name, const char *const *names, size_t n);

/* Puts all of it, sorted, into *out (malloc'ed text, see conf.h). False: no memory. */
bool report_give(struct report *report, struct conf_errors *out);

#endif
