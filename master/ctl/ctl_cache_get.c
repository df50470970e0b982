/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gatewayctl cache get: everything about one object, or about each of those that a URL stands for,
 * with the arithmetic of its freshness written out as one would check it on paper.
 */
#include "master/ctl/ctl_cache.h"
#include "master/ctl/ctl_client.h"
#include "master/ctl/ctl_table.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

enum { LABEL = 16 };

static long long number(const json_t *o, const char *name)
{
    return (long long)json_integer_value(json_object_get(o, name));
}

static void label(FILE *out, const char *text)
{
    fprintf(out, "%-*s", LABEL, text);
}

static void put_span(FILE *out, long long s)
{
    json_t *value = json_integer(s < 0 ? -s : s);
    char *text = ctl_table_cell(value, CTL_TABLE_S);

    fputs(text != NULL ? text : "", out);
    free(text);
    json_decref(value);
}

/* "2026-11-21 10:00:00 (12s ago)", in UTC. */
static void put_moment(FILE *out, long long at, long long now)
{
    char text[64] = "";
    time_t t = (time_t)at;
    struct tm tm;

    if (gmtime_r(&t, &tm) != NULL)
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm);
    fprintf(out, "%s (%s", text, at > now ? "in " : "");
    put_span(out, at - now);
    fputs(at > now ? ")\n" : " ago)\n", out);
}

static void put_window(FILE *out, const char *name, long long span, long long until, long long now)
{
    if (span <= 0)
        return;
    label(out, name);
    put_span(out, span);
    fputs(", until ", out);
    put_moment(out, until, now);
}

static void show_age(FILE *out, const json_t *f, long long now)
{
    char *from = ctl_table_cell(json_object_get(f, "lifetime_from"), CTL_TABLE_TEXT);
    char *state = ctl_table_cell(json_object_get(f, "state"), CTL_TABLE_TEXT);

    label(out, "stored at");
    put_moment(out, number(f, "stored"), now);
    label(out, "age");
    fprintf(out, "%llds at store + %llds since = %llds\n", number(f, "age_at_store"),
            number(f, "since_stored"), number(f, "age"));
    label(out, "lifetime");
    fprintf(out, "%llds, from %s\n", number(f, "lifetime"), from != NULL ? from : "");
    label(out, "state");
    fprintf(out, "%s: %llds - %llds = %llds%s\n", state != NULL ? state : "", number(f, "lifetime"),
            number(f, "age"), number(f, "lifetime") - number(f, "age"),
            json_is_true(json_object_get(f, "purged_softly")) ? ", but stale" : " left");
    free(from);
    free(state);
}

static void show_freshness(FILE *out, const json_t *f)
{
    long long now = number(f, "stored") + number(f, "since_stored");
    bool stale = json_object_get(f, "stale_since") != NULL;

    show_age(out, f, now);
    if (stale || json_object_get(f, "fresh_until") != NULL) {
        label(out, stale ? "stale since" : "fresh until");
        put_moment(out, number(f, stale ? "stale_since" : "fresh_until"), now);
    }
    put_window(out, "stale while", number(f, "stale_while_revalidate"),
               number(f, "stale_while_until"), now);
    put_window(out, "stale if error", number(f, "stale_if_error"), number(f, "stale_error_until"),
               now);
    label(out, "kept until");
    put_moment(out, number(f, "kept_until"), now);
    if (json_is_true(json_object_get(f, "must_revalidate")))
        fprintf(out, "%-*snever served stale\n", LABEL, "");
    if (json_object_get(f, "refresh_not_before") != NULL) {
        label(out, "no refresh");
        fputs("before ", out);
        put_moment(out, number(f, "refresh_not_before"), now);
    }
}

static void show_headers(FILE *out, const char *prefix, json_t *headers)
{
    for (void *at = json_object_iter(headers); at != NULL;
         at = json_object_iter_next(headers, at)) {
        char *cell = ctl_table_cell(json_object_iter_value(at), CTL_TABLE_TEXT);
        fprintf(out, "%s%s: %s\n", prefix, json_object_iter_key(at), cell != NULL ? cell : "");
        free(cell);
    }
}

static void show_object(struct ctl *ctl, const json_t *object)
{
    static const struct ctl_table_column request[] = {
        { "key           ", "key", CTL_TABLE_TEXT },
        { "dict", "dict", CTL_TABLE_TEXT },
        { "method", "method", CTL_TABLE_TEXT },
        { "url", "url", CTL_TABLE_TEXT },
        { "route", "route", CTL_TABLE_TEXT },
        { "consumer", "consumer", CTL_TABLE_TEXT },
        { "vary", "vary", CTL_TABLE_TEXT },
        { "plugin", "plugin", CTL_TABLE_TEXT },
        { "status", "status", CTL_TABLE_NUMBER },
        { "tags", "tags", CTL_TABLE_TEXT },
        { "hits", "hits", CTL_TABLE_NUMBER },
        { "etag", "validators.etag", CTL_TABLE_TEXT },
        { "modified", "validators.last_modified", CTL_TABLE_TEXT },
    };
    const json_t *sizes = json_object_get(object, "sizes");

    ctl_table_facts(ctl->out, request, LENGTH(request), object);
    show_freshness(ctl->out, json_object_get(object, "freshness"));
    label(ctl->out, "size");
    fprintf(ctl->out, "key %lld + head %lld + body %lld + overhead %lld = %lld bytes\n",
            number(sizes, "key"), number(sizes, "head"), number(sizes, "body"),
            number(sizes, "overhead"), number(sizes, "total"));
    show_headers(ctl->out, "selected by     ", json_object_get(object, "selected_by"));
    show_headers(ctl->out, "  ", json_object_get(object, "headers"));
}

static enum ctl_exit get_key(struct ctl *ctl, const char *key)
{
    char path[64];
    json_t *value;

    snprintf(path, sizeof path, "/proxy-cache/%s", key);
    enum ctl_exit result = ctl_client_get(ctl, path, &value);
    if (result == CTL_OK && !ctl->json)
        show_object(ctl, value);
    json_decref(value);
    return result;
}

enum ctl_exit ctl_cache_get(struct ctl *ctl)
{
    const char *what = ctl->argv[0];
    json_t *value;

    if (ctl_cache_is_key(what))
        return get_key(ctl, what);
    const struct ctl_cache_query query = { .url = what, .details = true };
    enum ctl_exit result = ctl_cache_find(ctl, &query, &value);
    const json_t *keys = json_object_get(value, "keys");
    size_t n = json_array_size(keys);
    if (result == CTL_OK && n == 0)
        result = ctl_cache_nothing(ctl, what);
    for (size_t i = 0; result == CTL_OK && !ctl->json && i < n; i++) {
        if (n > 1)
            fprintf(ctl->out, "%s--- %zu of %zu\n", i > 0 ? "\n" : "", i + 1, n);
        show_object(ctl, json_array_get(keys, i));
    }
    json_decref(value);
    return result;
}
