/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.0 and 1.1 on the client's side (RFC 9112): the carrier of streams that are one at a time
 * on a connection.
 */
#ifndef WORKER_H1_H
#define WORKER_H1_H

#include "worker/conn.h"

/* A stream for the bytes in the connection's buffer; NULL: no memory. */
struct stream *h1_begin(struct conn *c);
/* The request is over and the connection goes on: what was read behind it stays for the next one.
 */
void h1_end(struct conn *c);
/* Something can be read: the client is not waited for any more. */
void h1_readable(struct conn *c);
/* A client that spoke plain HTTP to a TLS port is told so in the clear. */
void h1_refuse_plain(struct conn *c);

#endif
