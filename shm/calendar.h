/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of time in UTC: the second, minute, ..., year that a moment lies in. Pure. */
#ifndef SHM_CALENDAR_H
#define SHM_CALENDAR_H

#include <stdint.h>

enum calendar_unit {
    CALENDAR_SECOND,
    CALENDAR_MINUTE,
    CALENDAR_HOUR,
    CALENDAR_DAY,
    CALENDAR_MONTH,
    CALENDAR_YEAR,
    CALENDAR_UNITS
};

struct calendar_window {
    uint32_t number; /* each is one above the one before; never UINT32_MAX before the year 2106 */
    int64_t from, till; /* ms since 1970: it begins at `from` and has ended at `till` */
};

/* The window that `now` (ms since 1970, >= 0) lies in. */
struct calendar_window calendar_window(enum calendar_unit unit, int64_t now);

#endif
