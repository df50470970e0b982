/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A zone is one memfd: sealed so that nobody can shrink it under a reader (no SIGBUS), without a
 * path so that nothing is left behind. The size that counts is the one in the process-local handle;
 * the copy in shared memory only serves a process that adopts the zone by its descriptor.
 */
#include "shm/region.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define REGION_MAGIC UINT64_C(0x676174657a6f6e65) /* "gatezone" */

enum { REGION_BODY = 128, REGION_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

static const uint64_t region_huge = UINT64_C(2) << 20;

static bool region_fail(struct zone *zone)
{
    int why = errno;
    region_drop(zone);
    errno = why;
    return false;
}

uint64_t region_size(uint64_t size)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    if (size < REGION_BODY)
        size = REGION_BODY;
    return (size + page - 1) / page * page;
}

static bool region_map(struct zone *zone, int fd, uint64_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return false;
    zone->shm = p;
    zone->size = size;
    return true;
}

/* With flags of memfd_create(). All of a huge zone is set aside by mmap(): it fails here, and not
 * at the first touch. */
static bool region_build(struct zone *zone, const char *name, uint64_t size, unsigned flags)
{
    *zone = (struct zone){ .fd = -1 };
    if (size > INT64_MAX / 2) {
        errno = EFBIG;
        return false;
    }
    zone->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
    if (zone->fd < 0 || ftruncate(zone->fd, (off_t)size) < 0 ||
        fcntl(zone->fd, F_ADD_SEALS, REGION_SEALS) < 0 || !region_map(zone, zone->fd, size))
        return region_fail(zone);
    return true;
}

static void region_head(const struct zone *zone, enum zone_kind kind, uint32_t version,
                        const char *name)
{
    zone->shm->magic = REGION_MAGIC;
    zone->shm->kind = (uint32_t)kind;
    zone->shm->version = version;
    zone->shm->size = zone->size;
    strncpy(zone->shm->name, name, REGION_NAME_MAX - 1);
}

bool region_make(struct zone *zone, enum zone_kind kind, uint32_t version, const char *name,
                 uint64_t size)
{
    if (!region_build(zone, name, region_size(size), 0))
        return false;
    /* Counters and boards are sparse: a huge page would make them resident as a whole. */
    if (kind == ZONE_CACHE && zone->size >= region_huge)
        (void)madvise(zone->shm, zone->size, MADV_HUGEPAGE);
    region_head(zone, kind, version, name);
    return true;
}

bool region_make_huge(struct zone *zone, enum zone_kind kind, uint32_t version, const char *name,
                      uint64_t size)
{
    if (size == 0 || size % region_huge != 0) {
        *zone = (struct zone){ .fd = -1 };
        errno = EINVAL;
        return false;
    }
    if (!region_build(zone, name, size, MFD_HUGETLB | MFD_HUGE_2MB))
        return false;
    region_head(zone, kind, version, name);
    return true;
}

static bool region_known(const struct zone_shm *head, enum zone_kind kind, uint32_t version,
                         uint64_t size)
{
    return head->magic == REGION_MAGIC && head->kind == (uint32_t)kind &&
           head->version == version && head->size == size && size >= REGION_BODY &&
           memchr(head->name, '\0', REGION_NAME_MAX) != NULL;
}

bool region_adopt(struct zone *zone, enum zone_kind kind, uint32_t version, int fd)
{
    struct stat st;
    struct zone_shm head;
    int seals = fcntl(fd, F_GET_SEALS);

    *zone = (struct zone){ .fd = -1 };
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(fd, &st) < 0 ||
        pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head)
        return false;
    if (!region_known(&head, kind, version, (uint64_t)st.st_size)) {
        errno = EINVAL;
        return false;
    }
    if (!region_map(zone, fd, (uint64_t)st.st_size))
        return false;
    zone->fd = fd;
    return true;
}

void region_name(int fd, char out[REGION_NAME_MAX])
{
    struct zone_shm head;

    out[0] = '\0';
    if (pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head)
        return;
    memcpy(out, head.name, REGION_NAME_MAX);
    out[REGION_NAME_MAX - 1] = '\0';
}

bool region_random(void *out, size_t n)
{
    char *p = out;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

void region_drop(struct zone *zone)
{
    if (zone->shm)
        (void)munmap(zone->shm, zone->size);
    if (zone->fd >= 0)
        (void)close(zone->fd);
    *zone = (struct zone){ .fd = -1 };
}

void *region_body(const struct zone *zone)
{
    return (char *)zone->shm + REGION_BODY;
}
