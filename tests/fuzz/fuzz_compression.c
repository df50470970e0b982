/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as Accept-Encoding and Content-Type, and as a body in pieces: a coding is only picked
 * where the client can have meant it, and what zlib makes it reads back. */
#include "worker/base/encoder.h"
#include "worker/http/accept_encoding.h"
#include "worker/http/media.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { BODY = 4096, ROOM = 4 * BODY };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pick(struct slice line)
{
    static const enum conf_coding order[] = { CONF_CODING_BROTLI, CONF_CODING_GZIP };
    static const struct slice names[CONF_CODINGS] = {
        [CONF_CODING_GZIP] = { "gzip", 4 }, [CONF_CODING_BROTLI] = { "br", 2 }
    };
    struct accept_encoding a;
    bool named = false;

    accept_encoding_begin(&a);
    accept_encoding_add(&a, line);
    enum conf_coding coding = accept_encoding_pick(&a, order, 2);
    if (coding == CONF_CODING_IDENTITY)
        return;
    for (size_t i = 0; i < line.n; i++) {
        struct slice rest = slice_of(line.p + i, line.n - i), name = names[coding];
        named |= rest.p[0] == '*' ||
                 (rest.n >= name.n && slice_equal_nocase(slice_of(rest.p, name.n), name));
    }
    if (!named || a.weight[CONF_CODING_IDENTITY] > 1000)
        abort();
}

/* Each byte of `plan` is a piece: its length, or a flush. */
static size_t encode(struct encoder *e, const uint8_t *plan, size_t plan_n, struct slice body,
                     char *out)
{
    const void *in = body.p;
    size_t left = body.n, n = 0;

    for (size_t i = 0; i <= plan_n; i++) {
        size_t piece = i == plan_n || plan[i] > left ? left : plan[i], rest = piece;
        enum encoder_step step = i == plan_n        ? ENCODER_FINISH
                                 : plan[i] % 2 == 0 ? ENCODER_FLUSH
                                                    : ENCODER_GO_ON;
        enum encoder_result result;
        do {
            size_t room = ROOM - n < 100 ? ROOM - n : 100;
            result = encoder_run(e, step, &in, &rest, out + n, &room);
            n += room;
        } while (result == ENCODER_FULL && n < ROOM);
        if (result != ENCODER_DONE || rest != 0)
            abort();
        left -= piece;
    }
    return n;
}

static void round_trip(const uint8_t *plan, size_t plan_n, struct slice body)
{
    static struct encoders pool;
    static char out[ROOM], back[BODY + 1];
    struct encoder *e = encoder_take(&pool, ENCODER_GZIP, 1 + (int)(body.n % 9), 1);
    z_stream z = { 0 };

    if (!e || inflateInit2(&z, 31) != Z_OK)
        abort();
    z.avail_in = (uInt)encode(e, plan, plan_n, body, out);
    z.next_in = (Bytef *)out;
    z.next_out = (Bytef *)back;
    z.avail_out = sizeof back;
    if (inflate(&z, Z_FINISH) != Z_STREAM_END || z.total_out != body.n ||
        memcmp(back, body.p, body.n) != 0)
        abort();
    inflateEnd(&z);
    encoder_give(&pool, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct conf_mime kinds[] = { { { "text", 4 }, { "*", 1 }, { "", 0 } },
                                              { { "*", 1 }, { "*+json", 6 }, { "", 0 } } };
    struct slice text = slice_of((const char *)data, size);

    pick(text);
    for (int i = 0; i < 2; i++)
        if (media_is_kind(&kinds[i], text) && !memchr(text.p, '/', text.n))
            abort();
    if (size > 0 && size <= BODY) {
        size_t plan_n = data[0] % 16 < size ? data[0] % 16 : size;
        round_trip(data, plan_n, text);
    }
    return 0;
}
