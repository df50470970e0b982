/* SPDX-License-Identifier: Apache-2.0 */
/* See nobody.h: a client that takes everything and says nothing. */
#include "worker/nobody.h"

int nobody_read_head(struct stream *s)
{
    (void)s;
    return -1;
}

enum intake_result nobody_read_body(struct stream *s, struct slice *run)
{
    (void)s;
    (void)run;
    return INTAKE_END;
}

bool nobody_send_interim(struct stream *s, const struct reply *reply)
{
    (void)s;
    (void)reply;
    return true;
}

bool nobody_send(struct stream *s, const struct reply *reply, struct iovec *body, int n, bool end)
{
    (void)s;
    (void)reply;
    (void)body;
    (void)n;
    (void)end;
    return true;
}

bool nobody_flushed(struct stream *s, bool *gone)
{
    (void)s;
    *gone = false;
    return true;
}

bool nobody_abandoned(struct stream *s)
{
    (void)s;
    return false;
}

bool nobody_rewind_body(struct stream *s)
{
    (void)s;
    return true;
}

void nobody_wake(struct stream *s)
{
    (void)s;
}

bool nobody_may_go_on(struct stream *s, size_t moved)
{
    (void)s;
    (void)moved;
    return true;
}
