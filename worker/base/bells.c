/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each write makes an edge, also when nobody has read since the last one; so a bell costs one
 * system call on one side and none on the other. The counter behind it would need centuries to
 * overflow, and then the write only fails.
 */
#include "worker/base/bells.h"
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool bells_make(struct bells *bells, uint32_t n)
{
    *bells = (struct bells){ 0 };
    while (bells->n < n && bells->n < BELLS_MAX) {
        int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (fd < 0) {
            int why = errno;
            bells_drop(bells);
            errno = why;
            return false;
        }
        bells->fd[bells->n++] = fd;
    }
    return true;
}

void bells_drop(struct bells *bells)
{
    while (bells->n > 0)
        (void)close(bells->fd[--bells->n]);
}

int bells_of(const struct bells *bells, uint32_t slot)
{
    return bells->n > 0 ? bells->fd[slot % bells->n] : -1;
}

void bells_ring(const struct bells *bells, uint32_t slot)
{
    static const uint64_t one = 1;
    int fd = bells_of(bells, slot), saved = errno;

    if (fd >= 0 && write(fd, &one, sizeof one) < 0)
        errno = saved; /* it rings already */
}

void bells_ring_all(const struct bells *bells)
{
    for (uint32_t i = 0; i < bells->n; i++)
        bells_ring(bells, i);
}
