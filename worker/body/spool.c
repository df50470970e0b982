/* SPDX-License-Identifier: Apache-2.0 */
/* The first SPOOL_MEMORY bytes stay in memory; only what is longer touches the disk. */
#include "worker/body/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct spool {
    const char *folder;
    uint64_t size;
    char *memory; /* grows up to SPOOL_MEMORY */
    size_t cap;
    int fd; /* -1: none yet */
};

struct spool *spool_make(const char *folder)
{
    struct spool *sp = malloc(sizeof *sp);

    if (sp)
        *sp = (struct spool){ .folder = folder, .fd = -1 };
    return sp;
}

void spool_free(struct spool **spool)
{
    struct spool *sp = *spool;

    if (!sp)
        return;
    *spool = NULL;
    if (sp->fd >= 0)
        close(sp->fd);
    free(sp->memory);
    free(sp);
}

static bool reserve(struct spool *sp, size_t n)
{
    size_t cap = sp->cap ? sp->cap : 4096;

    while (cap < n)
        cap *= 2;
    if (cap == sp->cap)
        return true;
    char *p = realloc(sp->memory, cap);
    if (!p)
        return false;
    sp->memory = p;
    sp->cap = cap;
    return true;
}

static bool write_file(struct spool *sp, const char *p, size_t n)
{
    if (sp->fd < 0)
        sp->fd = open(sp->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (sp->fd < 0)
        sp->fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (sp->fd < 0)
        return false;
    while (n > 0) {
        ssize_t w = pwrite(sp->fd, p, n, (off_t)(sp->size - SPOOL_MEMORY));
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return false;
        p += w;
        n -= (size_t)w;
        sp->size += (uint64_t)w;
    }
    return true;
}

bool spool_append(struct spool *sp, const void *p, size_t n)
{
    if (sp->size < SPOOL_MEMORY) {
        size_t part = SPOOL_MEMORY - (size_t)sp->size;

        if (part > n)
            part = n;
        if (!reserve(sp, (size_t)sp->size + part))
            return false;
        memcpy(sp->memory + sp->size, p, part);
        sp->size += part;
        p = (const char *)p + part;
        n -= part;
    }
    return n == 0 || write_file(sp, p, n);
}

uint64_t spool_size(const struct spool *sp)
{
    return sp->size;
}

ssize_t spool_read(const struct spool *sp, uint64_t offset, void *to, size_t n)
{
    if (offset >= sp->size)
        return 0;
    if (offset < SPOOL_MEMORY) {
        size_t have = (size_t)((sp->size < SPOOL_MEMORY ? sp->size : SPOOL_MEMORY) - offset);

        if (have > n)
            have = n;
        memcpy(to, sp->memory + offset, have);
        return (ssize_t)have;
    }
    ssize_t got;
    do
        got = pread(sp->fd, to, n, (off_t)(offset - SPOOL_MEMORY));
    while (got < 0 && errno == EINTR);
    return got;
}
