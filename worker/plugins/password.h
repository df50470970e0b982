/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a password is the one of a credential. */
#ifndef PLUGINS_PASSWORD_H
#define PLUGINS_PASSWORD_H

#include "conf/consumer.h"
#include "worker/base/memo.h"

enum password_verdict {
    PASSWORD_WRONG,
    PASSWORD_RIGHT,
    PASSWORD_LATER, /* wrong ones have cost so much lately that it was not checked */
};

/* Takes a time that does not depend on where two passwords differ. What libcrypt has found to be
 * right is remembered in `memo`, and what it costs to find others wrong. */
enum password_verdict password_check(struct memo *memo, const struct conf_basic *basic,
                                     struct slice given);

/* For a password of nobody: never right, and as long in coming as a wrong one of `like` (NULL: of
 * one that is no hash). */
enum password_verdict password_refuse(struct memo *memo, const struct conf_basic *like,
                                      struct slice given);

#endif
