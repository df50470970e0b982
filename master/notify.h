/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd is told (sd_notify(3)); nothing happens where NOTIFY_SOCKET is not set. */
#ifndef MASTER_NOTIFY_H
#define MASTER_NOTIFY_H

void notify_ready(const char *status); /* at start, and after a reload whatever its outcome */
void notify_reloading(void);
void notify_stopping(void);

#endif
