/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys lie in a ring; `count` says how many were ever made and publishes the newest with one store.
 * The writer prepares a key in the ring's next place, which no reader looks at, so a writer that
 * dies half-way leaves nothing torn and blocks nobody. A reader copies and then looks whether the
 * ring came round meanwhile.
 */
#include "shm/tickets.h"
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { TICKETS_RING = 8, TICKETS_TRIES = 16 };

struct tickets_shm {
    _Atomic uint64_t count; /* keys made so far; the newest is at (count - 1) % TICKETS_RING */
    struct ticket_key ring[TICKETS_RING];
};
_Static_assert(sizeof(struct ticket_key) == 88, "layout");
_Static_assert(sizeof(struct tickets_shm) == 8 + TICKETS_RING * 88, "layout");

static bool tickets_add(struct tickets_shm *t, int64_t now)
{
    struct ticket_key key = { .made = now };
    uint64_t count = atomic_load_explicit(&t->count, memory_order_relaxed);
    bool made = region_random(key.name, sizeof key.name) &&
                region_random(key.aes, sizeof key.aes) && region_random(key.hmac, sizeof key.hmac);

    if (made) {
        t->ring[count % TICKETS_RING] = key;
        atomic_store_explicit(&t->count, count + 1, memory_order_release);
    }
    explicit_bzero(&key, sizeof key);
    return made;
}

bool tickets_make(struct zone *zone)
{
    if (!region_make(zone, ZONE_TICKETS, TICKETS_VERSION, "tickets",
                     128 + sizeof(struct tickets_shm)))
        return false;
    if (tickets_add(region_body(zone), (int64_t)time(NULL)))
        return true;
    region_drop(zone);
    return false;
}

bool tickets_rotate(const struct zone *zone, int64_t now, int64_t age)
{
    struct tickets_shm *t = region_body(zone);
    uint64_t count = atomic_load_explicit(&t->count, memory_order_relaxed);
    int64_t made = t->ring[(count - 1) % TICKETS_RING].made;

    /* A clock that was set back makes the newest key look as if it came from the future: then it
     * ages from now. */
    if (made > now)
        t->ring[(count - 1) % TICKETS_RING].made = now;
    if (made > now || now - made <= age)
        return false;
    return tickets_add(t, now);
}

int tickets_read(const struct zone *zone, struct ticket_key out[TICKETS_KEYS])
{
    struct tickets_shm *t = region_body(zone);
    int n = 0;

    for (int try = 0; try < TICKETS_TRIES; try++) {
        uint64_t count = atomic_load_explicit(&t->count, memory_order_acquire);
        n = count < TICKETS_KEYS ? (int)count : TICKETS_KEYS;
        for (int i = 0; i < n; i++)
            out[i] = t->ring[(count - 1 - (uint64_t)i) % TICKETS_RING];
        atomic_thread_fence(memory_order_acquire);
        uint64_t after = atomic_load_explicit(&t->count, memory_order_relaxed);
        if (after - count <= TICKETS_RING - TICKETS_KEYS - 1)
            break;
    }
    return n;
}
