/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bump allocator in growing blocks, and a list of what has to be ended with them (patterns,
 * certificates, parsed files). A configuration is made once and dropped whole, so nothing is ever
 * given back singly.
 */
#include "conf/memory.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_BLOCK = 16384, MEMORY_BLOCK_MAX = 1 << 20, MEMORY_ALIGN = 16 };

struct memory_block {
    struct memory_block *next;
    size_t size, used;
    _Alignas(MEMORY_ALIGN) char bytes[];
};

struct memory_duty {
    struct memory_duty *next;
    void (*end)(void *);
    void *what;
};

static struct memory_block *grow(struct memory *memory, size_t n)
{
    size_t size = memory->blocks ? memory->blocks->size * 2 : MEMORY_BLOCK;
    if (size > MEMORY_BLOCK_MAX)
        size = MEMORY_BLOCK_MAX;
    if (size < n)
        size = n;
    struct memory_block *block = calloc(1, sizeof *block + size);
    if (!block)
        longjmp(*memory->no_memory, 1);
    block->size = size;
    block->next = memory->blocks;
    memory->blocks = block;
    return block;
}

void *memory_alloc(struct memory *memory, size_t n)
{
    if (n > SIZE_MAX / 4)
        longjmp(*memory->no_memory, 1);
    n = (n + MEMORY_ALIGN - 1) & ~(size_t)(MEMORY_ALIGN - 1);
    struct memory_block *block = memory->blocks;
    if (!block || block->size - block->used < n)
        block = grow(memory, n);
    void *p = block->bytes + block->used;
    block->used += n;
    return p;
}

void *memory_array(struct memory *memory, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        longjmp(*memory->no_memory, 1);
    return memory_alloc(memory, bytes);
}

struct conf_text memory_text(struct memory *memory, const char *s, size_t n)
{
    if (n == 0)
        return (struct conf_text){ "", 0 };
    char *copy = memory_alloc(memory, n + 1);
    memcpy(copy, s, n);
    return (struct conf_text){ copy, n };
}

struct conf_text memory_lower(struct memory *memory, struct conf_text text)
{
    char *copy = memory_alloc(memory, text.n + 1);
    for (size_t i = 0; i < text.n; i++)
        copy[i] = (char)(text.s[i] >= 'A' && text.s[i] <= 'Z' ? text.s[i] | 0x20 : text.s[i]);
    return (struct conf_text){ copy, text.n };
}

struct conf_text memory_vformat(struct memory *memory, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0)
        return (struct conf_text){ "", 0 };
    char *text = memory_alloc(memory, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, format, args);
    return (struct conf_text){ text, (size_t)n };
}

struct conf_text memory_format(struct memory *memory, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct conf_text text = memory_vformat(memory, format, args);
    va_end(args);
    return text;
}

void memory_duty(struct memory *memory, void (*end)(void *), void *what)
{
    struct memory_duty *duty = malloc(sizeof *duty);
    if (!duty) {
        end(what);
        longjmp(*memory->no_memory, 1);
    }
    *duty = (struct memory_duty){ memory->duties, end, what };
    memory->duties = duty;
}

void memory_free(struct memory *memory)
{
    for (struct memory_duty *duty = memory->duties, *next; duty; duty = next) {
        next = duty->next;
        duty->end(duty->what);
        free(duty);
    }
    for (struct memory_block *block = memory->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    *memory = (struct memory){ 0 };
}
