/* SPDX-License-Identifier: Apache-2.0 */
/* Which program takes over in a binary upgrade. */
#ifndef MASTER_PROGRAM_H
#define MASTER_PROGRAM_H

#include "master/refusal.h"
#include <limits.h>

/* Where the program that runs was started from: what lies there by now is what an upgrade takes.
 * `argv0` as it was given. Once, before the working directory changes. False: not known. */
bool program_find(const char *argv0, char out[PATH_MAX]);

/* Whether the master may run what lies at `path`, which a process without rights has named: an
 * absolute path to a regular, executable file, and neither the file nor any directory that leads
 * there can be changed by anybody but root and the master's own user. *real: the path without
 * links. False: *refusal says why not. */
bool program_check(const char *path, char real[PATH_MAX], struct refusal *refusal);

#endif
