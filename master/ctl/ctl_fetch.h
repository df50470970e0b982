/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gatewayctl as a client of what the gateway serves: one GET over a connection of its own, the body
 * read to its end and dropped. Blocking, with an end in time; may be called by several threads.
 */
#ifndef MASTER_CTL_FETCH_H
#define MASTER_CTL_FETCH_H

#include "worker/base/slice.h"

struct ctl_fetch_url {
    bool https;
    struct slice authority, target; /* "h.example:80", "/a?b"; into the text, or "/" */
};

struct ctl_fetch_answer {
    int status;
    char cache[16]; /* X-Cache-Status; "": there is none */
    bool stored;    /* Cache-Status says so */
    uint64_t bytes; /* of the body */
};

/* False: no http or https URL with a host, or one with bytes that no request line may have. */
bool ctl_fetch_url(struct slice text, struct ctl_fetch_url *out);

/* Asks who listens at `address` ("127.0.0.1:80", "[::1]:80", "unix:/path"; the unspecified address
 * means this machine) for the URL; `lines`: more fields, each with its CRLF. TLS for https, without
 * a look at the certificate: the caller knows whose address it is. NULL: a whole answer came; else
 * why not. */
const char *ctl_fetch(const char *address, const struct ctl_fetch_url *url, struct slice lines,
                      struct ctl_fetch_answer *answer);

#endif
