/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body that a route wants whole before it goes on (request_buffering, response_buffering): in
 * memory up to a window, behind that in an unlinked file below the prefix, so that memory stays
 * bounded.
 */
#ifndef WORKER_SPOOL_H
#define WORKER_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SPOOL_MEMORY = 65536 };

struct spool;

/* `folder` is where the file goes when one is needed; it must outlive the spool. NULL: no memory.
 */
struct spool *spool_make(const char *folder);
void spool_free(struct spool **spool); /* NULL and pointers to NULL are fine */

/* False: no memory or the disk is full (errno). */
bool spool_append(struct spool *sp, const void *p, size_t n);
uint64_t spool_size(const struct spool *sp);

/* Bytes from `offset` on: copied to `to`, at most `n`; returns how many, -1 on an error of the
 * file. */
ssize_t spool_read(const struct spool *sp, uint64_t offset, void *to, size_t n);

#endif
