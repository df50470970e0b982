/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One setting to one value, by the row of its field. What is wrong is reported and leaves *out as
 * it was; those that return something return whether *out was set.
 */
#ifndef CONF_SCALAR_H
#define CONF_SCALAR_H

#include "conf/reader.h"

bool scalar_name(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                 int *out);
bool scalar_int(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                int *out);
bool scalar_text(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                 struct conf_text *out);
void scalar_size(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                 uint64_t *out);
void scalar_number(struct reader *r, const struct fields_row *row, const config_setting_t *s,
                   double *out);
void scalar_mode(struct reader *r, const config_setting_t *s, int *out);

/* Reports that `s` is not `wanted`: "must be an integer, not a string". */
void scalar_wrong_type(struct reader *r, const config_setting_t *s, const char *wanted);

#endif
