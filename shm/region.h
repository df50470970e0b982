/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared memory: named zones, each a sealed memfd of its own, made by the master before it forks
 * and inherited by every process. One memfd a zone, so that a reload can replace one zone (a
 * dictionary of another size) and leave the rest; all of them begin with the same header, so that a
 * later binary can tell what it inherits and drop what it does not know. No paths, no pointers
 * inside.
 */
#ifndef SHM_REGION_H
#define SHM_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REGION_NAME_MAX = 64, REGION_ZONES_MAX = 64 };

enum zone_kind {
    ZONE_BOARD = 1,
    ZONE_STATS,
    ZONE_HEALTH,
    ZONE_TICKETS,
    ZONE_CACHE,
    ZONE_ROSTER,
    ZONE_LIMITS,
    ZONE_SEATS,
    ZONE_TOKENS,
    ZONE_JWKS
};

struct zone_shm { /* at offset 0 of every zone */
    uint64_t magic;
    uint32_t kind;    /* enum zone_kind */
    uint32_t version; /* of the layout behind this header */
    uint64_t size;    /* bytes, this header included */
    char name[REGION_NAME_MAX];
};
_Static_assert(sizeof(struct zone_shm) == 88, "layout");

struct zone {             /* process-local; copied by fork */
    struct zone_shm *shm; /* page aligned; NULL: no zone */
    size_t size;
    int fd;
};

/* Makes a zone of `size` bytes (rounded up to pages), zeroed, its size sealed, mapped shared, with
 * huge pages asked for where it is a large cache (the other kinds are sparse). On error *zone is
 * empty and errno says why; false. Master only. */
bool region_make(struct zone *zone, enum zone_kind kind, uint32_t version, const char *name,
                 uint64_t size);

/* The same in huge pages of 2 MiB, of which `size` is a multiple, from the pool that the machine
 * sets aside for them. False: it has not so many (ENOMEM), or none of them (other errnos). */
bool region_make_huge(struct zone *zone, enum zone_kind kind, uint32_t version, const char *name,
                      uint64_t size);

/* n random bytes, for the secrets that zones begin with. False: the kernel gave none; errno. */
bool region_random(void *out, size_t n);

/* How large a zone of that many bytes becomes. */
uint64_t region_size(uint64_t size);
/* The name that the zone behind `fd` was made with, terminated; "" when it cannot be read. */
void region_name(int fd, char out[REGION_NAME_MAX]);

/* Maps the zone behind `fd` if it is sealed and its header says kind and version; then the zone
 * owns `fd`. Otherwise false, and `fd` stays the caller's. */
bool region_adopt(struct zone *zone, enum zone_kind kind, uint32_t version, int fd);

/* Unmaps and closes, and leaves *zone empty (shm NULL, fd -1); an empty one is fine. Other
 * processes keep theirs. A zone that was never made must say fd = -1. */
void region_drop(struct zone *zone);

/* What follows the header: 128 bytes into the zone, so size - 128 bytes long and aligned to 64
 * bytes. */
void *region_body(const struct zone *zone);

#endif
