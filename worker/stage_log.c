/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a request: counters of the process and the route, and a line in the access log. */
#include "worker/address.h"
#include "worker/base/shift.h"
#include "worker/body/body_filter_life.h"
#include "worker/conn.h"
#include "worker/http/masking.h"
#include "worker/own_fields.h"

/* The route's row in this worker's block, asked for when there is something to count. */
static struct stats_route_shm *row_of(struct stream *s)
{
    const struct heritage *h = s->w->heritage;
    struct route_state *state = s->route ? &s->w->routes[s->route->index] : NULL;

    if (!state || state->row < 0)
        return &s->w->stats->unrouted;
    if (!state->stats)
        state->stats = stats_route(&h->stats, h->slot, state->row);
    return state->stats;
}

static void count(struct stream *s, int status, int64_t total_us)
{
    struct stats_route_shm *row = row_of(s);

    stats_add(&s->w->stats->requests, 1);
    stats_add(&row->requests, 1);
    stats_add(&row->bytes_in, s->bytes_in);
    stats_add(&row->bytes_out, s->bytes_out);
    stats_add(&row->status[status >= 100 && status < 600 ? status / 100 : 0], 1);
    stats_latency(row, (uint64_t)total_us);
    if (s->up_head)
        stats_add(&row->upstream_sum, (uint64_t)(s->up_head - s->up_began));
    if (s->cache_asked)
        stats_add(&row->cache[s->cache_status], 1);
}

/* What a shift is judged by: what the upstream that it leads to made of the request. One that ended
 * for other reasons, as when the client went away, says nothing. */
static void count_led(struct stream *s)
{
    const struct peers_shift *shift = peers_shift(&s->w->peers, s->service);
    int status = s->up_status ? s->up_status : s->reply.status;

    if (!shift || shift->mark != s->way.mark || (!s->up_status && status < 500))
        return;
    bool slow = shift->slow && s->up_head && s->up_head - s->up_began >= shift->slow;
    shift_count(shift->tally, shift->mark, status >= 500 || slow);
}

static struct slice text(const struct conf_text *t)
{
    return t ? slice_of(t->s, t->n) : (struct slice){ NULL, 0 };
}

/* Without the credentials that plugins look for in it. */
static struct slice masked(struct stream *s, struct slice url)
{
    const struct conf_texts *names = &s->w->conf->secret_arguments;

    if (!masking_needed(url, names))
        return url;
    char *out = arena_take(&s->arena, masking_room(url));
    return out ? slice_of(out, masking_url(url, names, out)) : SLICE("-");
}

static void write_line(struct stream *s, int status, int64_t total_us)
{
    char ip[ADDRESS_TEXT];
    const struct clock *now = &s->w->loop.now;
    int64_t upstream_us = s->up_head ? s->up_head - s->up_began : -1;
    struct access_record r = {
        .time_ms = now->real_ms - total_us / 1000,
        .client_ip =
            slice_of(ip, address_text(s->head_at ? s->request.client_ip : s->conn->peer_ip, ip)),
        .method = s->head.method_text,
        .target = masked(s, s->head.target),
        .protocol = s->head.minor ? SLICE("HTTP/1.1") : SLICE("HTTP/1.0"),
        .host = s->request.host,
        .status = status,
        .bytes_in = s->bytes_in,
        .bytes_out = s->bytes_out,
        .body_out = s->filters ? s->filters->sent : s->body_sent,
        .request_id = stream_request_id(s),
        .route = text(s->route ? &s->route->name : NULL),
        .service = text(s->service ? &s->service->name : NULL),
        .consumer = text(s->consumer ? &s->consumer->username : NULL),
        .upstream = text(s->peer ? &s->peer->text : NULL),
        .upstream_status = s->answer == ANSWER_UPSTREAM ? s->reply.status : -1,
        .tries = s->tries,
        .total_us = total_us,
        .proxy_us = upstream_us >= 0 ? total_us - upstream_us : total_us,
        .upstream_us = upstream_us,
        .referer = s->head_at ? masked(s, field_value(head_find(&s->head, SLICE("Referer"))))
                              : (struct slice){ NULL, 0 },
        .user_agent = s->head_at ? field_value(head_field(&s->head, FIELD_USER_AGENT))
                                 : (struct slice){ NULL, 0 },
        .error = s->cause ? slice_of(s->cause, strlen(s->cause)) : (struct slice){ NULL, 0 },
    };

    if (s->cache_asked)
        r.cache = own_fields_cache_status(s->cache_status);
    if (s->cache_asked && s->cache_reason)
        r.cache_reason = slice_of(s->cache_reason, strlen(s->cache_reason));
    if (s->conn->t.tls && !s->conn->t.handshaking) {
        const char *version = tls_version(s->conn->t.tls);
        r.tls_version = slice_of(version, strlen(version));
    }
    accesslog_append(s->w->accesslog, &r);
}

enum stage_result stage_log(struct stream *s)
{
    int64_t total_us = s->w->loop.now.us - s->began;
    int status = s->head_sent ? s->reply.status : 0;

    if (s->ended)
        return STAGE_NEXT;
    s->ended = true;
    if (s->way.to)
        count_led(s);
    if (s->head_at == 0 && status == 0)
        return STAGE_NEXT; /* a connection that ended before it said anything whole */
    count(s, status, total_us);
    if (s->w->accesslog)
        write_line(s, status, total_us);
    return STAGE_NEXT;
}
