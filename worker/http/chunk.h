/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Incremental decoder of the chunked coding (RFC 9112 section 7.1), strict: hex digits, bounded
 * extensions that are dropped, CRLF only, bounded trailers. It copies nothing: each call names the
 * next run of payload in the input.
 */
#ifndef HTTP_CHUNK_H
#define HTTP_CHUNK_H

#include "worker/base/slice.h"

enum { CHUNK_EXTENSION_MAX = 256, CHUNK_TRAILER_MAX = 8192, CHUNK_TRAILERS_KEPT = 4096 };

enum chunk_verdict { CHUNK_BAD = -1, CHUNK_MORE, CHUNK_DATA, CHUNK_END };

struct chunk {
    uint64_t left; /* of the current chunk */
    uint32_t line; /* bytes of the current line or of the trailers so far */
    uint8_t state;
    uint16_t trailers_n; /* bytes kept in trailers */
    char *trailers; /* where complete, checked trailer lines are kept, or NULL: they are dropped */
};

/* `trailers`: room for CHUNK_TRAILERS_KEPT bytes, or NULL. Kept as "Name: value\r\n" lines,
 * framing, routing and hop-by-hop names left out (RFC 9110 section 6.5.1). */
void chunk_init(struct chunk *c, char *trailers);

/* Consumes from *in. CHUNK_DATA: *out is a run of payload inside the input, call again. CHUNK_MORE:
 * the input is used up. CHUNK_END: the message ended; *in holds what follows it. CHUNK_BAD:
 * malformed, the connection is lost. */
enum chunk_verdict chunk_next(struct chunk *c, struct slice *in, struct slice *out);

#endif
