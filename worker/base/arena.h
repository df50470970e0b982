/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that lives as long as a request: a bump allocator over blocks that come from a free list.
 * The first block is kept with its owner, so that a plain request allocates nothing.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "worker/base/slice.h"

enum { ARENA_BLOCK = 4096 };

struct arena_block;

struct arena {
    char *next, *end;
    struct arena_block *blocks; /* newest first */
};

/* Uses `first[0..n)` (may be NULL, 0) before it takes blocks. */
void arena_init(struct arena *a, void *first, size_t n);
/* `n` bytes, 16-aligned, not zeroed; NULL when there is no memory. */
void *arena_take(struct arena *a, size_t n);
/* A copy in the arena, NUL-terminated behind its end; {NULL, 0} when there is no memory. */
struct slice arena_copy(struct arena *a, struct slice text);
struct slice arena_print(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Gives all blocks back; slices into it are gone. */
void arena_reset(struct arena *a);

#endif
