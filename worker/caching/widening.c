/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exchange is handed to a stream without a client when its head turns out to be worth storing;
 * the client's own stream then looks into the cache once more, finds that somebody fills, and
 * joins. So a part near the end of a large body is waited for no longer than lock_timeout, and a
 * client that has its part can ask for the next one while the fill goes on.
 */
#include "worker/caching/widening.h"

#include "worker/caching/background.h"
#include "worker/http/field.h"
#include "worker/http/range.h"
#include "worker/upstream/upstream.h"

static const struct slice range_name = { "Range", 5 }, condition_name = { "If-Range", 8 };

bool widening_may(const struct stream *s, const struct cache_control *cc)
{
    const struct conf_proxy_cache *conf = s->cache_config;
    const struct field *f = head_field(&s->head, FIELD_RANGE);

    return f && conf->fill_ranges && conf->min_uses <= 1 && !s->widened && !cc->any &&
           !cc->no_cache && s->head.method == METHOD_GET && !head_next(&s->head, f) &&
           !memchr(f->value, ',', f->value_n);
}

void widening_begin(struct stream *s)
{
    s->widened = s->wide = true;
    stream_drop_upstream(s, range_name);
    stream_drop_upstream(s, condition_name);
}

/* Who asks once more asks for the part. */
static void end(struct stream *s)
{
    struct extra_field **link = &s->request.extra;

    s->wide = false;
    while (*link) {
        const struct extra_field *e = *link;
        if (!e->value.p && (slice_equal_nocase(e->name, range_name) ||
                            slice_equal_nocase(e->name, condition_name)))
            *link = e->next;
        else
            link = &(*link)->next;
    }
}

static enum stage_result ask_again(struct stream *s)
{
    if (s->fill)
        cache_fill_abort(&s->fill);
    end(s);
    s->same_peer = true; /* which it stays placed at */
    s->tries--;
    upstream_drop(&s->up);
    return STAGE_RETRY;
}

enum stage_result widening_answered(struct stream *s, const struct head *h)
{
    if (h->status != 200)
        return STAGE_NEXT;
    if (!s->fill || !s->ticket)
        return ask_again(s);
    if (!background_take_over(s))
        return STAGE_NEXT; /* no memory: the client gets more than it asked for */
    end(s);
    if (s->hit.entry)
        cache_unpin(s->cache, &s->hit);
    s->hit.entry = NULL;
    s->answer = ANSWER_NONE;
    s->reply = (struct reply){ 0 };
    return STAGE_LOOK;
}

uint64_t widening_from(const struct stream *s, uint64_t size)
{
    struct range ranges[RANGE_MAX];
    const struct field *f = head_field(&s->head, FIELD_RANGE);

    if (!f || head_next(&s->head, f))
        return 0;
    if (memchr(f->value, ',', f->value_n))
        return UINT64_MAX;
    return range_parse(field_value(f), size, ranges) == 1 ? ranges[0].from : 0;
}
