/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A piece of configured text: NUL-terminated, its length known, never NULL ("" when unset).
 * It belongs to the configuration's arena and lives as long as the configuration.
 */
#ifndef CONF_TEXT_H
#define CONF_TEXT_H

#include <stddef.h>

struct conf_text {
    const char *s;
    size_t n;
};

struct conf_texts {
    const struct conf_text *v;
    size_t n;
};

/* Structs of one kind, as read: where it is used says which. */
struct source_list {
    void *v;
    size_t n;
};

struct conf_ints {
    const int *v;
    size_t n;
};

#endif
