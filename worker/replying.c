/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of the answer, whoever makes it: its framing as far as it is known, what is left out of
 * an upstream's, then the plugins' changes and the gateway's own lines.
 */
#include "worker/replying.h"

#include "worker/caching/storing.h"
#include "worker/own_fields.h"
#include "worker/plugin.h"

static void run_filters(struct stream *s)
{
    const struct conf_chain *chain = s->route ? s->route->chain : s->w->conf->chain_unrouted;
    enum answer_kind answer = s->answer;
    unsigned protocol = s->request.secure ? CONF_HTTPS : CONF_HTTP;

    for (size_t i = 0; chain && i < chain->links_n; i++) {
        const struct plugin_ops *ops = plugins_table[chain->links[i].kind];
        if (!ops->header_filter)
            continue;
        const struct conf_plugin *plugin = plugin_pick(&chain->links[i], s->consumer);
        if (plugin && (plugin->protocols & protocol))
            ops->header_filter(s, plugin->config);
        if (s->answer != answer)
            return; /* it answered itself: another response, whose filters begin anew */
    }
}

static bool bodiless(const struct stream *s, int status)
{
    return s->head.method == METHOD_HEAD || status == 204 || status == 304 || status < 200;
}

void replying_own(struct stream *s)
{
    if (bodiless(s, s->reply.status)) {
        s->reply.length = REPLY_NO_BODY;
        s->reply.announce =
            s->head.method == METHOD_HEAD && s->reply.status != 204 && s->reply.status != 304;
        s->own_body.n = 0;
    }
    /* what was not read of the body and is not worth reading ends the connection */
    if (!s->intake.done && (!s->intake.continued || s->intake.framing == FRAMING_CHUNKED ||
                            s->intake.left > s->w->windows.size))
        s->reply.close = true;
}

static void leave_out(struct head *h, enum field_id id)
{
    for (int i = 0; i < h->fields_n; i++)
        h->fields[i].drop |= h->fields[i].id == id;
}

/* What a cache further up says of itself would stand beside what ours says; tags are the cache's
 * business where the operator wants it so. */
void replying_leave_out(const struct stream *s, struct head *h)
{
    if (s->cache_asked && s->cache_config->header_status)
        leave_out(h, FIELD_X_CACHE_STATUS);
    if (s->cache_asked && s->cache_config->header_key)
        leave_out(h, FIELD_X_CACHE_KEY);
    if (s->cache_asked && s->cache_config->strip_cache_tags) {
        leave_out(h, FIELD_CACHE_TAG);
        leave_out(h, FIELD_SURROGATE_KEY);
    }
}

void replying_upstream(struct stream *s, const struct head *h)
{
    s->reply = (struct reply){ .status = h->status, .reason = h->reason, .head = h };
    if (h->status == 101) {
        s->reply.upgrade = true;
        s->reply.length = REPLY_NO_BODY;
        return;
    }
    const struct field *length = head_field(h, FIELD_CONTENT_LENGTH);
    s->reply.length = h->framing == FRAMING_NONE     ? REPLY_NO_BODY
                      : h->framing == FRAMING_LENGTH ? REPLY_LENGTH
                                                     : REPLY_UNKNOWN;
    s->reply.content_length = h->content_length;
    if (h->framing == FRAMING_NONE && length && (s->head.method == METHOD_HEAD || h->status == 304))
        s->reply.announce = true;
    if (s->cache_store)
        storing_begin(s, h);
}

/* What all heads have in common: plugins' changes and the gateway's own lines. */
bool replying_complete(struct stream *s)
{
    enum answer_kind answer = s->answer;

    run_filters(s);
    if (s->answer != answer)
        return false;
    s->reply.extra = s->response_extra;
    s->reply.own = own_fields(s, s->answer == ANSWER_UPSTREAM ? s->reply.head : NULL);
    return true;
}
