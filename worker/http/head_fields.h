/* SPDX-License-Identifier: Apache-2.0 */
/* What requests and responses have in common: the version, the field lines, Connection and the
 * framing fields. */
#ifndef HTTP_HEAD_FIELDS_H
#define HTTP_HEAD_FIELDS_H

#include "worker/http/scan.h"

/* Whether buf[0..n) has the empty line that ends a head, when the first `seen` bytes had none. */
bool head_fields_complete(const char *buf, size_t n, size_t seen);

/* All of *h but the field lines to zero: 3 KB are not touched for each message. */
void head_fields_clear(struct head *h);

/* "HTTP/1.0" or "HTTP/1.1" at p: 8, HEAD_MORE, or minus an error; *minor is set. */
int head_fields_version(const char *p, const char *end, int *minor);

/* What must be CR LF at p: 2, HEAD_MORE, or minus an error, `otherwise` when something else is
 * there. */
int head_fields_crlf(const char *p, const char *end, int otherwise);

/* Field lines and the empty line: bytes taken, HEAD_MORE, or minus an error. Fills fields,
 * fields_n, first. */
int head_fields_read(const struct scan_engine *e, const char *low, struct slice rest,
                     struct head *h);

/* Connection: keep_alive, upgrade, and `drop` of the fields it names. 0 or minus an error. */
int head_fields_connection(struct head *h);

/* Transfer-Encoding is there: 0 when it is exactly "chunked", else minus an error. */
int head_fields_coding(const struct head *h);

/* Content-Length is there: 0 and content_length, or minus an error. `repeats`: lines and list
 * members may repeat the same digits. */
int head_fields_length(struct head *h, bool repeats);

#endif
