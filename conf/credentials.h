/* SPDX-License-Identifier: Apache-2.0 */
/* How the loader fills the look-ups of conf/entities.h: begin, add each credential, then name the
 * consumers. */
#ifndef CONF_CREDENTIALS_H
#define CONF_CREDENTIALS_H

#include <stdbool.h>

struct load;
struct conf_key;
struct conf_jwt_secret;
struct conf_basic;
struct conf_hmac;

void credentials_begin(struct load *load);
/* True when another credential has the same key; then nothing is added. What is added must stay
 * where it is. */
bool credentials_add_key(struct load *load, const struct conf_key *key);
bool credentials_add_jwt(struct load *load, const struct conf_jwt_secret *secret);
bool credentials_add_basic(struct load *load, const struct conf_basic *basic);
bool credentials_add_hmac(struct load *load, const struct conf_hmac *hmac);
/* After all consumers are known: ids go before usernames, and these before custom_ids. */
void credentials_name(struct load *load);

#endif
