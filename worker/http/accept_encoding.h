/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which content coding a response may have for a client, and which it likes best (RFC 9110 section
 * 12.5.3). Pure: lines of Accept-Encoding in, a coding out.
 */
#ifndef HTTP_ACCEPT_ENCODING_H
#define HTTP_ACCEPT_ENCODING_H

#include "conf/plugins/plugin_compression.h"
#include "worker/base/slice.h"

/* What a client said so far: weights in thousandths, -1: nothing. All -1 at first. */
struct accept_encoding {
    int16_t weight[CONF_CODINGS];
    int16_t others; /* "*" */
};

void accept_encoding_begin(struct accept_encoding *a);
/* One line of the field. Members that are malformed, and codings that are not known here, say
 * nothing; of two members for one coding the one that likes it less counts. */
void accept_encoding_add(struct accept_encoding *a, struct slice line);

/* The coding of `order[0..n)` with the highest weight, the first one of equals; IDENTITY when none
 * is acceptable, or identity is named and liked better. */
enum conf_coding accept_encoding_pick(const struct accept_encoding *a,
                                      const enum conf_coding *order, size_t n);
/* The client refuses a response without a coding ("identity;q=0", or "*;q=0" without identity). */
bool accept_encoding_refuses_identity(const struct accept_encoding *a);

#endif
