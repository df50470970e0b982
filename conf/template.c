/* SPDX-License-Identifier: Apache-2.0 */
/* Reads from left to right, once; what is not understood is refused, and never sent as it is
 * written. */
#include "conf/template.h"
#include "conf/secret.h"
#include "conf/value.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct memory *memory;
    const char *at; /* terminated */
    struct conf_piece pieces[TEMPLATE_PIECES];
    size_t n;
    const char *wrong; /* NULL: nothing so far */
    char why[128];
};

static bool fail(struct reading *r, const char *wrong)
{
    r->wrong = wrong;
    return false;
}

static bool add(struct reading *r, struct conf_piece piece)
{
    if (r->n == TEMPLATE_PIECES)
        return fail(r, "has too many $( )");
    r->pieces[r->n++] = piece;
    return true;
}

static void skip_spaces(struct reading *r)
{
    while (*r->at == ' ')
        r->at++;
}

static bool take(struct reading *r, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(r->at, word, n) != 0)
        return false;
    r->at += n;
    return true;
}

/* "text" or 'text'. */
static bool quoted(struct reading *r, struct conf_text *out)
{
    const char *end = strchr(r->at + 1, *r->at);
    if (!end)
        return fail(r, "has a quote without an end in $( )");
    *out = memory_text(r->memory, r->at + 1, (size_t)(end - r->at - 1));
    r->at = end + 1;
    return true;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

/* [1], ["name"] */
static bool bracketed(struct reading *r, struct conf_piece *piece)
{
    if (is_quote(*r->at)) {
        if (!quoted(r, &piece->text))
            return false;
    } else if (piece->kind == CONF_PIECE_CAPTURE && *r->at >= '0' && *r->at <= '9') {
        piece->number = 0;
        for (; *r->at >= '0' && *r->at <= '9'; r->at++)
            if (piece->number < 100)
                piece->number = piece->number * 10 + (*r->at - '0');
    }
    if (piece->text.n == 0 && piece->number < 0)
        return fail(r, "has brackets in $( ) without a name in quotes");
    return take(r, "]") || fail(r, "has a bracket without an end in $( )");
}

/* Names of fields may be written with underlines for hyphens there, as Lua would have it. */
static bool dotted(struct reading *r, struct conf_piece *piece)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t n = strspn(r->at, letters);
    if (n == 0)
        return fail(r, "has a $( ) without a name behind the dot");
    piece->text = memory_text(r->memory, r->at, n);
    for (char *c = (char *)piece->text.s; piece->kind == CONF_PIECE_HEADER && *c; c++)
        if (*c == '_')
            *c = '-';
    r->at += n;
    return true;
}

static bool read_one(struct reading *r)
{
    static const struct {
        const char *word;
        enum conf_piece_kind kind;
    } words[] = { { "headers", CONF_PIECE_HEADER },
                  { "query_params", CONF_PIECE_QUERY },
                  { "uri_captures", CONF_PIECE_CAPTURE } };
    struct conf_piece piece = { .number = -1 };
    if (is_quote(*r->at))
        return quoted(r, &piece.text) && add(r, piece);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!take(r, words[i].word))
            continue;
        piece.kind = words[i].kind;
        bool read = take(r, ".")   ? dotted(r, &piece)
                    : take(r, "[") ? bracketed(r, &piece)
                                   : fail(r, "has a $( ) that names nothing");
        return read && add(r, piece);
    }
    return fail(r, "has a $( ) of something else than headers, query_params and uri_captures");
}

/* What is between "$(" and ")". */
static bool read_place(struct reading *r)
{
    for (;;) {
        skip_spaces(r);
        if (!read_one(r))
            return false;
        skip_spaces(r);
        if (take(r, ")"))
            return true;
        if (!take(r, "or "))
            return fail(r, "has a $( ) without an end");
        r->pieces[r->n - 1].or_next = true;
    }
}

/* "$(env:NAME)", "$(file:/path)": a text that is not written here; the piece is a copy of it. */
static bool read_secret(struct reading *r, size_t n)
{
    struct conf_text value;
    char why[96];
    if (!secret_read(r->memory, r->at, n, &value, why, sizeof why) ||
        !value_is_printable(value.s, value.n, why, sizeof why)) {
        snprintf(r->why, sizeof r->why, "has a secret that %s", why);
        return fail(r, r->why);
    }
    r->at += n;
    return add(r, (struct conf_piece){ .text = value, .number = -1 });
}

static bool read_all(struct reading *r)
{
    while (*r->at) {
        const char *place = strstr(r->at, "$(");
        size_t n = place ? (size_t)(place - r->at) : strlen(r->at);
        if (n &&
            !add(r, (struct conf_piece){ .text = memory_text(r->memory, r->at, n), .number = -1 }))
            return false;
        r->at += n;
        const char *end = place ? strchr(place, ')') : NULL;
        if (end && secret_is_reference(place, (size_t)(end + 1 - place))) {
            if (!read_secret(r, (size_t)(end + 1 - place)))
                return false;
        } else if (place && (r->at += 2, !read_place(r))) {
            return false;
        }
    }
    return true;
}

const struct conf_template *template_read(struct memory *memory, struct conf_text text, char *why,
                                          size_t size)
{
    struct reading r = { .memory = memory, .at = text.s };
    if (!read_all(&r)) {
        snprintf(why, size, "%s", r.wrong);
        return NULL;
    }
    struct conf_template *template = memory_alloc(memory, sizeof *template);
    struct conf_piece *pieces = memory_array(memory, r.n, sizeof *pieces);
    memcpy(pieces, r.pieces, r.n * sizeof *pieces);
    *template = (struct conf_template){ pieces, r.n, false };
    for (size_t i = 0; i < r.n; i++)
        template->by_field |= pieces[i].kind == CONF_PIECE_HEADER;
    return template;
}
