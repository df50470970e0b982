/* SPDX-License-Identifier: Apache-2.0 */
/* The control process, as the master sees it: control.sock, status_listen, admin_listen. */
#ifndef MASTER_CONTROL_H
#define MASTER_CONTROL_H

#include "worker/base/heritage.h"

/* Serves the control API until it is told to end; returns the exit status. The caller has dropped
 * rights already. */
int control_main(const struct heritage *heritage);

#endif
