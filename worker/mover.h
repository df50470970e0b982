/* SPDX-License-Identifier: Apache-2.0 */
/* The mover, as the master sees it: a process that copies the content of dictionaries that change
 * their size, from the zones of the generation before (heritage.twins), and ends. */
#ifndef WORKER_MOVER_H
#define WORKER_MOVER_H

#include "worker/base/heritage.h"

int mover_main(const struct heritage *heritage);

#endif
