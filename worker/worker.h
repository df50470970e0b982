/* SPDX-License-Identifier: Apache-2.0 */
/* The worker process, as the master sees it. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include "worker/base/heritage.h"

/* Runs a worker until it is told to end; returns the exit status. The caller has dropped rights
 * already. */
int worker_main(const struct heritage *heritage);

#endif
