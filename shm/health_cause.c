/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of the one list of causes; a number out of shared memory may be anything. */
#include "shm/health_cause.h"

const char *health_cause_text(unsigned cause)
{
    static const char *const texts[] = {
#define HEALTH_CAUSE_TEXT(name, text) [HEALTH_CAUSE_##name] = text,
        HEALTH_CAUSES(HEALTH_CAUSE_TEXT)
#undef HEALTH_CAUSE_TEXT
    };
    return cause < HEALTH_CAUSES_N ? texts[cause] : "unknown";
}
