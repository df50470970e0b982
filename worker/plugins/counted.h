/* SPDX-License-Identifier: Apache-2.0 */
/* Whose requests are counted together: what `limit_by` means, in all plugins that have it. */
#ifndef PLUGINS_COUNTED_H
#define PLUGINS_COUNTED_H

#include "conf/limit_by.h"
#include "worker/stream.h"

struct counted {
    struct slice who; /* never empty; as long as the stream */
    bool by_address;  /* it is the client's address: asked for, or for want of what was */
};

struct counted counted_as(struct stream *s, const struct conf_counted *c);

/* The scope that two kinds of names of one instance do not share: an address that reads like
 * somebody's name is not counted as that one. */
static inline uint64_t counted_scope(uint64_t scope, struct counted who)
{
    return who.by_address ? scope ^ 1 : scope;
}

/* The same in words that all gateways with that instance of a plugin share: `scope` names it and
 * the kind of name that `who` is. False: no memory. */
bool counted_abroad(struct stream *s, const struct conf_counted *c, struct conf_text instance,
                    struct slice *scope, struct slice *who);

#endif
