/* SPDX-License-Identifier: Apache-2.0 */
/* FNV-1a will do for ids that the operator chose: two that meet would share purges. */
#include "worker/http/labels.h"

uint32_t labels_id(struct slice uuid)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < uuid.n; i++) {
        char c = uuid.p[i];
        if (c == '-')
            continue;
        hash = (hash ^ (uint8_t)(c >= 'A' && c <= 'Z' ? c | 0x20 : c)) * 16777619u;
    }
    return hash ? hash : 1;
}
