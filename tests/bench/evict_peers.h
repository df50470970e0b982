/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The orders of eviction that ours is measured against, each as plain as its paper has it, counted
 * in bytes: LRU, FIFO, S3-FIFO (Yang et al., SOSP 2023), SIEVE (Zhang et al., NSDI 2024). Memory is
 * perfect for them: an object takes its bytes and no more.
 */
#ifndef TESTS_EVICT_PEERS_H
#define TESTS_EVICT_PEERS_H

#include "tests/bench/evict_trace.h"

enum { PEERS_NONE = UINT32_MAX };
enum peers_list { PEERS_OUT, PEERS_FIRST, PEERS_SECOND, PEERS_GHOSTS, PEERS_LISTS };

struct peers_node {
    uint32_t prev, next; /* towards the head, towards the tail */
    uint8_t list, heat;
};

struct peers_queue {
    uint32_t head, tail;
    uint64_t bytes;
};

struct peers {
    const struct trace *trace;
    uint64_t room;
    struct peers_queue lists[PEERS_LISTS];
    struct peers_node *node; /* by object */
    uint32_t hand;
};

struct peers_score {
    uint64_t asked, missed, bytes_asked, bytes_missed;
};

static inline void peers_push(struct peers *p, enum peers_list list, uint32_t object)
{
    struct peers_queue *queue = &p->lists[list];
    struct peers_node *node = &p->node[object];
    *node = (struct peers_node){ PEERS_NONE, queue->head, (uint8_t)list, node->heat };
    if (queue->head != PEERS_NONE)
        p->node[queue->head].prev = object;
    else
        queue->tail = object;
    queue->head = object;
    queue->bytes += trace_bytes(p->trace, object);
}

static inline void peers_pull(struct peers *p, uint32_t object)
{
    struct peers_node *node = &p->node[object];
    struct peers_queue *queue = &p->lists[node->list];
    if (node->prev != PEERS_NONE)
        p->node[node->prev].next = node->next;
    else
        queue->head = node->next;
    if (node->next != PEERS_NONE)
        p->node[node->next].prev = node->prev;
    else
        queue->tail = node->prev;
    queue->bytes -= trace_bytes(p->trace, object);
    node->list = PEERS_OUT;
}

static inline void peers_move(struct peers *p, enum peers_list list, uint32_t object, uint8_t heat)
{
    peers_pull(p, object);
    p->node[object].heat = heat;
    peers_push(p, list, object);
}

static inline bool peers_full(const struct peers *p, uint64_t bytes)
{
    return p->lists[PEERS_FIRST].bytes + p->lists[PEERS_SECOND].bytes + bytes > p->room;
}

static inline bool peers_fifo(struct peers *p, uint32_t object)
{
    if (p->node[object].list == PEERS_FIRST)
        return true;
    while (peers_full(p, trace_bytes(p->trace, object)))
        peers_pull(p, p->lists[PEERS_FIRST].tail);
    peers_push(p, PEERS_FIRST, object);
    return false;
}

static inline bool peers_lru(struct peers *p, uint32_t object)
{
    bool hit = peers_fifo(p, object);
    if (hit)
        peers_move(p, PEERS_FIRST, object, 0);
    return hit;
}

static inline void peers_sieve_out(struct peers *p)
{
    uint32_t at = p->hand != PEERS_NONE ? p->hand : p->lists[PEERS_FIRST].tail;
    while (p->node[at].heat) {
        p->node[at].heat = 0;
        at = p->node[at].prev != PEERS_NONE ? p->node[at].prev : p->lists[PEERS_FIRST].tail;
    }
    p->hand = p->node[at].prev;
    peers_pull(p, at);
}

static inline bool peers_sieve(struct peers *p, uint32_t object)
{
    if (p->node[object].list == PEERS_FIRST) {
        p->node[object].heat = 1;
        return true;
    }
    while (peers_full(p, trace_bytes(p->trace, object)))
        peers_sieve_out(p);
    p->node[object].heat = 0;
    peers_push(p, PEERS_FIRST, object);
    return false;
}

/* The end of the small queue: on to the main one, or out, and its name to the ghosts, who are as
 * many bytes as the main queue. */
static inline void peers_s3_small(struct peers *p)
{
    uint32_t object = p->lists[PEERS_FIRST].tail;
    bool stays = p->node[object].heat > 1;
    peers_move(p, stays ? PEERS_SECOND : PEERS_GHOSTS, object, 0);
    while (p->lists[PEERS_GHOSTS].bytes > p->room - p->room / 10)
        peers_pull(p, p->lists[PEERS_GHOSTS].tail);
}

static inline void peers_s3_main(struct peers *p)
{
    uint32_t object = p->lists[PEERS_SECOND].tail;
    uint8_t heat = p->node[object].heat;
    if (heat > 0)
        peers_move(p, PEERS_SECOND, object, (uint8_t)(heat - 1));
    else
        peers_pull(p, object);
}

static inline bool peers_s3(struct peers *p, uint32_t object)
{
    uint8_t list = p->node[object].list;
    if (list == PEERS_FIRST || list == PEERS_SECOND) {
        if (p->node[object].heat < 3)
            p->node[object].heat++;
        return true;
    }
    if (list == PEERS_GHOSTS)
        peers_pull(p, object);
    while (peers_full(p, trace_bytes(p->trace, object))) {
        if (p->lists[PEERS_FIRST].bytes > p->room / 10 || p->lists[PEERS_SECOND].bytes == 0)
            peers_s3_small(p);
        else
            peers_s3_main(p);
    }
    p->node[object].heat = 0;
    peers_push(p, list == PEERS_GHOSTS ? PEERS_SECOND : PEERS_FIRST, object);
    return false;
}

static const struct peers_policy {
    const char *name;
    bool (*ask)(struct peers *p, uint32_t object);
} peers_policies[] = {
    { "LRU", peers_lru },
    { "FIFO", peers_fifo },
    { "S3-FIFO", peers_s3 },
    { "SIEVE", peers_sieve },
};

enum { PEERS = sizeof peers_policies / sizeof *peers_policies, PEERS_LRU = 0 };

static inline struct peers_score peers_run(const struct peers_policy *policy,
                                           const struct trace *trace, uint64_t room)
{
    struct peers p = { .trace = trace, .room = room, .hand = PEERS_NONE };
    struct peers_score score = { 0 };
    p.node = trace_alloc(trace->objects, sizeof *p.node);
    for (int i = 0; i < PEERS_LISTS; i++)
        p.lists[i] = (struct peers_queue){ PEERS_NONE, PEERS_NONE, 0 };
    for (uint32_t i = 0; i < trace->requests; i++) {
        uint32_t object = trace->request[i];
        bool miss = trace_bytes(trace, object) > room || !policy->ask(&p, object);
        score.asked++;
        score.missed += miss;
        score.bytes_asked += trace->size[object];
        score.bytes_missed += miss ? trace->size[object] : 0;
    }
    free(p.node);
    return score;
}

#endif
