/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer from shared memory, or a note that what the upstream says may be stored. The object is
 * pinned, not copied; whether it may be used is decided here, the arithmetic is in
 * http/reuse.h.
 */
#include "worker/caching/asking.h"
#include "worker/caching/background.h"
#include "worker/caching/collapsing.h"
#include "worker/caching/refreshing.h"
#include "worker/caching/widening.h"
#include "worker/http/reuse.h"
#include "worker/http/tags.h"

enum step { STEP_LOOK, STEP_WAIT };

static enum stage_result bypass(struct stream *s, const char *reason)
{
    s->cache_status = STATS_BYPASS;
    s->cache_reason = reason;
    s->cache_forward = "bypass";
    return STAGE_NEXT;
}

static enum stage_result bypass_method(struct stream *s)
{
    bypass(s, "method not in request_method");
    s->cache_forward = "method";
    return STAGE_NEXT;
}

static const struct conf_proxy_cache *find_config(struct stream *s)
{
    const struct conf_chain *chain = s->route->chain;

    for (size_t i = 0; i < chain->links_n; i++) {
        if (chain->links[i].kind != CONF_PLUGIN_PROXY_CACHE)
            continue;
        s->cache_plugin = plugin_pick(&chain->links[i], s->consumer);
        return s->cache_plugin ? s->cache_plugin->config : NULL;
    }
    return NULL;
}

static bool listed_method(const struct conf_proxy_cache *conf, struct slice method)
{
    for (size_t i = 0; i < conf->request_method.n; i++)
        if (slice_equal(slice_of(conf->request_method.v[i].s, conf->request_method.v[i].n), method))
            return true;
    return false;
}

/* A stale object, and the client does not insist: another request may be at it, or the upstream is
 * known to fail. */
static bool stale_will_do(struct stream *s, const struct cache_control *request)
{
    unsigned listed = s->cache_config->serve_stale;
    int64_t now = s->w->loop.now.real_s;
    const struct cache_meta *m = s->hit.meta;

    if (!reuse_stale(m, s->hit.soft, now))
        return false;
    if (cache_update_is_put_off(&s->hit, now)) {
        s->cache_reason = "refresh put off";
        s->cache_status = STATS_STALE;
        return reuse_on_error(m, request, listed != 0, now);
    }
    if (listed & CONF_STALE_UPDATING && !(request && request->only_if_cached)) /* who asks nobody */
        (void)cache_update_claim(&s->hit, now, now + REFRESHING_SECONDS);
    return false;
}

/* How long one has a refresh behind the clients' backs to itself: until they may have the stale
 * object no longer, unless the operator lets them have it while it is updated. */
static int64_t refresh_span(const struct stream *s)
{
    int64_t left = reuse_while_refreshed(s->hit.meta, s->w->loop.now.real_s);

    return s->cache_config->serve_stale & CONF_STALE_UPDATING || left > REFRESHING_SECONDS
               ? REFRESHING_SECONDS
               : left;
}

/* stale-while-revalidate: at once, and one request of all refreshes. False: nobody would. */
static bool refresh_behind(struct stream *s)
{
    int64_t now = s->w->loop.now.real_s;

    s->cache_status = STATS_UPDATING;
    s->cache_reason = s->hit.soft ? "purged softly" : NULL;
    if (!cache_update_claim(&s->hit, now, now + refresh_span(s)))
        return true;
    s->cache_status = STATS_STALE;
    if (background_refresh(s))
        return true;
    cache_update_put_off(&s->hit, 0);
    return false;
}

/* May the pinned object answer this request? */
static bool usable(struct stream *s, const struct cache_control *request)
{
    switch (reuse_judge(s->hit.meta, request, s->hit.soft, s->w->loop.now.real_s)) {
    case REUSE_FRESH:
        s->cache_status = s->widened ? STATS_MISS : STATS_HIT; /* which was fetched for it */
        return true;
    case REUSE_STALE:
        s->cache_status = STATS_STALE;
        return true;
    case REUSE_REFRESH:
        if (refresh_behind(s))
            return true;
        break;
    case REUSE_ASK:
        if (stale_will_do(s, request))
            return true;
        break;
    }
    s->cache_reason = NULL;
    return false;
}

static enum stage_result ask_origin(struct stream *s, const char *why,
                                    const struct cache_control *cc)
{
    if (s->ticket && widening_may(s, cc))
        widening_begin(s);
    s->cache_forward = why;
    s->born = cache_sequence(s->cache);
    if (!cc->only_if_cached)
        return STAGE_NEXT;
    if (s->hit.entry)
        cache_unpin(s->cache, &s->hit);
    s->hit.entry = NULL;
    s->cause = "only-if-cached";
    return stream_answer(s, 504, "The response is not in the cache");
}

static enum stage_result look_up(struct stream *s, const struct cache_control *cc);
static enum stage_result wait_on(struct stream *s, const struct cache_control *cc);

/* Whether the answer to this request can be stored, as far as the request goes. `own`: validators
 * of our own take the place of the client's. */
static bool may_fill(const struct stream *s, bool own)
{
    const struct head *h = &s->head;

    return h->method == METHOD_GET &&
           (own || !(h->first[FIELD_IF_NONE_MATCH] | h->first[FIELD_IF_MODIFIED_SINCE]));
}

/* Asks the origin, unless another request does so already: then this one waits for the object. */
static enum stage_result fetch(struct stream *s, const char *why, const struct cache_control *cc)
{
    enum collapsing_result r = COLLAPSING_ASK;

    /* one who wants a part and cannot have the whole fetched waits for it, but asks for itself */
    bool part = head_field(&s->head, FIELD_RANGE) && !widening_may(s, cc);
    if (!cc->only_if_cached && (s->head.method == METHOD_GET || s->head.method == METHOD_HEAD))
        r = collapsing_begin(s, !part && may_fill(s, false));
    if (r == COLLAPSING_LOOK)
        return look_up(s, cc);
    s->cache_forward = why;
    return r == COLLAPSING_WAIT ? wait_on(s, cc) : ask_origin(s, why, cc);
}

static bool is_stale(const struct stream *s)
{
    return reuse_stale(s->hit.meta, s->hit.soft, s->w->loop.now.real_s);
}

/* Whether the pinned object is still what there is: another request may have renewed it. */
static bool is_latest(struct stream *s)
{
    struct cache_hit now;
    bool found =
        cache_find(s->cache, s->fill_id, s->fill_key.p, s->fill_key.n, s->w->loop.now.real_s, &now);
    bool same = found && now.entry == s->hit.entry && now.meta == s->hit.meta;

    if (found)
        cache_unpin(s->cache, &now);
    return same;
}

/* A stale object that could be fresh for others too: one request validates it. WAIT: another is at
 * it; LOOK: another was until now, and this one is next. The object has been let go then. */
static enum collapsing_result wait_for_refresh(struct stream *s)
{
    uint32_t flags = s->hit.meta->flags;

    if ((flags & REUSE_VALIDATE) || s->hit.meta->fresh_for == 0)
        return COLLAPSING_ASK;
    enum collapsing_result r = collapsing_begin(s, may_fill(s, (flags & REUSE_VALIDATORS) != 0));
    if (r == COLLAPSING_ASK || (r == COLLAPSING_LOOK && is_latest(s) && is_stale(s)))
        return COLLAPSING_ASK;
    cache_unpin(s->cache, &s->hit);
    s->hit.entry = NULL;
    s->cache_forward = "stale";
    return r;
}

/* What is being filled fits this request. */
static bool suits(struct stream *s, const struct cache_control *request)
{
    const struct cache_meta *m = s->hit.meta;
    bool shared = !stream_has_authorization(s) || (m->flags & REUSE_AUTHORIZED) != 0;

    return shared && slice_equal(tags_behind(slice_of(s->hit.head, m->private_n)), s->snapshot) &&
           reuse_judge(m, request, false, s->w->loop.now.real_s) == REUSE_FRESH;
}

static enum stage_result join(struct stream *s, const struct cache_control *cc)
{
    if (suits(s, s->cache_config->cache_control ? cc : NULL)) {
        s->joined = true;
        s->cache_status = s->widened ? STATS_MISS : STATS_HIT;
        s->answer = ANSWER_CACHED;
        return STAGE_DONE;
    }
    cache_unpin(s->cache, &s->hit);
    s->hit.entry = NULL;
    return ask_origin(s, s->cache_forward, cc);
}

/* Something happened to what is waited for. */
static enum stage_result wait_on(struct stream *s, const struct cache_control *cc)
{
    int status = 0;

    s->step = STEP_WAIT;
    switch (collapsing_wait(s, &status)) {
    case COLLAPSING_WAIT:
        return STAGE_WAIT;
    case COLLAPSING_LOOK:
        return look_up(s, cc);
    case COLLAPSING_JOINED:
        return join(s, cc);
    case COLLAPSING_FAILED:
        s->cause = "the request that asked for all failed";
        return status == 504 ? stream_answer(s, 504, "The upstream server is timing out")
                             : stream_answer(s, 502,
                                             "An invalid response was received from the upstream "
                                             "server");
    case COLLAPSING_GONE:
        s->cause = "client closed the connection";
        return STAGE_FAIL;
    default:
        return ask_origin(s, s->cache_forward, cc);
    }
}

static enum stage_result look_up(struct stream *s, const struct cache_control *cc)
{
    const struct cache_control *request = s->cache_config->cache_control ? cc : NULL;
    enum asking_result found = asking_find(s);

    s->cache_store = true;
    s->cache_status = STATS_MISS;
    if (found != ASKING_FOUND)
        return fetch(s, found == ASKING_NONE ? "uri-miss" : "vary-miss", cc);
    bool shared = !stream_has_authorization(s) || (s->hit.meta->flags & REUSE_AUTHORIZED) != 0;
    if (shared && usable(s, request)) {
        s->answer = ANSWER_CACHED;
        return STAGE_DONE;
    }
    if (shared) /* else it stays what it is for others */
        s->cache_status = STATS_REFRESH;
    bool stale = is_stale(s);
    if (shared && stale && !cc->only_if_cached) {
        enum collapsing_result r = wait_for_refresh(s);
        if (r != COLLAPSING_ASK)
            return r == COLLAPSING_WAIT ? wait_on(s, cc) : look_up(s, cc);
    }
    if (shared && !cc->only_if_cached) {
        refreshing_hold(s);
    } else {
        cache_unpin(s->cache, &s->hit);
        s->hit.entry = NULL;
    }
    return ask_origin(s, stale ? "stale" : "request", cc);
}

/* What only the origin can decide (RFC 9111 section 4.3.2). */
static bool has_precondition(const struct head *h)
{
    return (h->first[FIELD_IF_MATCH] | h->first[FIELD_IF_UNMODIFIED_SINCE]) != 0;
}

static enum stage_result go_on(struct stream *s)
{
    struct cache_control cc;

    freshness_clear(&cc);
    if (s->cache_config->cache_control)
        asking_directives(s, &cc);
    return wait_on(s, &cc);
}

enum stage_result stage_cache(struct stream *s)
{
    const struct conf_proxy_cache *conf;
    struct cache_control cc;

    if (s->step == STEP_WAIT)
        return go_on(s);
    if (!s->w->routes[s->route->index].cached || !(conf = find_config(s)))
        return STAGE_NEXT;
    s->cache_config = conf;
    s->cache_asked = true;
    s->cache = s->w->dicts[conf->dict];
    if (!listed_method(conf, s->head.method_text))
        return bypass_method(s);
    if (s->head.upgrade)
        return bypass(s, "protocol upgrade");
    if (!s->intake.done && (s->head.method == METHOD_GET || s->head.method == METHOD_HEAD))
        return bypass(s, "request has a body"); /* an upstream may act on it, the key does not */
    if (s->body_edit)
        return bypass(s, "a plugin changes the request's body"); /* by what its key does not say */
    if (has_precondition(&s->head))
        return bypass(s, "precondition for the origin");
    if ((conf->bypass.headers.n | conf->bypass.query.n) && asking_fits(s, &conf->bypass))
        return bypass(s, "bypass condition");
    freshness_clear(&cc);
    if (conf->cache_control)
        asking_directives(s, &cc);
    if (cc.no_store)
        return bypass(s, "request no-store");
    if (!s->cache ||
        !asking_key(s, s->head.method == METHOD_HEAD ? SLICE("GET") : s->head.method_text))
        return bypass(s, "no key");
    return look_up(s, &cc);
}
