/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCRE2 behind conf/regex.h. A pattern comes from the operator, its subject from anybody: matching
 * is bounded by match and heap limits, so that a pattern with exponential cases costs a bounded
 * time and then gives up, which is not the same as no match. Each pattern has its match data from
 * the beginning, and all share one stack, so that matching allocates nothing.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "conf/regex.h"
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

enum { REGEX_MATCH_LIMIT = 20000, REGEX_HEAP_LIMIT = 1024 /* KiB */, REGEX_PATTERN_MAX = 8192 };
enum { REGEX_STACK_FIRST = 32 << 10, REGEX_STACK_MAX = 4 << 20 }; /* touched as far as used */

struct conf_regex {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

/* The stack of compiled patterns. Without one they have 32 KiB, which a path of 2000 bytes fills;
 * NULL: no memory for it, and they still have those. Never freed: patterns come and go. */
static struct regex_context {
    pcre2_jit_stack *stack;
} regex_self;

/* The newline of "$" is taken away: a path has none, and "$" then means the end and nothing else.
 */
static const uint32_t options =
    PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C;

static pcre2_code *compile(const char *text, size_t n, size_t from, uint32_t with, char *why,
                           size_t why_size)
{
    if (n - from > REGEX_PATTERN_MAX) {
        snprintf(why, why_size, "longer than %d bytes", REGEX_PATTERN_MAX);
        return NULL;
    }
    int error = 0;
    PCRE2_SIZE at = 0;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)text + from, n - from, options | with, &error, &at, NULL);
    if (!code) {
        PCRE2_UCHAR reason[160];
        pcre2_get_error_message(error, reason, sizeof reason);
        snprintf(why, why_size, "%s at offset %zu", (const char *)reason, (size_t)at + from);
    }
    return code;
}

/* `with`: PCRE2_ANCHORED or 0, beside the options of all. */
static struct conf_regex *make(const char *text, size_t n, size_t from, uint32_t with, char *why,
                               size_t why_size)
{
    struct conf_regex *re = calloc(1, sizeof *re);
    if (!re) {
        snprintf(why, why_size, "out of memory");
        return NULL;
    }
    re->code = compile(text, n, from, with, why, why_size);
    if (!re->code) {
        regex_free(&re);
        return NULL;
    }
    /* Without JIT (no executable memory, an exotic CPU) the interpreter does the same, slower. */
    (void)pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE);
    re->data = pcre2_match_data_create_from_pattern(re->code, NULL);
    re->limits = pcre2_match_context_create(NULL);
    if (!re->data || !re->limits) {
        snprintf(why, why_size, "out of memory");
        regex_free(&re);
        return NULL;
    }
    if (!regex_self.stack)
        regex_self.stack = pcre2_jit_stack_create(REGEX_STACK_FIRST, REGEX_STACK_MAX, NULL);
    pcre2_jit_stack_assign(re->limits, NULL, regex_self.stack);
    pcre2_set_match_limit(re->limits, REGEX_MATCH_LIMIT);
    pcre2_set_heap_limit(re->limits, REGEX_HEAP_LIMIT);
    return re;
}

struct conf_regex *regex_compile_from(const char *text, size_t n, size_t from, char *why,
                                      size_t why_size)
{
    return make(text, n, from, PCRE2_ANCHORED, why, why_size);
}

struct conf_regex *regex_compile_search(const char *pattern, size_t n, char *why, size_t why_size)
{
    return make(pattern, n, 0, 0, why, why_size);
}

struct conf_regex *regex_compile(const char *pattern, size_t n, char *why, size_t why_size)
{
    return regex_compile_from(pattern, n, 0, why, why_size);
}

void regex_free(struct conf_regex **re)
{
    if (!*re)
        return;
    pcre2_match_context_free((*re)->limits);
    pcre2_match_data_free((*re)->data);
    pcre2_code_free((*re)->code);
    free(*re);
    *re = NULL;
}

int regex_match(const struct conf_regex *re, const char *s, size_t n, struct regex_span *spans,
                int max)
{
    int found = pcre2_match(re->code, (PCRE2_SPTR)s, n, 0, 0, re->data, re->limits);
    if (found == PCRE2_ERROR_NOMATCH)
        return 0;
    if (found <= 0)
        return REGEX_UNDECIDED;
    const PCRE2_SIZE *pairs = pcre2_get_ovector_pointer(re->data);
    int count = found < max ? found : max;
    for (int i = 0; i < count; i++)
        spans[i] = (struct regex_span){ pairs[2 * i], pairs[2 * i + 1] };
    return max < 1 ? 1 : count;
}

int regex_group(const struct conf_regex *re, const char *name)
{
    int group = pcre2_substring_number_from_name(re->code, (PCRE2_SPTR)name);
    return group > 0 ? group : -1;
}
