/* SPDX-License-Identifier: Apache-2.0 */
/*
 * concurrency-limiting: a seat is taken when the request's head is known, and the stream gives it
 * back when it ends; there is nothing to do at the end. It runs before rate-limiting, so that a
 * request which finds no seat uses up no rate.
 */
#include "conf/plugins/plugin_concurrency_limiting.h"
#include "worker/plugins/counted.h"
#include "worker/plugins/plugins.h"

static enum stage_result conclude(struct stream *s, const struct conf_concurrency_limiting *c,
                                  bool seated)
{
    if (seated)
        return STAGE_NEXT;
    if (c->retry_after)
        stream_set_response_number(s, SLICE("Retry-After"), (uint64_t)c->retry_after);
    return stream_answer(s, c->error_code, c->error_message.s);
}

static enum stage_result concurrency_limiting_access(struct stream *s, const void *config)
{
    const struct conf_concurrency_limiting *c = config;
    struct counted counted = counted_as(s, &c->counted);
    uint64_t scope = counted_scope(c->scope, counted);

    return conclude(s, c, stream_take_seat(s, scope, counted.who, (uint32_t)c->limit));
}

static enum stage_result concurrency_limiting_look(struct stream *s, const void *config)
{
    const struct conf_concurrency_limiting *c = config;
    struct counted counted = counted_as(s, &c->counted);
    uint64_t scope = counted_scope(c->scope, counted);

    return conclude(s, c, stream_may_take_seat(s, scope, counted.who, (uint32_t)c->limit));
}

const struct plugin_ops concurrency_limiting_ops = {
    .kind = CONF_PLUGIN_CONCURRENCY_LIMITING,
    .access = concurrency_limiting_access,
    .effect = "counts the request",
    .look = concurrency_limiting_look,
};
