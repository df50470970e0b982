/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of algorithms. An algorithm that is configured but has no file of its own yet is served
 * by round-robin, and the log says so once a generation, from the first worker.
 */
#include "worker/balance/balance.h"
#include "shm/assert.h"
#include "worker/base/log.h"
#include <stdlib.h>

struct balancer {
    const struct balance_ops *ops;
    const struct peer_set *set;
    void *state; /* NULL: the set has no peers */
};

static const struct {
    const char *name; /* as configured */
    const struct balance_ops *ops;
} algorithms[] = {
    [CONF_ROUND_ROBIN] = { "round-robin", &round_robin_ops },
    [CONF_LEAST_CONNECTIONS] = { "least-connections", &round_robin_ops },
    [CONF_CONSISTENT_HASHING] = { "consistent-hashing", &round_robin_ops },
    [CONF_LATENCY] = { "latency", &round_robin_ops },
};

static const struct balance_ops *ops_for(const struct peer_set *set, const struct heritage *h)
{
    const struct conf_upstream *u = set->upstream;
    must((size_t)u->algorithm < sizeof(algorithms) / sizeof(*algorithms));
    const struct balance_ops *ops = algorithms[u->algorithm].ops;
    if (h->index == 0 && set->version <= h->conf->upstreams_n &&
        strcmp(ops->name, algorithms[u->algorithm].name) != 0)
        log_write(LOG_LEVEL_NOTICE, "upstream \"%s\": %s is not available yet, balancing by %s",
                  u->name.s, algorithms[u->algorithm].name, ops->name);
    return ops;
}

struct balancer *balance_make(const struct peer_set *set, const struct heritage *h)
{
    struct balancer *b = calloc(1, sizeof(*b));
    if (!b)
        return NULL;
    b->set = set;
    b->ops = ops_for(set, h);
    if (set->n == 0)
        return b;
    b->state = b->ops->make(set, h);
    if (!b->state)
        balance_free(&b);
    return b;
}

void balance_free(struct balancer **balancer)
{
    struct balancer *b = *balancer;
    *balancer = NULL;
    if (!b)
        return;
    if (b->state)
        b->ops->free(b->state);
    free(b);
}

static void mark(struct balance_query *q, const struct peer *peer)
{
    if (peer->at < 64)
        q->tried |= UINT64_C(1) << peer->at;
}

/* The set is not the one that earlier tries were made in: positions mean other peers. */
static void find_tried(const struct balancer *b, struct balance_query *q)
{
    uint32_t known = q->tries < BALANCE_TRIES_KEPT ? q->tries : BALANCE_TRIES_KEPT;
    q->tried = 0;
    q->version = b->set->version;
    for (size_t i = 0; i < b->set->n && i < 64; i++)
        for (uint32_t k = 0; k < known; k++)
            if (b->set->v[i]->identity == q->identities[k])
                mark(q, b->set->v[i]);
}

struct peer *balance_pick(struct balancer *b, struct balance_query *q)
{
    if (q->tries && q->version != b->set->version)
        find_tried(b, q);
    return b->state ? b->ops->pick(b->state, q) : NULL;
}

void balance_tried(struct balancer *b, struct balance_query *q, const struct peer *peer)
{
    must(peer->at < b->set->n && b->set->v[peer->at] == peer);
    q->version = b->set->version;
    q->identities[q->tries++ % BALANCE_TRIES_KEPT] = peer->identity;
    mark(q, peer);
}
