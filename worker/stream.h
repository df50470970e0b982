/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream: one request and its response. HTTP/1 has one at a time on a connection; stages and
 * plugins see a stream and never ask which protocol carried it. This header is what plugins may
 * use; the way the stream is driven is in stream_life.h.
 */
#ifndef WORKER_STREAM_H
#define WORKER_STREAM_H

#include "conf/conf.h"
#include "conf/plugin.h"
#include "worker/base/arena.h"
#include "worker/base/slice.h"
#include "worker/base/timer.h"
#include "worker/http/edit.h"
#include "worker/http/head.h"
#include "worker/http/uri.h"
#include "worker/stage.h"

struct limits;   /* shm/limits.h */
struct memo;     /* worker/base/memo.h */
struct keyring;  /* worker/base/keyring.h */
struct encoders; /* worker/base/encoder.h */
struct verified; /* worker/base/verified.h */

/* A field that is added to what is sent: to the upstream's request or to the client's response. */
struct extra_field {
    struct extra_field *next;
    struct slice name, value;
    bool underscored; /* the name has a "_", which many take for "-" */
    bool beside;      /* responses: sent beside fields of that name, not in place of them */
};

struct request {
    struct head *head;  /* as parsed */
    struct uri uri;     /* normalised path; query as received */
    struct slice query; /* what is sent upstream: uri.query, or a plugin's edit of it */
    struct slice path;  /* what is asked for upstream; absent: the service's path and uri.path */
    struct slice method_text; /* what it is asked with; absent: head->method_text */
    enum head_method method;  /* the same */
    struct slice chosen; /* what a plugin made of more than the URL: the cache tells answers apart
                          * by it */
    bool authorized;     /* a plugin made an Authorization of what the client sent elsewhere */
    struct slice host;   /* lower case, without port; "" when HTTP/1.0 had none */
    int port;            /* of the Host field, or 0 */
    struct slice credential;   /* what authenticated who is asking, whatever the upstream is told of
                                * it; empty: nothing did, or it has no name */
    struct extra_field *extra; /* set by plugins, sent upstream in place of fields with that name */
    const struct extra_field *told; /* the same as it was when a plugin began that goes by it;
                                     * NULL: none does */
    uint8_t client_ip[16];          /* IPv4 mapped; after trusted_ips and real_ip_header */
    bool secure;                    /* arrived over TLS */
    bool trusted;                   /* the peer is in trusted_ips: its X-Forwarded-* count */
};

/* Plugins: the stream's parts. */
struct request *stream_request(struct stream *s);
const struct conf_route *stream_route(const struct stream *s);
const struct conf_service *stream_service(const struct stream *s);
const struct conf_credentials *stream_credentials(const struct stream *s);
struct arena *stream_arena(struct stream *s); /* lives until the request is logged */
int64_t stream_now(const struct stream *s);   /* seconds since 1970, of this turn of the loop */
int64_t stream_now_ms(const struct stream *s);
struct slice stream_request_id(struct stream *s); /* 32 hex digits, made when first asked for */
struct limits *stream_limits(const struct stream *s);
int64_t stream_monotonic_ms(const struct stream *s); /* of this turn of the loop */
struct memo *stream_memo(struct stream *s);          /* what was verified already; never NULL */
struct keyring *stream_keyring(struct stream *s);    /* of issuers; never NULL */
struct verified *stream_verified(struct stream *s);  /* what a text means; never NULL */
uint64_t stream_counter(struct stream *s);           /* per worker, 1, 2, ... */
struct encoders *stream_encoders(struct stream *s);  /* the worker's */
uint32_t stream_worker_index(const struct stream *s);
/* Counts the request among those of `who` under `scope` that are under way, until it ends, however
 * it ends: true, if there are at most `limit` of them now. False: nothing was counted. Once for a
 * request. */
bool stream_take_seat(struct stream *s, uint64_t scope, struct slice who, uint32_t limit);
/* Whether that would succeed. */
bool stream_may_take_seat(const struct stream *s, uint64_t scope, struct slice who, uint32_t limit);
struct slice stream_client_text(struct stream *s); /* the client's address as text */
struct slice
stream_server_text(struct stream *s); /* the listener's "address-port", for tracker ids */

/* Who is asking: sets the consumer and X-Consumer-ID, -Username, -Custom-ID,
 * X-Credential-Identifier for the upstream (names as Kong's), and X-Anonymous-Consumer: true when
 * `anonymous`; what the client says of X-Consumer-Groups is dropped. `credential` may be empty;
 * `consumer` may be NULL: somebody is known by a credential that is no consumer's. */
void stream_authenticate(struct stream *s, const struct conf_consumer *consumer,
                         struct slice credential, bool anonymous);
/* The upstream is told more of who asks than the consumer, such as `by`: what is stored for one of
 * whom it is told something is not another's. All that is said so counts, also after somebody else
 * was authenticated, since what was told stays told. */
void stream_tell_apart(struct stream *s, struct slice by);
const struct conf_consumer *stream_consumer(const struct stream *s); /* NULL: unknown */
/* Whether somebody was authenticated, and not as an anonymous consumer. */
bool stream_authenticated(const struct stream *s);

/* A capture of the pattern that the route was found by: by number, 0 is all of it, or, where number
 * is -1, by name. {NULL, 0}: none. */
struct slice stream_capture(const struct stream *s, int number, const char *name);

/* The request's body may have so many bytes at most, or as many as were allowed before; past them,
 * while it streams, 413 with `message`, which is constant. */
void stream_limit_body(struct stream *s, uint64_t bytes, const char *message);

/* From the access phase: the request counts as one for the whole, whatever its Range says (RFC 9110
 * section 14.2). */
void stream_ignore_range(struct stream *s);

/* What a plugin makes of the request's body, called once, when all of it is there; empty where the
 * request has none. `out` is in `arena`, which is gone soon after. */
struct body_edit {
    enum edit_result (*edit)(const struct body_edit *e, struct slice body, struct arena *arena,
                             struct slice *out);
};
/* The body is held back until it is complete, at most `limit` bytes, and goes on as `edit` left it;
 * 413 past them. One plugin of a chain may do so. NEXT, or DONE where its length says already that
 * it is too large. `edit` lives as long as the request. */
enum stage_result stream_edit_body(struct stream *s, uint64_t limit, const struct body_edit *edit);

/* Follows the request's body while it streams. */
struct body_watch {
    /* From its first byte, perhaps again: it is sent to another peer. */
    void (*begin)(struct body_watch *w);
    bool (*take)(struct body_watch *w, struct slice run); /* false: it is refused */
    bool (*end)(struct body_watch *w); /* all of it was taken; false: it is refused */
    void (*refuse)(struct stream *s, struct body_watch *w); /* makes the answer */
    void (*drop)(struct body_watch *w);                     /* the stream dies */
};
/* One plugin of a chain may do so. No upstream is ever given all of a body that is refused, nor the
 * end of its message. `watch` lives as long as the request. */
void stream_watch_body(struct stream *s, struct body_watch *watch);

/* Sets a field of the request that goes upstream (any of that name from the client is dropped), or
 * takes it out. */
void stream_set_upstream(struct stream *s, struct slice name, struct slice value);
void stream_drop_upstream(struct stream *s, struct slice name);
/* The response comes from the upstream, just now: not from the cache, not of the gateway's making.
 * From header_filter(), which may then answer in its place (stream_answer()). */
bool stream_from_upstream(const struct stream *s);
/* Sets a field of the response that goes to the client, whoever makes it. */
void stream_set_response(struct stream *s, struct slice name, struct slice value);
void stream_set_response_number(struct stream *s, struct slice name, uint64_t value);
/* Adds one beside those of the same name that the response has: for lists, such as Vary. */
void stream_add_response(struct stream *s, struct slice name, struct slice value);
/* The values of up to `max` lines of that name, as they would be sent: what plugins set, else what
 * the upstream or the cache says; the gateway's own lines are not known yet. Returns how many. */
size_t stream_get_response(const struct stream *s, struct slice name, struct slice *values,
                           size_t max);
/* Takes a field out of it, the gateway's own included. */
void stream_drop_response(struct stream *s, struct slice name);

/* What a plugin's access phase waits for, first in a struct of the plugin's. It is the stream's
 * from stream_await() to stream_awaited_end(), or until the stream dies. */
struct stream_wait {
    /* The stream dies: nothing may call it any more, and its arena goes. */
    void (*cancel)(struct stream_wait *wait);
};
/* Always returns STAGE_WAIT. Whoever brings what is waited for wakes the stream, never from within
 * the call of the plugin that began it; the plugin is called again then, and also when nothing has
 * come yet. */
enum stage_result stream_await(struct stream *s, struct stream_wait *wait);
/* What the plugin that is called waits for already; NULL: it is called for the first time. */
struct stream_wait *stream_awaited(const struct stream *s);
/* It is over, and the plugin's own again: cancel() is not called. */
void stream_awaited_end(struct stream *s);

/* Waits for `ms` at the most: a timer wakes the stream. A nap that goes on is begun anew; one that
 * is over ends with stream_wake_up(). */
struct stream_nap {
    struct stream_wait wait; /* first */
    struct timer timer;
    struct stream *stream;
};
enum stage_result stream_sleep(struct stream *s, struct stream_nap *nap, int64_t ms);
void stream_wake_up(struct stream *s, struct stream_nap *nap);

/* Ends the request with an answer of the gateway's own: {"message": "...", "request_id": "..."} as
 * JSON. `message` is copied and escaped. Always returns STAGE_DONE. */
enum stage_result stream_answer(struct stream *s, int status, const char *message);
/* The same with a body and type of the caller's own; slices must live in the arena or the
 * configuration. */
enum stage_result stream_answer_with(struct stream *s, int status, struct slice content_type,
                                     struct slice body);

#endif
