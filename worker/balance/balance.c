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
    void *state; /* NULL: the upstream has no peers */
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

static const struct balance_ops *ops_for(const struct conf_upstream *u, const struct heritage *h)
{
    must((size_t)u->algorithm < sizeof(algorithms) / sizeof(*algorithms));
    const struct balance_ops *ops = algorithms[u->algorithm].ops;
    if (h->index == 0 && strcmp(ops->name, algorithms[u->algorithm].name) != 0)
        log_write(LOG_LEVEL_NOTICE, "upstream \"%s\": %s is not available yet, balancing by %s",
                  u->name.s, algorithms[u->algorithm].name, ops->name);
    return ops;
}

struct balancer *balance_make(const struct conf_upstream *u, const struct heritage *h)
{
    struct balancer *b = calloc(1, sizeof(*b));
    if (!b)
        return NULL;
    b->ops = ops_for(u, h);
    if (u->peers_n == 0)
        return b;
    b->state = b->ops->make(u, h);
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

const struct conf_peer *balance_pick(struct balancer *b, const struct balance_query *q)
{
    return b->state ? b->ops->pick(b->state, q) : NULL;
}

void balance_tried(struct balance_query *q, const struct conf_peer *peer)
{
    size_t position = (size_t)(peer - peer->upstream->peers);
    must(position < peer->upstream->peers_n);
    if (position < 64)
        q->tried |= UINT64_C(1) << position;
}
