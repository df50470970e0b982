/* SPDX-License-Identifier: Apache-2.0 */
/* Changes written as a list, for the engines that change bodies. */
#ifndef TEST_EDITING_H
#define TEST_EDITING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/http/edit.h"

#define REMOVE(n)                                                                                  \
    {                                                                                              \
        CONF_CHANGE_REMOVE, CONF_JSON_STRING, SLICE(n),                                            \
        {                                                                                          \
            NULL, 0                                                                                \
        }                                                                                          \
    }
#define RENAME(n, to)                                                                              \
    {                                                                                              \
        CONF_CHANGE_RENAME, CONF_JSON_STRING, SLICE(n), SLICE(to)                                  \
    }
#define REPLACE(n, v)                                                                              \
    {                                                                                              \
        CONF_CHANGE_REPLACE, CONF_JSON_STRING, SLICE(n), SLICE(v)                                  \
    }
#define ADD(n, v)                                                                                  \
    {                                                                                              \
        CONF_CHANGE_ADD, CONF_JSON_STRING, SLICE(n), SLICE(v)                                      \
    }
#define APPEND(n, v)                                                                               \
    {                                                                                              \
        CONF_CHANGE_APPEND, CONF_JSON_STRING, SLICE(n), SLICE(v)                                   \
    }
#define ALLOW(n)                                                                                   \
    {                                                                                              \
        CONF_CHANGE_ALLOW, CONF_JSON_STRING, SLICE(n),                                             \
        {                                                                                          \
            NULL, 0                                                                                \
        }                                                                                          \
    }

typedef enum edit_result editing_engine(struct slice text, const struct edits *edits,
                                        struct arena *arena, struct slice *out);

/* `wanted` NULL: it stays as it is. */
static inline void editing_gives(editing_engine *engine, struct edits edits, struct slice text,
                                 const char *wanted)
{
    struct arena arena;
    struct slice out = { NULL, 0 };
    arena_init(&arena, NULL, 0);
    enum edit_result r = engine(text, &edits, &arena, &out);
    assert_int_equal(r, wanted ? EDIT_DONE : EDIT_SAME);
    if (wanted) {
        assert_int_equal(out.n, strlen(wanted));
        assert_memory_equal(out.p, wanted, out.n);
    }
    arena_reset(&arena);
}
/* EDITS(nested, change, ...) */
#define EDITS(nested, ...)                                                                         \
    ((struct edits){ (const struct edit[]){ __VA_ARGS__ },                                         \
                     sizeof((const struct edit[]){ __VA_ARGS__ }) / sizeof(struct edit), nested })

#endif
