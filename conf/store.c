/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bump allocator in growing blocks, and a list of what has to be ended with them (patterns, certificates, parsed
 * files). A configuration is made once and dropped whole, so nothing is ever given back singly.
 */
#include "conf/store.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STORE_BLOCK = 16384, STORE_BLOCK_MAX = 1 << 20, STORE_ALIGN = 16 };

struct store_block {
    struct store_block *next;
    size_t size, used;
    _Alignas(STORE_ALIGN) char bytes[];
};

struct store_duty {
    struct store_duty *next;
    void (*end)(void *);
    void *what;
};

static struct store_block *grow(struct store *store, size_t n)
{
    size_t size = store->blocks ? store->blocks->size * 2 : STORE_BLOCK;
    if (size > STORE_BLOCK_MAX)
        size = STORE_BLOCK_MAX;
    if (size < n)
        size = n;
    struct store_block *block = calloc(1, sizeof *block + size);
    if (!block)
        longjmp(*store->no_memory, 1);
    block->size = size;
    block->next = store->blocks;
    store->blocks = block;
    return block;
}

void *store_alloc(struct store *store, size_t n)
{
    if (n > SIZE_MAX / 4)
        longjmp(*store->no_memory, 1);
    n = (n + STORE_ALIGN - 1) & ~(size_t)(STORE_ALIGN - 1);
    struct store_block *block = store->blocks;
    if (!block || block->size - block->used < n)
        block = grow(store, n);
    void *p = block->bytes + block->used;
    block->used += n;
    return p;
}

void *store_array(struct store *store, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        longjmp(*store->no_memory, 1);
    return store_alloc(store, bytes);
}

struct conf_text store_text(struct store *store, const char *s, size_t n)
{
    if (n == 0)
        return (struct conf_text){ "", 0 };
    char *copy = store_alloc(store, n + 1);
    memcpy(copy, s, n);
    return (struct conf_text){ copy, n };
}

struct conf_text store_lower(struct store *store, struct conf_text text)
{
    char *copy = store_alloc(store, text.n + 1);
    for (size_t i = 0; i < text.n; i++)
        copy[i] = (char)(text.s[i] >= 'A' && text.s[i] <= 'Z' ? text.s[i] | 0x20 : text.s[i]);
    return (struct conf_text){ copy, text.n };
}

struct conf_text store_vformat(struct store *store, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0)
        return (struct conf_text){ "", 0 };
    char *text = store_alloc(store, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, format, args);
    return (struct conf_text){ text, (size_t)n };
}

struct conf_text store_format(struct store *store, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct conf_text text = store_vformat(store, format, args);
    va_end(args);
    return text;
}

void store_duty(struct store *store, void (*end)(void *), void *what)
{
    struct store_duty *duty = malloc(sizeof *duty);
    if (!duty) {
        end(what);
        longjmp(*store->no_memory, 1);
    }
    *duty = (struct store_duty){ store->duties, end, what };
    store->duties = duty;
}

void store_free(struct store *store)
{
    for (struct store_duty *duty = store->duties, *next; duty; duty = next) {
        next = duty->next;
        duty->end(duty->what);
        free(duty);
    }
    for (struct store_block *block = store->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    *store = (struct store){ 0 };
}
