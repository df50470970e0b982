/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One name asked for, over c-ares in the loop of the process: the hosts file, then SRV records and
 * the addresses of their hosts, then addresses. Nothing waits but for local files.
 */
#ifndef CHECKER_DNS_H
#define CHECKER_DNS_H

#include "worker/base/answer.h"
#include "worker/base/loop.h"

enum dns_outcome {
    DNS_FOUND,   /* `why` not "": a part of it could not be found */
    DNS_NOTHING, /* who knows says that there is nothing */
    DNS_FAILED,  /* nobody could be asked, or nobody knew */
};

struct dns_room;

/* Called once for each dns_start(); `answer` has places and srv, and is the callee's no longer
 * than the call. `why`: the error, if any; ttl in seconds. */
typedef void dns_done(void *owner, enum dns_outcome outcome, const struct answer *answer,
                      uint32_t ttl, const char *why);

/* NULL: no memory, or the name servers cannot be known. `loop` and `conf` outlive it. */
struct dns_room *dns_open(struct loop *loop, const struct conf *conf);
/* Questions that are open end without a call. The last memory goes at the end of the loop's turn.
 */
void dns_close(struct dns_room **room);

/* Asks for a name. `had`: what the last good answer had (CONF_DNS_*), so that a name server which
 * fails to say that is a failure. done() may be called before this returns. False: no memory. */
bool dns_start(struct dns_room *room, const char *name, unsigned had, dns_done *done, void *owner);

#endif
