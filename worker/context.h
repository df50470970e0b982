/* SPDX-License-Identifier: Apache-2.0 */
/* The one context of a worker process: what it inherited, what it made of it at start, and its
 * pools. */
#ifndef WORKER_CONTEXT_H
#define WORKER_CONTEXT_H

#include "conf/plugins/plugin_proxy_cache.h"
#include "shm/cache.h"
#include "shm/health.h"
#include "shm/stats.h"
#include "worker/accesslog/accesslog.h"
#include "worker/balance/balance.h"
#include "worker/base/encoder.h"
#include "worker/base/fitness.h"
#include "worker/base/heritage.h"
#include "worker/base/keyring.h"
#include "worker/base/loop.h"
#include "worker/base/memo.h"
#include "worker/base/peers.h"
#include "worker/base/pool.h"
#include "worker/base/twins.h"
#include "worker/base/verified.h"
#include "worker/http/labels.h"
#include "worker/router/router.h"
#include "worker/tls/tls.h"

enum { WORKER_SCRATCH = 96 * 1024, WORKER_SPOOL = 64 * 1024, WORKER_REPLY = 72 * 1024 };
enum { WORKER_SECRET = 192 /* bytes of a key, as XXH3 wants them */ };

/* What the worker keeps for each route, by route index. */
struct route_state {
    struct stats_route_shm *stats; /* NULL: nothing was counted yet */
    int row;                       /* where it is to be had; -1: none */
    bool cached;                   /* the chain holds a proxy-cache instance */
    bool encoded;                  /* and one of compression */
};

struct upstream_state {
    struct balancer *balancer;       /* of the upstream's set of peers; NULL: no memory for it */
    struct health_upstream_shm *row; /* NULL: none */
    struct health_tally all[HEALTH_COUNTS];
    _Atomic uint32_t *own[HEALTH_COUNTS]; /* this worker's part of each; NULL: not counted */
    bool limited;                         /* some peer has max_connections */
    struct waiter *first, *last;          /* requests that wait for a place, in this worker */
    uint32_t idle_n;                      /* connections to its peers that are kept idle */
    struct fitness fitness;
    struct verdict_limits limits;
    bool counts; /* it has passive checks */
};

struct service_state {
    struct tls_client *tls; /* NULL: plain HTTP */
    bool obeyed;            /* some route of it has a cache that obeys Cache-Control */
};

/* How far a pass over a dictionary's index is (worker/caching/sweeping.h). */
struct sweep {
    uint64_t at, number; /* bucket, 0 = none under way; cache_sequence() when it began */
    int64_t next;        /* ms: the next one at the latest */
};

struct worker {
    const struct heritage *heritage;
    const struct conf *conf;
    struct loop loop;
    struct pool conns, streams, upconns, heads, windows, replies;
    struct router *router;
    struct route_state *routes;
    struct upstream_state *upstreams;
    struct service_state *services;
    struct peers peers;
    struct twins twins; /* of those that change their size */
    struct cache **dicts;
    struct sweep sweeps[HERITAGE_DICTS_MAX];
    struct labels_queries queries;
    struct limits *limits;
    struct seats *seats;
    struct memo memo;
    struct inquiries *inquiries; /* worker/inquiry/inquiry.c */
    struct keyring keyring;
    struct encoders encoders;
    struct verified verified;
    struct tls_server *tls;
    struct accesslog *accesslog;
    uint64_t lines_lost; /* of it, as far as they are counted in stats */
    struct stats_process_shm *stats;
    struct board_row_shm *row;
    struct listener *listeners;
    struct conn *conns_first; /* all client connections */
    struct upconn *watched;   /* connections to peers that do not stand yet: upstream_watch() */
    char *scratch; /* WORKER_SCRATCH bytes: heads are serialized here, then sent at once; behind
                      them WORKER_SPOOL bytes for runs of a spooled body */
    struct head *reply_head; /* where response heads are parsed; used up within one call */
    uint64_t id_random[2];   /* request ids */
    unsigned char name_secret[WORKER_SECRET]; /* for hashes of names that clients choose */
    uint64_t ids, counter;                    /* request ids made; stream_counter() */
    uint32_t connections;                     /* client and upstream, against worker_connections */
    uint64_t clients;
    uint32_t background; /* refreshes without a client that are under way */
    uint32_t queued;     /* requests that wait for a place at a peer */
    struct loop_later places_later;
    bool places_put_off;
    struct redis_sync *redis_syncs; /* worker/redis/redis_sync.h */
    struct redis *redis;            /* clients that were made, worker/redis/redis.h */
    size_t answers_pool;            /* bytes of QUESTION_POOL in use */
    size_t redis_told;              /* questions under way that no stream waits for */
    struct collapse *asleep;        /* streams that wait for another's fill */
    struct loop_io bell;            /* that wakes them */
    struct loop_later bell_later;   /* and when it was rung by this worker */
    bool bell_put_off;
    bool retiring, stopping;
    int64_t resume_at; /* ms: accepting pauses until then (EMFILE); 0 = accepts */
};

/* A connection more or less, for the limit and the board. Clients leave some of worker_connections
 * to upstreams, so that what was accepted can be answered. */
bool worker_admit(struct worker *w, bool client);
void worker_dismiss(struct worker *w);

#endif
