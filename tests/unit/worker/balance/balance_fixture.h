/* SPDX-License-Identifier: Apache-2.0 */
/* A set of peers with rows in a health zone of its own, for the tests of algorithms. */
#ifndef TESTS_BALANCE_FIXTURE_H
#define TESTS_BALANCE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/health.h"
#include "worker/balance/balance.h"
#include <stdlib.h>
#include <string.h>

enum { PEERS_MAX = 2000 };

struct site {
    struct conf conf;
    struct conf_upstream upstream;
    struct peer peers[PEERS_MAX];
    struct peer *order[PEERS_MAX];
    struct peer_set set;
    struct heritage heritage;
    struct balancer *balancer;
    _Atomic uint32_t *active;
};

/* The set is without the peer `without`, or whole (-1). */
static inline void site_balance(struct site *s, size_t n, long without)
{
    balance_free(&s->balancer);
    s->set.version++;
    s->set.n = 0;
    for (size_t i = 0; i < n; i++) {
        s->peers[i].at = (uint32_t)s->set.n;
        if ((long)i != without)
            s->order[s->set.n++] = &s->peers[i];
    }
    s->balancer = balance_make(&s->set, &s->heritage);
    assert_non_null(s->balancer);
}

static inline struct site *site_new(enum conf_algorithm algorithm, const int *weights, size_t n)
{
    struct site *s = aligned_alloc(_Alignof(struct site), sizeof(*s));
    struct health_tally active;
    assert_non_null(s);
    memset(s, 0, sizeof(*s));
    assert_true(health_make(&s->heritage.health, PEERS_MAX, 1));
    s->upstream = (struct conf_upstream){
        .name = { "orders", 6 }, .id = { "0a-1b", 5 }, .algorithm = algorithm, .slots = 10000
    };
    s->conf = (struct conf){ .upstreams = &s->upstream, .upstreams_n = 1 };
    s->heritage.conf = &s->conf;
    s->set = (struct peer_set){ .upstream = &s->upstream, .v = s->order };
    for (size_t i = 0; i < n; i++) {
        s->peers[i] = (struct peer){ .upstream = &s->upstream,
                                     .identity = balance_mix(i + 1),
                                     .weight = weights ? weights[i] : 100 };
        s->peers[i].row = health_claim_peer(&s->heritage.health, s->peers[i].identity, "peer", 1);
        assert_non_null(s->peers[i].row);
        health_tally_peer(&s->heritage.health, s->peers[i].row, &s->peers[i].tally);
        s->peers[i].in_flight = health_tally_own(&s->heritage.health, &s->peers[i].tally, 0);
    }
    s->set.row = health_claim_upstream(&s->heritage.health,
                                       health_upstream_identity(s->upstream.id.s), "orders", 1);
    assert_non_null(s->set.row);
    health_tally_upstream(&s->heritage.health, s->set.row, HEALTH_ACTIVE, &active);
    s->active = health_tally_own(&s->heritage.health, &active, 0);
    site_balance(s, n, -1);
    return s;
}
#define SITE(algorithm, ...)                                                                       \
    site_new(algorithm, (const int[]){ __VA_ARGS__ },                                              \
             sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))

static inline void site_free(struct site *s)
{
    balance_free(&s->balancer);
    assert_null(s->balancer);
    region_drop(&s->heritage.health);
    free(s);
}

/* The number of the peer that takes the request, or -1. */
static inline long site_pick(struct site *s, const struct balance_query *q)
{
    const struct peer *p = balance_pick(s->balancer, q);
    return p ? p - s->peers : -1;
}

/* A request more or less under way, in another worker than the first at times. */
static inline void site_count(struct site *s, long peer, int step)
{
    atomic_fetch_add(s->peers[peer].in_flight, (uint32_t)step);
    atomic_fetch_add(s->active, (uint32_t)step);
}

static inline void site_set_down(struct site *s, size_t peer, bool down)
{
    atomic_store(&s->peers[peer].row->verdict, down ? HEALTH_DOWN : HEALTH_UP);
}

#endif
