/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zlib can start anew with the memory that it has. Brotli cannot, so its encoder allocates from the
 * blocks that the one before it gave back: the same settings ask for the same sizes. Windows are
 * bounded: 32 KiB for gzip, 64 KiB for brotli, which is 256 KiB and at most 3 MiB an encoder; with
 * the next larger window brotli's better levels take 38 MiB for a hundredth less.
 */
#include "worker/base/encoder.h"

#include "shm/assert.h"
#include <brotli/encode.h>
#include <stdlib.h>
#include <zlib.h>

enum { GZIP_WINDOW = 15, GZIP_FORMAT = 16, GZIP_MEMORY = 8, BROTLI_WINDOW = 16 };

/* A block of brotli's; what it asked for lies behind. */
struct encoder_block {
    struct encoder_block *next;
    size_t n;
};

struct encoder {
    struct encoder *next;
    enum encoder_kind kind;
    int level;
    z_stream z;
    BrotliEncoderState *brotli;
    struct encoder_block *blocks; /* not in use */
};

/* --- brotli's memory ------------------------------------------------------------------------ */

static void *take_block(void *opaque, size_t n)
{
    struct encoder *e = opaque;

    for (struct encoder_block **at = &e->blocks; *at; at = &(*at)->next) {
        struct encoder_block *block = *at;
        if (block->n < n || block->n / 2 > n)
            continue;
        *at = block->next;
        return block + 1;
    }
    struct encoder_block *block = malloc(sizeof *block + n);
    if (!block)
        return NULL;
    block->n = n;
    return block + 1;
}

static void give_block(void *opaque, void *p)
{
    struct encoder *e = opaque;
    struct encoder_block *block = p;

    if (!p)
        return;
    block--;
    block->next = e->blocks;
    e->blocks = block;
}

static void free_blocks(struct encoder *e)
{
    while (e->blocks) {
        struct encoder_block *next = e->blocks->next;
        free(e->blocks);
        e->blocks = next;
    }
}

static bool begin_brotli(struct encoder *e)
{
    e->brotli = BrotliEncoderCreateInstance(take_block, give_block, e);
    return e->brotli &&
           BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_QUALITY, (uint32_t)e->level) &&
           BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_LGWIN, BROTLI_WINDOW);
}

static void end_brotli(struct encoder *e)
{
    if (e->brotli)
        BrotliEncoderDestroyInstance(e->brotli);
    e->brotli = NULL;
}

/* --- the pool ------------------------------------------------------------------------------- */

static void destroy(struct encoder *e)
{
    if (e->kind == ENCODER_GZIP)
        deflateEnd(&e->z);
    end_brotli(e);
    free_blocks(e);
    free(e);
}

static struct encoder *make(enum encoder_kind kind, int level)
{
    struct encoder *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->kind = kind;
    e->level = level;
    if (kind == ENCODER_GZIP && deflateInit2(&e->z, level, Z_DEFLATED, GZIP_WINDOW + GZIP_FORMAT,
                                             GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(e);
        return NULL;
    }
    return e;
}

static struct encoder *from_idle(struct encoders *pool, enum encoder_kind kind, int level)
{
    for (struct encoder **at = &pool->idle; *at; at = &(*at)->next) {
        struct encoder *e = *at;
        if (e->kind != kind || e->level != level)
            continue;
        *at = e->next;
        pool->idle_n--;
        return e;
    }
    return NULL;
}

struct encoder *encoder_take(struct encoders *pool, enum encoder_kind kind, int level,
                             unsigned most)
{
    if (pool->used >= most)
        return NULL;
    if (!pool->out && !(pool->out = malloc(ENCODER_OUT)))
        return NULL;
    struct encoder *e = from_idle(pool, kind, level);
    if (!e)
        e = make(kind, level);
    if (e && kind == ENCODER_BROTLI && !begin_brotli(e)) {
        destroy(e);
        e = NULL;
    }
    pool->used += e != NULL;
    return e;
}

/* The one that was used longest ago goes when there are too many: those in use are what the
 * configuration asks for now. */
static void drop_last(struct encoders *pool)
{
    struct encoder **at = &pool->idle;

    while ((*at)->next)
        at = &(*at)->next;
    destroy(*at);
    *at = NULL;
    pool->idle_n--;
}

void encoder_give(struct encoders *pool, struct encoder **encoder)
{
    struct encoder *e = *encoder;

    if (!e)
        return;
    *encoder = NULL;
    must(pool->used > 0);
    pool->used--;
    if (e->kind == ENCODER_GZIP)
        must(deflateReset(&e->z) == Z_OK);
    end_brotli(e);
    e->next = pool->idle;
    pool->idle = e;
    if (++pool->idle_n > ENCODER_IDLE)
        drop_last(pool);
}

void encoder_close(struct encoders *pool)
{
    while (pool->idle)
        drop_last(pool);
    free(pool->out);
    pool->out = NULL;
}

/* --- encoding ------------------------------------------------------------------------------- */

static enum encoder_result run_gzip(struct encoder *e, enum encoder_step step, const void **in,
                                    size_t *in_n, void *out, size_t *room)
{
    static const int flushes[] = { Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH };
    uInt most = *in_n < UINT32_MAX / 2 ? (uInt)*in_n : UINT32_MAX / 2;

    e->z.next_in = (Bytef *)(uintptr_t)*in;
    e->z.avail_in = most;
    e->z.next_out = out;
    e->z.avail_out = (uInt)*room;
    int result = deflate(&e->z, most == *in_n ? flushes[step] : Z_NO_FLUSH);
    must(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR);
    *in_n -= most - e->z.avail_in;
    *in = e->z.next_in;
    *room -= e->z.avail_out;
    bool done = step == ENCODER_FINISH ? result == Z_STREAM_END : *in_n == 0 && e->z.avail_out > 0;
    return done ? ENCODER_DONE : ENCODER_FULL;
}

static enum encoder_result run_brotli(struct encoder *e, enum encoder_step step, const void **in,
                                      size_t *in_n, void *out, size_t *room)
{
    static const BrotliEncoderOperation operations[] = { BROTLI_OPERATION_PROCESS,
                                                         BROTLI_OPERATION_FLUSH,
                                                         BROTLI_OPERATION_FINISH };
    const uint8_t *next_in = *in;
    uint8_t *next_out = out;
    size_t left = *room;

    if (!BrotliEncoderCompressStream(e->brotli, operations[step], in_n, &next_in, &left, &next_out,
                                     NULL))
        return ENCODER_FAILED;
    *in = next_in;
    *room -= left;
    bool done = step == ENCODER_FINISH ? BrotliEncoderIsFinished(e->brotli)
                                       : *in_n == 0 && !BrotliEncoderHasMoreOutput(e->brotli);
    return done ? ENCODER_DONE : ENCODER_FULL;
}

enum encoder_result encoder_run(struct encoder *e, enum encoder_step step, const void **in,
                                size_t *in_n, void *out, size_t *room)
{
    return e->kind == ENCODER_GZIP ? run_gzip(e, step, in, in_n, out, room)
                                   : run_brotli(e, step, in, in_n, out, room);
}
