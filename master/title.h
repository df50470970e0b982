/* SPDX-License-Identifier: Apache-2.0 */
/* What ps(1) and top(1) show: "gateway: worker 3" in place of the command line. */
#ifndef MASTER_TITLE_H
#define MASTER_TITLE_H

/* Once, at the start of main(); argv may not be read afterwards by whoever sets a title. */
void title_init(int argc, char **argv);

/* Writes "gateway: WHAT" over the command line, cut to its room, and names the thread. In children,
 * after fork. */
void title_set(const char *what);

#endif
