/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoders for content codings, zlib's and brotli's behind one interface, and a worker's pool of
 * them: what they allocate is kept for the next response, up to a few idle ones.
 */
#ifndef BASE_ENCODER_H
#define BASE_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum encoder_kind { ENCODER_GZIP, ENCODER_BROTLI };
enum encoder_step { ENCODER_GO_ON, ENCODER_FLUSH, ENCODER_FINISH };
enum encoder_result {
    ENCODER_DONE,  /* all was taken, and everything that the step asks for was written */
    ENCODER_FULL,  /* no more room: the same step again */
    ENCODER_FAILED /* no memory: the stream is of no use any more */
};

struct encoder;

/* A worker's; all 0 at first. */
struct encoders {
    struct encoder *idle;
    unsigned idle_n, used;
    char *out; /* ENCODER_OUT bytes for what is made, once one was taken */
};

enum { ENCODER_OUT = 64 * 1024, ENCODER_IDLE = 8 };

/* An encoder at the beginning of a stream. `level` as the library has it (gzip 1..9, brotli 0..11).
 * NULL: `most` are in use, or there is no memory. */
struct encoder *encoder_take(struct encoders *pool, enum encoder_kind kind, int level,
                             unsigned most);
/* Gives it back, wherever it is in its stream. */
void encoder_give(struct encoders *pool, struct encoder **encoder);

/* Encodes from *in, which moves on, to out[0..*room), of which *room is what was written
 * afterwards. ENCODER_FLUSH needs more than 6 bytes of room to be done. */
enum encoder_result encoder_run(struct encoder *e, enum encoder_step step, const void **in,
                                size_t *in_n, void *out, size_t *room);

/* The pool's end, when none is in use. */
void encoder_close(struct encoders *pool);

#endif
