/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How processes wake each other: one eventfd a slot of the board, made by the master before the
 * first fork and inherited by all. Where there are more slots than bells, some share one: who is
 * woken for nothing looks, and sleeps on.
 */
#ifndef BASE_BELLS_H
#define BASE_BELLS_H

#include <stdbool.h>
#include <stdint.h>

enum { BELLS_MAX = 64 };

struct bells {
    uint32_t n;
    int fd[BELLS_MAX]; /* never read: an edge-triggered watch sees each ring */
};

/* At most BELLS_MAX are made. False: no descriptor or no memory (errno), *bells has none. */
bool bells_make(struct bells *bells, uint32_t n);
void bells_drop(struct bells *bells);

/* The descriptor that the slot's process watches, with loop_add(); -1: there are none. */
int bells_of(const struct bells *bells, uint32_t slot);
/* Never blocks. */
void bells_ring(const struct bells *bells, uint32_t slot);
/* For what concerns everybody. */
void bells_ring_all(const struct bells *bells);

#endif
