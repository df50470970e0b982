/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a stream, for the stages and for what carries it. Plugins include stream.h only. */
#ifndef WORKER_STREAM_LIFE_H
#define WORKER_STREAM_LIFE_H

#include "worker/carrier.h"
#include "worker/context.h"
#include "worker/intake.h"
#include "worker/reply.h"
#include "worker/stream.h"

enum { STREAM_FIRST_BLOCK = 1536 };

struct conn;
struct upconn;
struct stream_note;  /* note.c */
struct body_filters; /* body_filter_life.h */

enum answer_kind { ANSWER_NONE, ANSWER_OWN, ANSWER_CACHED, ANSWER_UPSTREAM, ANSWER_TUNNEL };

struct stream {
    struct worker *w;
    struct conn *conn;
    const struct carrier *carrier;
    enum stage_id stage;
    uint16_t step; /* within a stage: its own named steps; 0 on entry */
    bool broken; /* nothing more can be said to the client: close at once, visibly cut in a body */
    bool cut;    /* part of a response went out and the rest never will */
    bool ended;  /* the log stage is through */
    const char *cause; /* why it failed, for the logs; NULL = it did not */

    struct request request;
    struct slice sni; /* what a TLS client asked for; absent: nothing, or no TLS */
    struct intake intake;
    const struct conf_route *route;
    const struct conf_service *service;
    struct router_match match;
    const struct conf_consumer *consumer;
    bool anonymous, authenticated; /* the second: as somebody who is not anonymous */
    struct slice apart;            /* all that stream_tell_apart() was told; absent: nothing */
    bool own;      /* the gateway asks for itself: nobody is forwarded, it may be sent again */
    bool starved;  /* no memory for a field that was to be set or taken out: nothing may be sent */
    uint16_t link; /* access: the next link of the chain; and what its plugin waits for, or NULL */
    struct stream_wait *wait;
    struct stream_note *notes; /* what plugins keep, note.h */
    uint32_t seat;             /* among the requests that a plugin bounds; 0: none */
    struct slice request_id;

    /* cache */
    const struct conf_proxy_cache *cache_config;
    const struct conf_plugin *cache_plugin;
    struct cache *cache;
    uint8_t cache_id[CACHE_ID_SIZE];
    struct slice cache_key;
    struct cache_hit hit;
    struct cache_fill *fill;
    enum stats_cache cache_status;
    bool cache_asked; /* cache_status means something */
    bool cache_store; /* the response may be stored */
    const char *cache_reason;
    const char *cache_forward; /* why the origin was asked, in the words of RFC 9211; or NULL */
    int cache_forward_status;  /* what it said */
    bool validating;           /* it was asked with our validators: a 304 is about s->hit */
    /* where the response goes if it is stored: the key itself, or one of its variants */
    uint8_t fill_id[CACHE_ID_SIZE];
    struct slice fill_key, snapshot; /* snapshot: the request's values for vary_names */
    struct slice vary_names;
    uint64_t vary_salt;
    int64_t vary_kept;
    /* how the stored object is sent */
    struct slice fresh_lines;         /* its head, when that changed; absent: the stored one */
    const struct serving_part *parts; /* ranges */
    uint32_t parts_n, part;
    uint64_t cached_end;
    uint64_t filled; /* bytes given to the fill */
    uint64_t born;   /* cache_sequence() when the origin began to be asked */
    /* others wait for the answer: the ticket that is owned, 0 = none, and what it is for */
    uint32_t ticket;
    uint8_t ticket_id[CACHE_ID_SIZE];
    struct collapse *collapse; /* this one waits, or did; NULL: no */
    struct ahead *ahead;       /* the fill goes on before the client; NULL: it does not */
    struct resume *resume; /* what a reader along has sent; NULL: nothing, or its length is known */
    bool resuming;         /* it goes on with an answer of its own */
    bool joined;           /* s->hit is still being filled */
    bool widened, wide;    /* widening.h: the whole was asked for where the client asked for a part;
                              and that is under way */
    const struct carrier *left; /* the client is gone, the fill goes on: what carried it */

    const struct body_edit *body_edit; /* to be done still; NULL: none */
    struct body_watch *body_watch;     /* NULL: none */
    bool body_passed;                  /* all of it, by body_watch */

    /* upstream */
    struct peer *peer; /* held; stream_take_peer() */
    struct upconn *up;
    struct balance_query tried;
    struct peers_way way;
    int tries, up_status;            /* up_status: the peer's, 502 or 504 when it failed */
    uint32_t interims;               /* bytes of 1xx responses that were passed on */
    struct upstream_state *retrying; /* placing.h: whose retries it is counted among; */
    struct waiter *waiter;           /* in a queue, or was; */
    bool placed;                     /* and whether it is counted at the peer */
    bool up_keep, trial; /* its response leaves its connection open; it is the peer's trial */
    bool request_sent;   /* to this peer, body and all */
    bool same_peer;      /* the balance stage keeps the peer: only the connection was stale */
    bool retried_free;   /* a stale idle connection was replaced once without counting */
    struct spool *spool_in, *spool_out;
    uint64_t spool_in_at, spool_out_at;

    /* answer */
    enum answer_kind answer;
    struct reply reply;
    struct body_filters *filters; /* the body goes through them; NULL: through none */
    struct extra_field *response_extra;
    struct slice own_body;
    enum head_framing out_framing; /* of the peer's response */
    bool out_done;
    uint64_t out_left;
    struct chunk out_chunk;
    uint64_t body_sent; /* payload bytes of the response given to the carrier */
    uint64_t cached_at; /* how far a stored body went out */
    bool head_sent;
    bool tunnel_began, tunnel_up_ended,
        tunnel_down_ended;     /* after 101; *_ended: no more bytes that way */
    bool chunked_out;          /* the carrier frames the response's body in chunks */
    struct slice trailers_out; /* lines that follow the last chunk */

    /* times, microseconds, monotonic; 0 = did not happen */
    int64_t began, head_at, up_began, up_head, up_ended;
    uint64_t bytes_in, bytes_out;

    /* the carrier's own: where the body begins in its buffer, and the buffer that the head lies in
     * when the body moved to another one */
    uint32_t body_at, head_buffer_cap;
    char *head_buffer;
    struct head head;
    struct arena arena;
    _Alignas(16) char first_block[STREAM_FIRST_BLOCK];
};

/* At its first stage on a connection; NULL: no memory. */
struct stream *stream_begin(struct worker *w, struct conn *conn, const struct carrier *carrier);
/* What the upstream says may be for this client alone (RFC 9111 section 3.5). */
static inline bool stream_has_authorization(const struct stream *s)
{
    return s->request.authorized || head_field(&s->head, FIELD_AUTHORIZATION);
}
/* Lets the stream go on after something that it waited for. */
static inline void stream_wake(struct stream *s)
{
    s->carrier->wake(s);
}
static inline bool stream_may_go_on(struct stream *s, size_t moved)
{
    return s->carrier->may_go_on(s, moved);
}
/* Runs stages until one waits or the last is done; true: the stream has ended (and is still to be
 * freed). */
bool stream_run(struct stream *s);
void stream_free(struct stream **stream);

/* A copy of a head that does not point into a read buffer: its fields and reason; other slices are
 * still the caller's to copy. False: no memory. */
bool stream_copy_head(struct head *to, const struct head *from, struct arena *arena);

/* Gives back what stream_take_seat() took, if it did and this was not done yet. */
void stream_leave_seat(struct stream *s);

/* The stream's peer from now on; NULL: none. */
void stream_take_peer(struct stream *s, struct peer *peer);
/* Lets go of everything that the stream holds outside: upstream connection, pins, fill, spools. */
void stream_release(struct stream *s);

#endif
