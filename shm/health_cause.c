/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of the one list of causes; a number out of shared memory may be anything. */
#include "shm/health_cause.h"

#include <string.h>

static const char *const health_cause_texts[] = {
#define HEALTH_CAUSE_TEXT(name, text) [HEALTH_CAUSE_##name] = text,
    HEALTH_CAUSES(HEALTH_CAUSE_TEXT)
#undef HEALTH_CAUSE_TEXT
};

const char *health_cause_text(unsigned cause)
{
    return cause < HEALTH_CAUSES_N ? health_cause_texts[cause] : "unknown";
}

enum health_cause health_cause_of(const char *text)
{
    for (unsigned i = 0; i < HEALTH_CAUSES_N; i++)
        if (strcmp(text, health_cause_texts[i]) == 0)
            return (enum health_cause)i;
    return HEALTH_CAUSE_OTHER;
}
