/* SPDX-License-Identifier: Apache-2.0 */
/* One loop_later does it all: what is to happen at the end of the turn follows from the state. */
#include "worker/errand.h"

enum { TURN_BYTES = 512 * 1024 };

static void run(struct loop_later *later)
{
    struct errand *e = (struct errand *)((char *)later - offsetof(struct errand, later));
    void (*begin)(struct errand *) = e->begin;

    e->put_off = false;
    e->begin = NULL;
    if (e->over)
        e->end(e);
    else if (begin)
        begin(e);
    else
        errand_wake(e->stream);
}

bool errand_make(struct errand *e, struct worker *w, const struct carrier *carrier)
{
    e->conn.w = w;
    e->conn.t.io.fd = -1;
    e->stream = stream_begin(w, &e->conn, carrier);
    return e->stream != NULL;
}

void errand_put_off(struct errand *e)
{
    if (!e->put_off)
        loop_defer(&e->conn.w->loop, &e->later, run);
    e->put_off = true;
}

void errand_wake(struct stream *s)
{
    struct errand *e = errand_of(s);

    e->turn_left = TURN_BYTES;
    if (!e->over && stream_run(s)) {
        e->over = true;
        errand_put_off(e);
    }
}

bool errand_may_go_on(struct stream *s, size_t moved)
{
    struct errand *e = errand_of(s);

    e->turn_left = moved < e->turn_left ? e->turn_left - moved : 0;
    if (e->turn_left == 0)
        errand_put_off(e);
    return e->turn_left > 0;
}
