/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what a Redis says, in any cut: reading ends, memory is bounded, and what is made of
 * each reply is what it may be. The first byte says how the bytes are cut. */
#include "worker/redis/redis_answer.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_place(const struct redis_place *place)
{
    if (place->port < 1 || place->port > 65535 || place->host.n > REDIS_HOST_MAX ||
        (place->host.n && memchr(place->host.p, ' ', place->host.n)))
        abort();
}

static void interpret(const struct redis_reply *reply)
{
    char text[REDIS_TEXT_ROOM];
    int64_t v[3];
    unsigned slot;
    struct redis_place place;
    struct redis_range range;

    (void)redis_answer_error(reply);
    (void)redis_answer_is_master(reply);
    (void)redis_answer_integers(reply, v, 3);
    if (redis_answer_redirection(reply, &slot, &place)) {
        check_place(&place);
        if (slot >= REDIS_SLOTS)
            abort();
    }
    if (redis_answer_master(reply, &place))
        check_place(&place);
    for (size_t i = 0; reply->kind == REDIS_LIST && i < reply->n; i++)
        if (redis_answer_range(reply, i, &range)) {
            check_place(&range.place);
            if (range.from > range.to || range.to >= REDIS_SLOTS)
                abort();
        }
    for (const char *p = redis_answer_text(reply, text); *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            abort();
    if (redis_answer_slot(reply->text) >= REDIS_SLOTS)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct redis_reply *reply;
    struct redis_reader *reader = redis_reply_open();
    size_t step = size ? 1 + data[0] : 1;

    for (size_t at = 1; reader && at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        if (!redis_reply_feed(reader, (const char *)data + at, n))
            break;
        while (redis_reply_next(reader, &reply) == REDIS_REPLY_READ)
            interpret(reply);
    }
    redis_reply_close(&reader);
    return 0;
}
