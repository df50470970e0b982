/* SPDX-License-Identifier: Apache-2.0 */
/* From structs back to text, by the table of fields; what is printed loads again. */
#ifndef CONF_PRINTER_H
#define CONF_PRINTER_H

#include "conf/fields.h"
#include <stdio.h>

void printer_print(FILE *out, const struct fields_table *table, const void *object);

#endif
