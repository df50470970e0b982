/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chunked coding as a machine over bytes: payload is handed out in runs, everything else one
 * byte at a time. A byte that no state expects ends the message for good. Extensions may hold any
 * text but controls and quotes left open, since they are dropped; white space before one is
 * accepted (RFC 9112 section 7.1.1), and so it is behind a bare size, where some servers pad it. Of
 * the trailers only names that the gateway has no meaning for are kept: those it knows act on
 * framing, routing, caching or access and had to be in the head, and those it sets itself for
 * upstreams must not come in by the back door.
 */
#include "worker/http/chunk.h"
#include "conf/hex.h"
#include "shm/assert.h"
#include "worker/http/scan.h"

enum { DIGIT_BITS = 4, SIZE_BITS = 64 };

#define LINE_SKIPPED                                                                               \
    UINT64_MAX /* in `left`, which counts the bytes of the trailer line being kept */

enum state {
    STATE_SIZE,      /* hex digits */
    STATE_BLANK,     /* white space before an extension */
    STATE_EXTENSION, /* to the CR */
    STATE_QUOTED,    /* within quotes of an extension, where no line ends */
    STATE_ESCAPED,
    STATE_SIZE_LF,
    STATE_DATA,
    STATE_DATA_CR,
    STATE_DATA_LF,
    STATE_TRAILER, /* first byte of a trailer line, or the CR of the end */
    STATE_NAME,
    STATE_BEFORE_VALUE,
    STATE_VALUE,
    STATE_TRAILER_LF,
    STATE_END_LF,
    STATE_END,
    STATE_BROKEN,
};

void chunk_init(struct chunk *c, char *trailers)
{
    *c = (struct chunk){ .state = STATE_SIZE, .trailers = trailers };
}

static enum state expect(char c, char wanted, enum state then)
{
    return c == wanted ? then : STATE_BROKEN;
}

static enum state on_size(struct chunk *c, char byte)
{
    int digit = hex_value(byte);
    if (digit >= 0) {
        if (c->left >> (SIZE_BITS - DIGIT_BITS) || ++c->line > CHUNK_EXTENSION_MAX)
            return STATE_BROKEN;
        c->left = c->left << DIGIT_BITS | (unsigned)digit;
        return STATE_SIZE;
    }
    if (c->line == 0)
        return STATE_BROKEN;
    if (byte == '\r')
        return STATE_SIZE_LF;
    c->line = 1;
    if (byte == ';')
        return STATE_EXTENSION;
    return byte == ' ' || byte == '\t' ? STATE_BLANK : STATE_BROKEN;
}

static enum state on_quoted(struct chunk *c, char byte)
{
    if (!scan_is(byte, SCAN_VALUE))
        return STATE_BROKEN;
    if (c->state == STATE_ESCAPED)
        return STATE_QUOTED;
    return byte == '"' ? STATE_EXTENSION : byte == '\\' ? STATE_ESCAPED : STATE_QUOTED;
}

static enum state on_extension(struct chunk *c, char byte)
{
    if ((c->state == STATE_EXTENSION || c->state == STATE_BLANK) && byte == '\r')
        return STATE_SIZE_LF;
    if (++c->line > CHUNK_EXTENSION_MAX)
        return STATE_BROKEN;
    if (c->state == STATE_QUOTED || c->state == STATE_ESCAPED)
        return on_quoted(c, byte);
    if (c->state == STATE_EXTENSION && byte == '"')
        return STATE_QUOTED;
    if (c->state == STATE_EXTENSION)
        return scan_is(byte, SCAN_VALUE) ? STATE_EXTENSION : STATE_BROKEN;
    if (byte == ';')
        return STATE_EXTENSION;
    return byte == ' ' || byte == '\t' ? STATE_BLANK : STATE_BROKEN;
}

static enum state on_size_end(struct chunk *c, char byte)
{
    if (byte != '\n' || c->left > INT64_MAX)
        return STATE_BROKEN;
    c->line = 0;
    return c->left ? STATE_DATA : STATE_TRAILER;
}

/* Adds to the trailer line that is being kept; one that does not fit with its line end is skipped
 * as a whole. */
static void keep(struct chunk *c, char byte)
{
    if (c->left == LINE_SKIPPED)
        return;
    if (!c->trailers || c->trailers_n + c->left + 3 > CHUNK_TRAILERS_KEPT) {
        c->left = LINE_SKIPPED;
        return;
    }
    c->trailers[c->trailers_n + c->left++] = byte;
}

static bool forwardable(struct slice name)
{
    static const struct slice ours[] = { SLICE("X-Consumer-"),  SLICE("X-Credential-"),
                                         SLICE("X-Anonymous-"), SLICE("X-Forwarded-"),
                                         SLICE("X-Gateway-"),   SLICE("X-Authenticated-") };
    char room[FIELD_ALIKE_MAX];
    name = field_alike(name, room);
    if (field_lookup(name.p, name.n) != FIELD_OTHER)
        return false;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (slice_begins_nocase(name, ours[i]))
            return false;
    return true;
}

static void finish_line(struct chunk *c)
{
    if (c->left != LINE_SKIPPED) {
        char *line = c->trailers + c->trailers_n;
        const char *colon = memchr(line, ':', c->left);
        must(colon);
        struct slice value = field_trim(slice_of(colon + 2, (size_t)(line + c->left - colon - 2)));
        if (forwardable(slice_of(line, (size_t)(colon - line)))) {
            char *end = line + (colon + 2 - line) + value.n;
            end[0] = '\r';
            end[1] = '\n';
            c->trailers_n = (uint16_t)(end + 2 - c->trailers);
        }
    }
    c->left = 0;
}

static enum state on_name(struct chunk *c, char byte)
{
    if (c->state == STATE_NAME && byte == ':') {
        keep(c, ':');
        keep(c, ' ');
        return STATE_BEFORE_VALUE;
    }
    keep(c, byte);
    return scan_is(byte, SCAN_TOKEN) ? STATE_NAME : STATE_BROKEN;
}

static enum state on_value(struct chunk *c, char byte)
{
    if (byte == '\r')
        return STATE_TRAILER_LF;
    if (c->state == STATE_BEFORE_VALUE && (byte == ' ' || byte == '\t'))
        return STATE_BEFORE_VALUE;
    keep(c, byte);
    return scan_is(byte, SCAN_VALUE) ? STATE_VALUE : STATE_BROKEN;
}

static enum state on_trailer(struct chunk *c, char byte)
{
    if (++c->line > CHUNK_TRAILER_MAX)
        return STATE_BROKEN;
    switch ((enum state)c->state) {
    case STATE_TRAILER:
        return byte == '\r' ? STATE_END_LF : on_name(c, byte);
    case STATE_NAME:
        return on_name(c, byte);
    case STATE_TRAILER_LF:
        if (byte == '\n')
            finish_line(c);
        return expect(byte, '\n', STATE_TRAILER);
    case STATE_END_LF:
        return expect(byte, '\n', STATE_END);
    default:
        return on_value(c, byte);
    }
}

static enum state step(struct chunk *c, char byte)
{
    switch ((enum state)c->state) {
    case STATE_SIZE:
        return on_size(c, byte);
    case STATE_BLANK:
    case STATE_EXTENSION:
    case STATE_QUOTED:
    case STATE_ESCAPED:
        return on_extension(c, byte);
    case STATE_SIZE_LF:
        return on_size_end(c, byte);
    case STATE_DATA_CR:
        return expect(byte, '\r', STATE_DATA_LF);
    case STATE_DATA_LF:
        return expect(byte, '\n', STATE_SIZE);
    default:
        return on_trailer(c, byte);
    }
}

static enum chunk_verdict take_data(struct chunk *c, struct slice *in, struct slice *out)
{
    size_t n = in->n < c->left ? in->n : (size_t)c->left;
    *out = slice_of(in->p, n);
    *in = slice_from(*in, n);
    c->left -= n;
    if (c->left == 0)
        c->state = STATE_DATA_CR;
    return CHUNK_DATA;
}

enum chunk_verdict chunk_next(struct chunk *c, struct slice *in, struct slice *out)
{
    *out = slice_of(NULL, 0);
    must(c->state <= STATE_BROKEN);
    while (in->n && c->state < STATE_END) {
        if (c->state == STATE_DATA)
            return take_data(c, in, out);
        c->state = (uint8_t)step(c, *in->p);
        *in = slice_from(*in, 1);
    }
    if (c->state == STATE_BROKEN)
        return CHUNK_BAD;
    return c->state == STATE_END ? CHUNK_END : CHUNK_MORE;
}
