/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl cache warm: a list of requests, and making them a few at a time. */
#ifndef MASTER_CTL_WARM_H
#define MASTER_CTL_WARM_H

#include "master/ctl/ctl_fetch.h"
#include <stdio.h>

struct ctl_warm_request {
    char *text, *lines; /* the URL; more fields with their CRLF. malloc'd */
    struct ctl_fetch_url url;
    const char *wrong; /* why there was no whole answer; NULL: `answer` */
    struct ctl_fetch_answer answer;
};

struct ctl_warm_list {
    struct ctl_warm_request *v;
    size_t n, room;
    unsigned line; /* read so far */
};

/* A URL a line; indented lines behind it are fields of its request; "#" begins a comment. NULL: all
 * of it was read; else what is wrong with list->line. */
const char *ctl_warm_read(FILE *in, struct ctl_warm_list *list);
void ctl_warm_free(struct ctl_warm_list *list);

/* Makes all requests, so many at a time; `plain`, `tls`: where http and https are listened for,
 * NULL: nowhere. */
void ctl_warm_run(struct ctl_warm_list *list, const char *plain, const char *tls, unsigned at_once);

#endif
