/* SPDX-License-Identifier: Apache-2.0 */
/* URLs as logs may have them: without the values of arguments that hold credentials. Pure. */
#ifndef HTTP_MASKING_H
#define HTTP_MASKING_H

#include "conf/text.h"
#include "worker/base/slice.h"

/* Whether there is anything to look at: a query, and names. */
bool masking_needed(struct slice url, const struct conf_texts *names);

/* How many bytes masking_url() may write. */
size_t masking_room(struct slice url);

/* Copies `url` to `out`, with "***" for the value of each argument whose decoded name is one of
 * `names`; all else is as it came. Returns the length. */
size_t masking_url(struct slice url, const struct conf_texts *names, char *out);

#endif
