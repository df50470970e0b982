/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials that go by a name: basicauth_credentials, hmacauth_credentials. */
#ifndef CONF_PASSWORDS_H
#define CONF_PASSWORDS_H

#include "conf/fields.h"

struct load;
struct conf_consumer;

extern const struct fields_table passwords_basic_fields, passwords_hmac_fields;

/* Checks what is read in `from`, and gives it to from->as and to the look-ups. `consumer`: where
 * from->as will be. */
void passwords_finish(struct load *load, struct source_consumer *from,
                      const struct conf_consumer *consumer);

#endif
