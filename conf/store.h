/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of one load: everything that a configuration consists of is taken from here and given back at once.
 * Allocation never returns NULL: when there is no memory it jumps to the place that conf.c has set, which drops it all.
 */
#ifndef CONF_STORE_H
#define CONF_STORE_H

#include "conf/text.h"
#include <setjmp.h>
#include <stdarg.h>

struct store_block;
struct store_duty;

struct store {
    struct store_block *blocks;
    struct store_duty *duties;
    jmp_buf *no_memory; /* must be set while anything is allocated */
};

/* Zeroed, aligned for any type, owned by the store. n may be 0. */
void *store_alloc(struct store *store, size_t n);
/* As store_alloc, for an array; no memory when n * size overflows. */
void *store_array(struct store *store, size_t n, size_t size);

/* A terminated copy. */
struct conf_text store_text(struct store *store, const char *s, size_t n);
struct conf_text store_lower(struct store *store, struct conf_text text);
struct conf_text store_format(struct store *store, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct conf_text store_vformat(struct store *store, const char *format, va_list args);

/* Calls end(what) at store_free(), last one first; at once when there is no memory to remember it. `what` may be NULL. */
void store_duty(struct store *store, void (*end)(void *), void *what);

void store_free(struct store *store);

#endif
