/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of one load: everything that a configuration consists of is taken from here and given
 * back at once. Allocation never returns NULL: when there is no memory it jumps to the place that
 * conf.c has set, which drops it all.
 */
#ifndef CONF_MEMORY_H
#define CONF_MEMORY_H

#include "conf/text.h"
#include <setjmp.h>
#include <stdarg.h>

struct memory_block;
struct memory_duty;

struct memory {
    struct memory_block *blocks;
    struct memory_duty *duties;
    jmp_buf *no_memory; /* must be set while anything is allocated */
};

/* Zeroed, aligned for any type, owned by the memory. n may be 0. */
void *memory_alloc(struct memory *memory, size_t n);
/* As memory_alloc, for an array; no memory when n * size overflows. */
void *memory_array(struct memory *memory, size_t n, size_t size);

/* A terminated copy. */
struct conf_text memory_text(struct memory *memory, const char *s, size_t n);
struct conf_text memory_lower(struct memory *memory, struct conf_text text);
struct conf_text memory_format(struct memory *memory, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct conf_text memory_vformat(struct memory *memory, const char *format, va_list args);

/* Calls end(what) at memory_free(), last one first; at once when there is no memory to remember it.
 * `what` may be NULL. */
void memory_duty(struct memory *memory, void (*end)(void *), void *what);

void memory_free(struct memory *memory);

#endif
