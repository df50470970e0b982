/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of one size on a free list, last in first out, so that the next user finds warm memory.
 * Blocks of objects come from the kernel as they are needed; memory is not given back before the
 * process ends, except objects of a page or more beyond `keep`, which are.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>

struct pool {
    size_t size; /* of an object, >= 16 */
    size_t keep; /* free objects kept */
    void *free;  /* singly linked through the first word */
    size_t free_n, used;
    char *block, *block_end; /* not handed out yet */
};

void pool_init(struct pool *p, size_t size, size_t keep);
void *pool_take(struct pool *p); /* not zeroed; NULL: no memory */
void pool_give(struct pool *p, void *object);

#endif
