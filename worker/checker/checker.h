/* SPDX-License-Identifier: Apache-2.0 */
/* The checker process, as the master sees it: the only process that probes upstreams; it also
 * rotates ticket keys. */
#ifndef CHECKER_CHECKER_H
#define CHECKER_CHECKER_H

#include "worker/base/heritage.h"

int checker_main(const struct heritage *heritage);

#endif
