/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A response's head as the stages pass it on: where its fields come from, and how its body is
 * framed. What carries the stream serializes it.
 */
#ifndef WORKER_REPLY_H
#define WORKER_REPLY_H

#include "worker/http/head.h"
#include "worker/stream.h"

enum reply_length { REPLY_NO_BODY, REPLY_LENGTH, REPLY_UNKNOWN };

struct reply {
    int status;
    struct slice reason;             /* absent: the standard phrase */
    const struct head *head;         /* fields as an upstream sent them; NULL: none */
    struct slice lines;              /* fields ready as lines "Name: value\r\n"; may be empty */
    struct slice own;                /* the gateway's own lines: Via, X-Gateway-*, Age, X-Cache-* */
    const struct extra_field *extra; /* set by plugins: in place of fields with the same name */
    enum reply_length length;
    bool announce; /* a Content-Length is sent (HEAD and 304 may have one with REPLY_NO_BODY) */
    uint64_t content_length; /* with REPLY_LENGTH, or announced */
    struct slice trailers;   /* known at the end only; lines */
    bool close;              /* the connection ends after it */
    bool upgrade;            /* 101: Connection and Upgrade are passed on */
};

#endif
