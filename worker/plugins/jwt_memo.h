/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens that were found to hold, by a plugin's instance, in this worker: who they name. One is
 * remembered until it expires, or a key of its issuer comes or goes, or the configuration changes
 * (which is another worker). What is never checked again is what cannot change meanwhile.
 */
#ifndef PLUGINS_JWT_MEMO_H
#define PLUGINS_JWT_MEMO_H

#include "conf/plugins/plugin_jwt.h"
#include "worker/base/verified.h"
#include "worker/stream.h"

/* What a token that holds says. */
struct jwt_known {
    const struct conf_consumer *consumer; /* NULL: nobody's */
    struct slice credential;              /* may be empty */
    const struct slice *values; /* as many as claims_to_headers has; n 0: nothing is said */
};

struct jwt_memo {
    struct verified_mark mark;
    bool marked;
    uint64_t version; /* of the issuer's keys */
};

/* True with what is known of the token, which holds for this call of the plugin. Fills *memo for
 * jwt_memo_keep() in any case. */
bool jwt_memo_recall(struct stream *s, const struct conf_jwt *config, struct slice token,
                     struct jwt_memo *memo, struct jwt_known *out);
/* Remembers it until `until`, s since 1970, if the keys are still those of `memo`. */
void jwt_memo_keep(struct stream *s, const struct conf_jwt *config, const struct jwt_memo *memo,
                   const struct jwt_known *known, int64_t until);

#endif
