/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small objects are cut from blocks of 64 KiB; objects of a page and more are mapped one by one
 * through malloc, so that a burst of buffers can go back to the kernel.
 */
#include "worker/base/pool.h"

#include <stdlib.h>

enum { POOL_BLOCK = 65536, POOL_LARGE = 4096 };

void pool_init(struct pool *p, size_t size, size_t keep)
{
    *p = (struct pool){ .size = (size + 15) & ~(size_t)15, .keep = keep };
}

static void *cut(struct pool *p)
{
    if ((size_t)(p->block_end - p->block) < p->size) {
        char *block = malloc(POOL_BLOCK);
        if (!block)
            return NULL;
        p->block = block;
        p->block_end = block + POOL_BLOCK;
    }
    void *object = p->block;
    p->block += p->size;
    return object;
}

void *pool_take(struct pool *p)
{
    void *object = p->free;

    if (object) {
        p->free = *(void **)object;
        p->free_n--;
    } else {
        object = p->size < POOL_LARGE ? cut(p) : malloc(p->size);
        if (!object)
            return NULL;
    }
    p->used++;
    return object;
}

void pool_give(struct pool *p, void *object)
{
    p->used--;
    if (p->size >= POOL_LARGE && p->free_n >= p->keep) {
        free(object);
        return;
    }
    *(void **)object = p->free;
    p->free = object;
    p->free_n++;
}
