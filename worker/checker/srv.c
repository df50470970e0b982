/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor over the message that stops at its end. Names may point to earlier places in it: a
 * pointer must lead backwards, so that following them ends.
 */
#include "worker/checker/srv.h"
#include <string.h>

enum { TYPE_SRV = 33, CLASS_IN = 1, HEADER = 12, LABEL_MAX = 63 };

struct cursor {
    const uint8_t *message;
    size_t n, at;
};

static bool take(struct cursor *c, size_t n, uint32_t *out)
{
    if (c->n - c->at < n)
        return false;
    *out = 0;
    for (size_t i = 0; i < n; i++)
        *out = *out << 8 | c->message[c->at++];
    return true;
}

static bool skip(struct cursor *c, size_t n)
{
    if (c->n - c->at < n)
        return false;
    c->at += n;
    return true;
}

/* Adds a label to the name. What no host name has in it would end up in logs and requests. */
static bool add_label(struct cursor *c, size_t length, char *out, size_t *used)
{
    const uint8_t *label = c->message + c->at;
    if (!skip(c, length) || *used + length + 1 >= SRV_NAME)
        return false;
    if (*used)
        out[(*used)++] = '.';
    for (size_t i = 0; i < length; i++) {
        uint8_t b = label[i];
        if (b >= 'A' && b <= 'Z')
            b = (uint8_t)(b - 'A' + 'a');
        if (!(b >= 'a' && b <= 'z') && !(b >= '0' && b <= '9') && b != '-' && b != '_')
            return false;
        out[(*used)++] = (char)b;
    }
    return true;
}

/* Reads a name; the cursor ends behind it, where it was first, whatever it points to. */
static bool take_name(struct cursor *c, char out[SRV_NAME])
{
    struct cursor walk = *c;
    size_t used = 0;
    bool jumped = false;
    for (;;) {
        uint32_t length, low;
        size_t at = walk.at;
        if (!take(&walk, 1, &length))
            return false;
        if (length >= 0xc0) {
            if (!take(&walk, 1, &low))
                return false;
            if (!jumped)
                c->at = walk.at;
            jumped = true;
            walk.at = (length & 0x3f) << 8 | low;
            if (walk.at >= at)
                return false;
            continue;
        }
        if (length > LABEL_MAX || (length && !add_label(&walk, length, out, &used)))
            return false;
        if (length == 0)
            break;
    }
    if (!jumped)
        c->at = walk.at;
    out[used] = '\0';
    return true;
}

/* Skips a name without looking at its labels. */
static bool skip_name(struct cursor *c)
{
    for (;;) {
        uint32_t length;
        if (!take(c, 1, &length))
            return false;
        if (length >= 0xc0)
            return skip(c, 1);
        if (length > LABEL_MAX || !skip(c, length))
            return false;
        if (length == 0)
            return true;
    }
}

static bool take_srv(struct cursor *c, size_t end, struct srv_record *out)
{
    uint32_t priority, weight, port;
    if (!take(c, 2, &priority) || !take(c, 2, &weight) || !take(c, 2, &port) ||
        !take_name(c, out->host) || c->at != end)
        return false;
    out->priority = (uint16_t)priority;
    out->weight = (uint16_t)weight;
    out->port = (uint16_t)port;
    return true;
}

/* One answer; *found: it was an SRV record. */
static bool take_answer(struct cursor *c, struct srv_record *out, bool *found)
{
    uint32_t type, class, ttl, length;
    if (!skip_name(c) || !take(c, 2, &type) || !take(c, 2, &class) || !take(c, 4, &ttl) ||
        !take(c, 2, &length) || c->n - c->at < length)
        return false;
    size_t end = c->at + length;
    *found = type == TYPE_SRV && class == CLASS_IN;
    if (*found && !take_srv(c, end, out))
        return false;
    out->ttl = ttl > INT32_MAX ? 0 : ttl; /* RFC 2181 section 8 */
    c->at = end;
    return true;
}

int srv_parse(const uint8_t *message, size_t n, struct srv_record out[SRV_RECORDS])
{
    struct cursor c = { message, n, 0 };
    uint32_t questions, answers, rest;
    int used = 0;
    if (!skip(&c, 4) || !take(&c, 2, &questions) || !take(&c, 2, &answers) || !take(&c, 4, &rest))
        return -1;
    for (uint32_t i = 0; i < questions; i++)
        if (!skip_name(&c) || !skip(&c, 4))
            return -1;
    for (uint32_t i = 0; i < answers; i++) {
        struct srv_record one;
        bool found;
        if (!take_answer(&c, &one, &found))
            return -1;
        if (found && used < SRV_RECORDS)
            out[used++] = one;
    }
    return used;
}
