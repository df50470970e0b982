/* SPDX-License-Identifier: Apache-2.0 */
/* Chance for what is preloaded: a few instructions (xorshift), and no state of the program's own.
 */
#ifndef E2E_DICE_H
#define E2E_DICE_H

#include <stdint.h>

static uint64_t dice;

/* Every process rolls its own: both numbers tell it from others. */
static inline void dice_seed(uint32_t high, uint32_t low)
{
    dice = ((uint64_t)high << 32 | low) * 0x9e3779b97f4a7c15U + 1;
}

static inline uint32_t dice_roll(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (uint32_t)(dice >> 24);
}

#endif
