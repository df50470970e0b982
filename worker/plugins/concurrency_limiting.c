/* SPDX-License-Identifier: Apache-2.0 */
/*
 * concurrency-limiting: a seat is taken when the request's head is known, and the stream gives it
 * back when it ends; there is nothing to do at the end. It runs before rate-limiting, so that a
 * request which finds no seat uses up no rate.
 */
#include "conf/plugin_concurrency_limiting.h"
#include "worker/plugins/counted.h"
#include "worker/plugins/plugins.h"

static enum stage_result concurrency_limiting_access(struct stream *s, const void *config)
{
    const struct conf_concurrency_limiting *c = config;
    struct counted counted = counted_as(s, &c->counted);

    if (stream_take_seat(s, counted_scope(c->scope, counted), counted.who, (uint32_t)c->limit))
        return STAGE_NEXT;
    if (c->retry_after) {
        struct slice text = arena_print(stream_arena(s), "%d", c->retry_after);
        if (text.p)
            stream_set_response(s, SLICE("Retry-After"), text);
    }
    return stream_answer(s, c->error_code, c->error_message.s);
}

const struct plugin_ops concurrency_limiting_ops = {
    .kind = CONF_PLUGIN_CONCURRENCY_LIMITING,
    .access = concurrency_limiting_access,
    .effect = "counts the request",
};
