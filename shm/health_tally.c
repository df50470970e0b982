/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums over processes. Each process counts in an array of its own, by plain stores, so that what a
 * dead one had under way goes with its array; who wants the sum adds up. Where the counters of one
 * peer or upstream lie is worked out once, and a sum then costs one load a slot.
 */
#include "shm/health_tally.h"
#include "shm/board.h"
#include "shm/health_parts.h"

_Static_assert((int)HEALTH_SLOTS == (int)BOARD_SLOTS, "every process on the board counts");

static void health_tally_at(const struct health_view *v, uint64_t number, struct health_tally *out)
{
    out->first = v->counters + number * sizeof(uint32_t);
    out->stride = health_stride(v->peers_n, v->upstreams_n);
    out->slots = &v->head->slots;
}

void health_tally_peer(const struct zone *zone, const struct health_peer_shm *peer,
                       struct health_tally *out)
{
    struct health_view v;
    int64_t number;

    *out = (struct health_tally){ 0 };
    if (peer && health_view_of(zone, &v) && (number = health_number(&v, peer)) >= 0)
        health_tally_at(&v, (uint64_t)number, out);
}

void health_tally_upstream(const struct zone *zone, const struct health_upstream_shm *upstream,
                           enum health_count count, struct health_tally *out)
{
    struct health_view v;

    *out = (struct health_tally){ 0 };
    if (!upstream || !health_view_of(zone, &v) || upstream < v.upstreams ||
        upstream >= v.upstreams + v.upstreams_n)
        return;
    health_tally_at(
        &v, v.peers_n + (uint64_t)count * v.upstreams_n + (uint64_t)(upstream - v.upstreams), out);
}

_Atomic uint32_t *health_tally_own(const struct zone *zone, const struct health_tally *tally,
                                   uint32_t slot)
{
    struct health_view v;

    if (!tally->first || slot >= HEALTH_SLOTS || !health_view_of(zone, &v))
        return NULL;
    uint32_t slots = atomic_load(&v.head->slots);
    while (slots <= slot && !atomic_compare_exchange_weak(&v.head->slots, &slots, slot + 1))
        ;
    size_t at = (size_t)(tally->first - v.counters) + slot * tally->stride;
    return (_Atomic uint32_t *)(void *)(v.counters + at);
}
