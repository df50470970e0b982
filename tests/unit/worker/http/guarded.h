/* SPDX-License-Identifier: Apache-2.0 */
/* A buffer whose end, and whose begin, lies against pages that cannot be read: an overread kills
 * the test. */
#ifndef TEST_GUARDED_H
#define TEST_GUARDED_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { GUARDED_PAGE = 4096, GUARDED_SIZE = 4 * GUARDED_PAGE };

/* GUARDED_SIZE readable bytes between two pages without rights. */
static inline char *guarded_map(void)
{
    char *p =
        mmap(NULL, GUARDED_SIZE + 2 * GUARDED_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + GUARDED_PAGE, GUARDED_SIZE, PROT_READ | PROT_WRITE) != 0)
        abort();
    return p + GUARDED_PAGE;
}

/* A copy that ends where the readable bytes end. */
static inline char *guarded_tail(char *map, const void *text, size_t n)
{
    return memcpy(map + GUARDED_SIZE - n, text, n);
}

/* A small generator with a seed of its own: the same sequence in each run. */
static inline unsigned guarded_random(unsigned long long *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(*state >> 33);
}

#endif
