/* SPDX-License-Identifier: Apache-2.0 */
/* Threads take the next request from the list until none is left; each writes to its own row alone.
 */
#include "master/ctl/ctl_warm.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { THREADS_MAX = 256, STACK = 256 * 1024 };

/* --- the list ------------------------------------------------------------------------------- */

static struct slice trimmed(const char *line, size_t n)
{
    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r' || line[n - 1] == ' ' ||
                     line[n - 1] == '\t'))
        n--;
    while (n > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        n--;
    }
    return slice_of(line, n);
}

static const char *add_url(struct ctl_warm_list *list, struct slice text)
{
    if (list->n == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        struct ctl_warm_request *v = realloc(list->v, room * sizeof *v);
        if (!v)
            return "no memory";
        list->v = v;
        list->room = room;
    }
    struct ctl_warm_request *r = &list->v[list->n];
    *r = (struct ctl_warm_request){ .text = strndup(text.p, text.n), .lines = strdup("") };
    list->n++;
    if (!r->text || !r->lines)
        return "no memory";
    return ctl_fetch_url(slice_of(r->text, text.n), &r->url)
               ? NULL
               : "this is no http:// or https:// URL with a host";
}

/* What the request says by itself, or must not say. */
static bool is_ours(struct slice name)
{
    static const struct slice names[] = {
        { "Host", 4 }, { "Connection", 10 }, { "Content-Length", 14 }, { "Transfer-Encoding", 17 }
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_equal_nocase(name, names[i]))
            return true;
    return false;
}

static const char *add_field(struct ctl_warm_list *list, struct slice text)
{
    const char *colon = memchr(text.p, ':', text.n);
    char *lines = NULL;

    if (list->n == 0)
        return "a field stands behind its URL";
    if (!colon || colon == text.p || is_ours(slice_of(text.p, (size_t)(colon - text.p))))
        return "this is no field that can be set";
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < 0x20 && text.p[i] != '\t')
            return "this is no field that can be set";
    struct ctl_warm_request *r = &list->v[list->n - 1];
    if (asprintf(&lines, "%s%.*s\r\n", r->lines, (int)text.n, text.p) < 0)
        return "no memory";
    free(r->lines);
    r->lines = lines;
    return NULL;
}

const char *ctl_warm_read(FILE *in, struct ctl_warm_list *list)
{
    const char *wrong = NULL;
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while (!wrong && (n = getline(&line, &cap, in)) > 0) {
        struct slice text = trimmed(line, (size_t)n);
        list->line++;
        if (text.n == 0 || text.p[0] == '#')
            continue;
        wrong = text.p == line ? add_url(list, text) : add_field(list, text);
    }
    if (!wrong && ferror(in))
        wrong = "cannot be read";
    free(line);
    return wrong;
}

void ctl_warm_free(struct ctl_warm_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->v[i].text);
        free(list->v[i].lines);
    }
    free(list->v);
    *list = (struct ctl_warm_list){ 0 };
}

/* --- the requests --------------------------------------------------------------------------- */

struct work {
    struct ctl_warm_list *list;
    const char *plain, *tls;
    _Atomic size_t next;
};

static void make_request(const struct work *work, struct ctl_warm_request *r)
{
    const char *address = r->url.https ? work->tls : work->plain;

    r->wrong = address
                   ? ctl_fetch(address, &r->url, slice_of(r->lines, strlen(r->lines)), &r->answer)
                   : "the gateway does not listen for that";
}

static void *take_turns(void *arg)
{
    struct work *work = arg;
    size_t i;

    while ((i = atomic_fetch_add(&work->next, 1)) < work->list->n)
        make_request(work, &work->list->v[i]);
    return NULL;
}

void ctl_warm_run(struct ctl_warm_list *list, const char *plain, const char *tls, unsigned at_once)
{
    struct work work = { .list = list, .plain = plain, .tls = tls };
    pthread_t threads[THREADS_MAX];
    pthread_attr_t small;
    unsigned n = 0;

    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK);
    at_once = at_once < THREADS_MAX ? at_once : THREADS_MAX;
    while (n + 1 < at_once && n + 1 < list->n &&
           pthread_create(&threads[n], &small, take_turns, &work) == 0)
        n++;
    (void)take_turns(&work); /* this thread is one of them, and does it all where it is alone */
    while (n > 0)
        pthread_join(threads[--n], NULL);
    pthread_attr_destroy(&small);
}
