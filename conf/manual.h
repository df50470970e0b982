/* SPDX-License-Identifier: Apache-2.0 */
/* gateway.conf(5), from the table of fields. */
#ifndef CONF_MANUAL_H
#define CONF_MANUAL_H

#include <stdio.h>

void manual_print(FILE *out);

#endif
