/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any template over any request: what comes of it ends no line of a field and leaves no segment of
 * a path, whatever the request says. The input: the template, a NUL, a query, a NUL, fields.
 */
#include "worker/plugins/render.h"
#include "worker/stream_life.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool expression)
{
    if (!expression)
        abort();
}

static bool is_path(char c)
{
    return (unsigned char)c > 0x20 && (unsigned char)c < 0x7f && c != '?' && c != '#';
}

static void check_field(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        check(((unsigned char)text.p[i] >= 0x20 || text.p[i] == '\t') && text.p[i] != 0x7f);
}

static void check_path(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        check(is_path(text.p[i]));
    check(!memmem(text.p, text.n, "/../", 4) && !memmem(text.p, text.n, "/./", 3));
    check(text.n < 3 || memcmp(text.p + text.n - 3, "/..", 3) != 0);
}

/* All that a template may ask for. */
static void make_request(struct stream *s, struct slice query, struct slice fields, char *text,
                         size_t room)
{
    int n = snprintf(text, room, "GET / HTTP/1.1\r\nHost: h\r\n%.*s\r\n\r\n", (int)fields.n,
                     fields.p ? fields.p : "");
    memset(s, 0, sizeof *s);
    s->request.head = &s->head;
    arena_init(&s->arena, s->first_block, STREAM_FIRST_BLOCK);
    if (head_request(text, (size_t)n, 0, &s->head) <= 0)
        check(head_request("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27, 0, &s->head) > 0);
    s->request.uri = (struct uri){ .path = SLICE("/a%2Fb/../c"), .query = query };
    s->match.captures_n = 2;
    s->match.captures[0] = (struct regex_span){ 0, 6 };
    s->match.captures[1] = (struct regex_span){ 1, 2 };
}

static struct slice cut(struct slice *in)
{
    const char *nul = in->n ? memchr(in->p, 0, in->n) : NULL;
    size_t n = nul ? (size_t)(nul - in->p) : in->n;
    struct slice part = slice_of(in->p, n);
    *in = nul ? slice_of(nul + 1, in->n - n - 1) : slice_of(NULL, 0);
    return part;
}

static void render_all(struct stream *s, const struct conf_template *t)
{
    struct slice out;
    size_t dependent = 0;
    if (render_text(s, t, RENDER_FIELD, &out) == RENDER_DONE)
        check_field(out);
    if (render_text(s, t, RENDER_PATH, &out) == RENDER_DONE)
        check_path(out);
    check(render_text(s, t, RENDER_PLAIN, &out) == RENDER_DONE);
    for (size_t i = 0; i < t->n; i++)
        dependent += t->pieces[i].kind == CONF_PIECE_HEADER;
    check(t->by_field == (dependent > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stream s;
    struct memory memory = { 0 };
    jmp_buf no_memory;
    char why[128] = "", *text;
    struct slice in = slice_of((const char *)data, size);
    if (size > 1 << 13 || memmem(data, size, "$(file:", 7) || memmem(data, size, "$(env:", 6))
        return 0; /* what is on this machine is nobody's business */
    struct slice written = cut(&in), query = cut(&in);
    text = malloc(size + 256);
    if (!text)
        return 0;
    make_request(&s, query, in, text, size + 256);
    memory.no_memory = &no_memory;
    if (setjmp(no_memory) == 0) {
        struct conf_text copy = memory_text(&memory, written.p ? written.p : "", written.n);
        const struct conf_template *t = template_read(&memory, copy, why, sizeof why);
        check((t != NULL) == (why[0] == '\0'));
        if (t)
            render_all(&s, t);
    }
    memory_free(&memory);
    arena_reset(&s.arena);
    free(text);
    return 0;
}
