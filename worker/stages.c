/* SPDX-License-Identifier: Apache-2.0 */
/* The table that stages.def stands for: what runs, and under which name it is logged. */
#include "worker/stage.h"

const struct stage stages_table[STAGES] = {
#define STAGE(id, function) [STAGE_##id] = { function, #function },
#include "worker/stages.def"
#undef STAGE
};
