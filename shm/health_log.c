/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last entries of each row, written by any process without a lock: a writer takes the next
 * number, empties the entry, fills it and gives it its number. A writer that dies on the way leaves
 * an empty entry. Two writers meet in one entry only when one of them slept over sixteen others;
 * the text may be mixed then, but never past its bounds.
 */
#include "shm/health_parts.h"
#include <string.h>

_Static_assert(sizeof(struct health_entry_shm) == 128, "layout");
_Static_assert(sizeof(struct health_log_shm) == 2112, "layout");

/* Printable, since it may have come from a network. */
static void health_log_text(char to[HEALTH_LOG_TEXT], const char *text)
{
    size_t n = 0;

    for (; text && text[n] && n < HEALTH_LOG_TEXT - 1; n++)
        to[n] = text[n] >= 0x20 && text[n] < 0x7f ? text[n] : '?';
    memset(to + n, 0, HEALTH_LOG_TEXT - n);
}

void health_log_add(const struct zone *zone, const struct health_peer_shm *peer,
                    const struct health_entry *entry)
{
    struct health_view v;
    int64_t row;

    if (!health_view_of(zone, &v) || (row = health_number(&v, peer)) < 0)
        return;
    uint64_t number = atomic_fetch_add(&v.logs[row].n, 1) + 1;
    struct health_entry_shm *e = &v.logs[row].entries[(number - 1) % HEALTH_LOG];
    atomic_store(&e->number, 0);
    atomic_thread_fence(memory_order_release);
    e->real_ms = entry->real_ms;
    e->took = entry->took;
    e->status = entry->status;
    e->kind = entry->kind;
    e->cause = entry->cause;
    e->source = entry->source;
    e->event = entry->event;
    e->state = entry->state;
    health_log_text(e->text, entry->text);
    atomic_store_explicit(&e->number, number, memory_order_release);
}

void health_log_note(struct health_peer_shm *peer, const struct health_seen *seen,
                     const struct health_now *now)
{
    struct health_entry e = { .real_ms = now->real_ms,
                              .took = seen->took,
                              .status = (uint16_t)seen->status,
                              .kind = HEALTH_PROBE,
                              .cause = (uint8_t)seen->cause,
                              .source = (uint8_t)seen->source,
                              .event = (uint8_t)seen->event,
                              .state = (uint8_t)health_state(peer) };

    health_log_text(e.text, seen->text);
    health_log_add(now->zone, peer, &e);
}

static bool health_log_copy(const struct health_entry_shm *e, uint64_t number,
                            struct health_entry *out)
{
    if (atomic_load_explicit(&e->number, memory_order_acquire) != number)
        return false;
    *out = (struct health_entry){ .number = number,
                                  .real_ms = e->real_ms,
                                  .took = e->took,
                                  .status = e->status,
                                  .kind = e->kind,
                                  .cause = e->cause,
                                  .source = e->source,
                                  .event = e->event,
                                  .state = e->state };
    memcpy(out->text, e->text, sizeof out->text - 1);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&e->number, memory_order_relaxed) == number;
}

uint32_t health_log_read(const struct zone *zone, const struct health_peer_shm *peer,
                         struct health_entry out[HEALTH_LOG])
{
    struct health_view v;
    int64_t row;
    uint32_t n = 0;

    if (!health_view_of(zone, &v) || (row = health_number(&v, peer)) < 0)
        return 0;
    const struct health_log_shm *log = &v.logs[row];
    uint64_t last = atomic_load(&log->n);
    uint64_t first = last > HEALTH_LOG ? last - HEALTH_LOG + 1 : 1;
    for (uint64_t number = first; number <= last && n < HEALTH_LOG; number++)
        if (health_log_copy(&log->entries[(number - 1) % HEALTH_LOG], number, &out[n]))
            n++;
    return n;
}
