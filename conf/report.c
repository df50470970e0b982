/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of errors. A setting knows its line and its parents, so the place of an error is worked
 * out only when there is one. Settings that do not come from the file carry a hook: the name of an
 * environment variable, or, at the root of what holds defaults, the word "default".
 */
#include "conf/report.h"
#include "conf/conf.h"
#include <stdlib.h>
#include <string.h>

enum { REPORT_QUOTE = 96, REPORT_NAME = 64 };

struct report_entry {
    struct report_entry *next;
    unsigned line;
    size_t order;
    struct conf_text text;
};

static void push(struct report *report, unsigned line, struct conf_text text)
{
    struct report_entry *entry = memory_alloc(report->memory, sizeof *entry);
    *entry = (struct report_entry){ report->entries, line, report->n++, text };
    report->entries = entry;
}

/* "services[0].routes[1].paths"; an element of an array of scalars is named by the array. */
static struct conf_text path_of(struct report *report, const config_setting_t *s)
{
    if (!s || config_setting_is_root(s))
        return (struct conf_text){ "", 0 };
    const config_setting_t *parent = config_setting_parent(s);
    struct conf_text before = path_of(report, parent);
    if (s->name)
        return memory_format(report->memory, "%s%s%s", before.s, before.n ? "." : "", s->name);
    if (!config_setting_is_aggregate(s))
        return before;
    return memory_format(report->memory, "%s[%d]", before.s, config_setting_index(s));
}

/* What the setting comes from if not from the file: a variable's name, or "default". */
static const char *origin_of(const config_setting_t *s)
{
    for (; s; s = config_setting_parent(s))
        if (config_setting_get_hook(s))
            return config_setting_get_hook(s);
    return NULL;
}

static bool is_default(const config_setting_t *s)
{
    const char *origin = origin_of(s);
    return origin && strcmp(origin, "default") == 0;
}

struct conf_text report_place(struct report *report, const config_setting_t *at)
{
    const char *origin = origin_of(at);
    if (origin && !is_default(at))
        return memory_format(report->memory, "%s", origin);
    if (!at || origin || config_setting_source_line(at) == 0)
        return memory_format(report->memory, "%s", report->file);
    return memory_format(report->memory, "%s:%u", report->file, config_setting_source_line(at));
}

/* Takes it all as one message at the path `path`, which may be empty. */
static void add_at(struct report *report, const config_setting_t *at, struct conf_text path,
                   struct conf_text what)
{
    const char *origin = origin_of(at);
    struct conf_text place = report_place(report, at);
    if (origin && !is_default(at))
        path = (struct conf_text){ "", 0 };
    struct conf_text text =
        memory_format(report->memory, "%s: %s%s%s%s", place.s, path.s,
                      is_default(at) ? " (default)" : "", path.n ? ": " : "", what.s);
    push(report, at && !origin ? config_setting_source_line(at) : 0, text);
}

void report_add(struct report *report, const config_setting_t *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct conf_text what = memory_vformat(report->memory, format, args);
    va_end(args);
    add_at(report, at, path_of(report, at), what);
}

void report_key(struct report *report, const config_setting_t *at, const char *key,
                const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct conf_text what = memory_vformat(report->memory, format, args);
    va_end(args);
    const config_setting_t *member = at ? config_setting_get_member(at, key) : NULL;
    if (member) {
        add_at(report, member, path_of(report, member), what);
        return;
    }
    struct conf_text before = path_of(report, at);
    add_at(report, at, memory_format(report->memory, "%s%s%s", before.s, before.n ? "." : "", key),
           what);
}

void report_line(struct report *report, unsigned line, const char *what)
{
    push(report, line, memory_format(report->memory, "%s:%u: %s", report->file, line, what));
}

/* Where user and password of a URL in s[0..n) end, from `at`, which is behind "://"; `at` where
 * there are none. */
static size_t behind_user(const char *s, size_t at, size_t n)
{
    size_t end = at;
    for (size_t i = at; i < n && s[i] != '/' && s[i] != '?'; i++)
        if (s[i] == '@')
            end = i;
    return end;
}

const char *report_quote(struct report *report, const char *s, size_t n)
{
    size_t shown = n > REPORT_QUOTE ? REPORT_QUOTE : n, used = 0;
    char *out = memory_alloc(report->memory, shown * 4 + 8);
    out[used++] = '"';
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)s[i];
        if (i >= 3 && memcmp(s + i - 3, "://", 3) == 0 && behind_user(s, i, n) > i) {
            i = behind_user(s, i, n) - 1;
            memcpy(out + used, "***", 3);
            used += 3;
            continue;
        }
        if (c < 0x20 || c == 0x7f)
            used += (size_t)snprintf(out + used, 5, "\\x%02x", c);
        else
            out[used++] = (char)c;
    }
    if (shown < n) {
        memcpy(out + used, "...", 3);
        used += 3;
    }
    out[used] = '"';
    return out;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edit distance with swaps of neighbours (optimal string alignment), over at most REPORT_NAME
 * bytes. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][REPORT_NAME + 1] = { 0 };
    size_t n = strnlen(a, REPORT_NAME), m = strnlen(b, REPORT_NAME);
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3], *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            now[j] =
                smaller(smaller(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = smaller(now[j], before[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

const char *report_nearest(const char *name, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t least = (size_t)-1;
    for (size_t i = 0; i < n; i++) {
        size_t d = distance(name, names[i]);
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

static int by_place(const void *a, const void *b)
{
    const struct report_entry *const *x = a, *const *y = b;
    if ((*x)->line != (*y)->line)
        return (*x)->line < (*y)->line ? -1 : 1;
    return (*x)->order < (*y)->order ? -1 : 1;
}

bool report_give(struct report *report, struct conf_errors *out)
{
    struct report_entry **all = calloc(report->n, sizeof *all);
    size_t i = 0, bytes = 1, used = 0;
    for (struct report_entry *entry = report->entries; all && entry; entry = entry->next) {
        all[i++] = entry;
        bytes += entry->text.n + 1;
    }
    char *text = all ? malloc(bytes) : NULL;
    if (text) {
        qsort(all, report->n, sizeof *all, by_place);
        for (i = 0; i < report->n; i++) {
            memcpy(text + used, all[i]->text.s, all[i]->text.n);
            used += all[i]->text.n;
            text[used++] = '\n';
        }
        text[used] = '\0';
        *out = (struct conf_errors){ text, report->n };
    }
    free(all);
    return text != NULL;
}
