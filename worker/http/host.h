/* SPDX-License-Identifier: Apache-2.0 */
/* "host" and "host:port" as they stand in the Host field and in a request target's authority. */
#ifndef HTTP_HOST_H
#define HTTP_HOST_H

#include "worker/http/scan.h"

/* Splits and checks. `name` is the part before the port as received, "[...]" with its brackets;
 * *port is 0 when there is none, also behind a colon. False when ill-formed: empty, user
 * information, a byte that no host name has (letters, digits, '-', '_', '~', '.' are), an empty
 * label but for one trailing dot, a malformed IPv6 address, a zero port. Percent escapes and
 * sub-delims of RFC 3986 are refused, since they are second spellings that a route could miss. */
bool host_split(struct slice authority, struct slice *name, int *port);

/* The same where `authority` lies in a buffer that begins at `low` and the engine was chosen for
 * its size. */
bool host_split_in(const struct scan_engine *e, const char *low, struct slice authority,
                   struct slice *name, int *port);

#endif
