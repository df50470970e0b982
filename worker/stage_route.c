/* SPDX-License-Identifier: Apache-2.0 */
/* Which route and service take the request; and what can be refused when the head is all that is
 * known of it. */
#include "worker/base/log.h"
#include "worker/conn.h"

static enum stage_result redirect_to_https(struct stream *s, const struct conf_route *route)
{
    int status = route->https_redirect_status_code;

    if (status == 426) {
        stream_set_response(s, SLICE("Upgrade"), SLICE("TLS/1.2, HTTP/1.1"));
        stream_set_response(s, SLICE("Connection"), SLICE("Upgrade"));
        return stream_answer(s, 426, "Please use HTTPS protocol");
    }
    struct slice to = arena_print(&s->arena, "https://%.*s%.*s", (int)s->request.host.n,
                                  s->request.host.p, (int)s->head.path.n, s->head.path.p);
    if (to.p)
        stream_set_response(s, SLICE("Location"), to);
    return stream_answer(s, status, "Please use HTTPS protocol");
}

/* 413 before a byte of the body is asked for. */
static bool too_large(struct stream *s)
{
    if (s->route->request_body_max_size != UINT64_MAX)
        s->intake.limit =
            s->route->request_body_max_size ? s->route->request_body_max_size : UINT64_MAX;
    return s->intake.framing == FRAMING_LENGTH && s->head.content_length > s->intake.limit;
}

enum stage_result stage_route(struct stream *s)
{
    struct router_query query = {
        .method = s->head.method_text,
        .host = s->request.host,
        .path = s->request.uri.path,
        .sni = s->sni,
        .protocol = s->request.secure ? CONF_HTTPS : CONF_HTTP,
        .head = &s->head,
    };

    if (!router_find(s->w->router, &query, &s->match)) {
        s->cause = "no route";
        return stream_answer(s, 404, "no Route matched with those values");
    }
    if (s->match.undecided) {
        s->cause = "a route's pattern gave up";
        log_rarely(LOG_LEVEL_ERROR, "a path of route %s gives up on a request: it needs too long",
                   s->match.route->name.s);
        return stream_answer(s, 500, "An unexpected error occurred");
    }
    s->route = s->match.route;
    s->service = s->route->service;
    upload_begin(&s->intake.clock, &s->route->client_body);
    if (s->match.wrong_protocol)
        return redirect_to_https(s, s->route);
    if (!too_large(s))
        return STAGE_NEXT;
    s->cause = "request_body_max_size";
    enum stage_result r = stream_answer(s, 413, "Payload too large");
    s->reply.close = true;
    return r;
}
