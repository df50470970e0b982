/* SPDX-License-Identifier: Apache-2.0 */
/* See redis_answer.h. */
#include "worker/redis/redis_answer.h"

#include <stdio.h>

static bool begins(struct slice text, const char *word)
{
    size_t n = strlen(word);

    return text.n >= n && memcmp(text.p, word, n) == 0 && (text.n == n || text.p[n] == ' ');
}

enum redis_error redis_answer_error(const struct redis_reply *reply)
{
    static const struct {
        const char *word;
        enum redis_error error;
    } words[] = { { "NOSCRIPT", REDIS_ERROR_NOSCRIPT }, { "MOVED", REDIS_ERROR_MOVED },
                  { "ASK", REDIS_ERROR_ASK },           { "TRYAGAIN", REDIS_ERROR_AGAIN },
                  { "READONLY", REDIS_ERROR_LOST },     { "LOADING", REDIS_ERROR_LOST },
                  { "NOAUTH", REDIS_ERROR_LOST },       { "MASTERDOWN", REDIS_ERROR_LOST } };

    if (reply->kind != REDIS_ERROR)
        return REDIS_ERROR_NONE;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (begins(reply->text, words[i].word))
            return words[i].error;
    return REDIS_ERROR_OTHER;
}

/* Digits alone, up to `max`. */
static bool read_number(struct slice text, unsigned max, unsigned *out)
{
    unsigned long value = 0;

    if (text.n == 0 || text.n > 5)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        value = value * 10 + (unsigned long)(text.p[i] - '0');
    }
    *out = (unsigned)value;
    return value <= max;
}

/* Letters, digits and what else addresses and names are made of. */
static bool is_host(struct slice host)
{
    if (host.n > REDIS_HOST_MAX)
        return false;
    for (size_t i = 0; i < host.n; i++) {
        unsigned char c = (unsigned char)host.p[i];
        if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '.' ||
              c == '-' || c == '_' || c == ':'))
            return false;
    }
    return true;
}

static bool set_place(struct redis_place *place, struct slice host, unsigned port)
{
    place->host = host;
    place->port = (int)port;
    return port > 0 && is_host(host);
}

/* The part up to the next space, which is taken off. */
static struct slice next_word(struct slice *text)
{
    const char *space = text->n ? memchr(text->p, ' ', text->n) : NULL;
    size_t n = space ? (size_t)(space - text->p) : text->n;
    struct slice word = slice_of(text->p, n);

    n += space ? 1 : 0;
    *text = slice_from(*text, n);
    return word;
}

bool redis_answer_redirection(const struct redis_reply *reply, unsigned *slot,
                              struct redis_place *place)
{
    struct slice text = reply->text;
    unsigned port;

    if (reply->kind != REDIS_ERROR)
        return false;
    (void)next_word(&text);
    struct slice number = next_word(&text), where = next_word(&text);
    const char *colon = where.n ? memrchr(where.p, ':', where.n) : NULL;
    if (!colon || !read_number(number, REDIS_SLOTS - 1, slot))
        return false;
    size_t n = (size_t)(colon - where.p);
    return read_number(slice_of(colon + 1, where.n - n - 1), 65535, &port) &&
           set_place(place, slice_of(where.p, n), port);
}

bool redis_answer_master(const struct redis_reply *reply, struct redis_place *place)
{
    unsigned port;

    return reply->kind == REDIS_LIST && reply->n == 2 && reply->v[0]->kind == REDIS_TEXT &&
           reply->v[1]->kind == REDIS_TEXT && reply->v[0]->text.n > 0 &&
           read_number(reply->v[1]->text, 65535, &port) &&
           set_place(place, reply->v[0]->text, port);
}

bool redis_answer_is_master(const struct redis_reply *reply)
{
    if (reply->kind != REDIS_LIST || reply->n == 0 || reply->v[0]->kind != REDIS_TEXT)
        return true; /* it may not be asked: then what it says about scripts counts */
    return slice_equal(reply->v[0]->text, SLICE("master"));
}

static bool is_slot(const struct redis_reply *reply)
{
    return reply->kind == REDIS_INTEGER && reply->integer >= 0 && reply->integer < REDIS_SLOTS;
}

bool redis_answer_range(const struct redis_reply *reply, size_t i, struct redis_range *out)
{
    const struct redis_reply *entry = reply->v[i];

    if (entry->kind != REDIS_LIST || entry->n < 3 || !is_slot(entry->v[0]) ||
        !is_slot(entry->v[1]) || entry->v[1]->integer < entry->v[0]->integer)
        return false;
    const struct redis_reply *node = entry->v[2];
    if (node->kind != REDIS_LIST || node->n < 2 || node->v[1]->kind != REDIS_INTEGER ||
        node->v[1]->integer < 1 || node->v[1]->integer > 65535)
        return false;
    out->from = (unsigned)entry->v[0]->integer;
    out->to = (unsigned)entry->v[1]->integer;
    struct slice host =
        node->v[0]->kind == REDIS_TEXT ? node->v[0]->text : slice_of(NULL, 0); /* nil: unknown */
    return set_place(&out->place, host, (unsigned)node->v[1]->integer);
}

bool redis_answer_integers(const struct redis_reply *reply, int64_t *out, size_t n)
{
    if (reply->kind != REDIS_LIST || reply->n != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (reply->v[i]->kind != REDIS_INTEGER)
            return false;
        out[i] = reply->v[i]->integer;
    }
    return true;
}

/* CRC-16/XMODEM: polynomial 0x1021, begun with 0. */
static unsigned crc16(struct slice text)
{
    unsigned crc = 0;

    for (size_t i = 0; i < text.n; i++) {
        crc ^= (unsigned)(unsigned char)text.p[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1;
    }
    return crc;
}

unsigned redis_answer_slot(struct slice key)
{
    const char *open = key.n ? memchr(key.p, '{', key.n) : NULL;
    size_t left = open ? key.n - (size_t)(open + 1 - key.p) : 0;
    const char *close = left ? memchr(open + 1, '}', left) : NULL;

    if (close && close > open + 1)
        key = slice_of(open + 1, (size_t)(close - open - 1));
    return crc16(key) % REDIS_SLOTS;
}

const char *redis_answer_text(const struct redis_reply *reply, char out[REDIS_TEXT_ROOM])
{
    size_t n = reply->text.n < REDIS_TEXT_ROOM - 1 ? reply->text.n : REDIS_TEXT_ROOM - 1;

    if (reply->kind != REDIS_ERROR && reply->kind != REDIS_STATUS && reply->kind != REDIS_TEXT)
        n = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)reply->text.p[i];
        out[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    out[n] = '\0';
    if (n == 0)
        snprintf(out, REDIS_TEXT_ROOM, "an unexpected answer");
    return out;
}
