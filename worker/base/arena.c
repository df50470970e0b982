/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bump allocator. Blocks of the usual size are kept on one free list per process, larger ones go
 * back to malloc.
 */
#include "worker/base/arena.h"

#include "worker/base/pool.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct arena_block {
    struct arena_block *next;
    size_t size; /* of the whole block */
};

static struct pool blocks = { .size = ARENA_BLOCK, .keep = 256 };

void arena_init(struct arena *a, void *first, size_t n)
{
    a->next = first;
    a->end = first ? (char *)first + n : NULL;
    a->blocks = NULL;
}

static bool grow(struct arena *a, size_t n)
{
    size_t size = n + sizeof(struct arena_block) + 16;
    struct arena_block *block;

    if (size <= ARENA_BLOCK) {
        size = ARENA_BLOCK;
        block = pool_take(&blocks);
    } else {
        block = malloc(size);
    }
    if (!block)
        return false;
    block->next = a->blocks;
    block->size = size;
    a->blocks = block;
    a->next = (char *)(block + 1);
    a->end = (char *)block + size;
    return true;
}

void *arena_take(struct arena *a, size_t n)
{
    uintptr_t at = ((uintptr_t)a->next + 15) & ~(uintptr_t)15;

    if (!a->next || at > (uintptr_t)a->end || (uintptr_t)a->end - at < n) {
        if (!grow(a, n))
            return NULL;
        at = ((uintptr_t)a->next + 15) & ~(uintptr_t)15;
    }
    a->next = (char *)at + n;
    return (void *)at;
}

struct slice arena_copy(struct arena *a, struct slice text)
{
    char *p = arena_take(a, text.n + 1);

    if (!p)
        return (struct slice){ NULL, 0 };
    if (text.n)
        memcpy(p, text.p, text.n);
    p[text.n] = '\0';
    return slice_of(p, text.n);
}

struct slice arena_print(struct arena *a, const char *format, ...)
{
    va_list list;
    char small[256];

    va_start(list, format);
    int n = vsnprintf(small, sizeof small, format, list);
    va_end(list);
    if (n < 0)
        return (struct slice){ NULL, 0 };
    if ((size_t)n < sizeof small)
        return arena_copy(a, slice_of(small, (size_t)n));
    char *p = arena_take(a, (size_t)n + 1);
    if (!p)
        return (struct slice){ NULL, 0 };
    va_start(list, format);
    vsnprintf(p, (size_t)n + 1, format, list);
    va_end(list);
    return slice_of(p, (size_t)n);
}

void arena_reset(struct arena *a)
{
    struct arena_block *block = a->blocks, *next;

    for (; block; block = next) {
        next = block->next;
        if (block->size == ARENA_BLOCK)
            pool_give(&blocks, block);
        else
            free(block);
    }
    arena_init(a, NULL, 0);
}
