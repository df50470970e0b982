/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What plugins that authenticate have in common: when they run and how they refuse. Several of them
 * on a route all have to pass; one with an anonymous consumer lets everybody pass, and has nothing
 * to do when another one has authenticated the request before it.
 */
#ifndef PLUGINS_AUTH_H
#define PLUGINS_AUTH_H

#include "worker/stream.h"

/* Whether there is nothing to do: a preflight request that is let through, or somebody is known
 * already and `anonymous` (NULL: none) makes this plugin optional. */
bool auth_skips(struct stream *s, bool run_on_preflight, const struct conf_consumer *anonymous);

/* What follows a failure: the anonymous consumer goes on, or 401 with `challenge` as
 * WWW-Authenticate. */
enum stage_result auth_refuse(struct stream *s, const struct conf_consumer *anonymous,
                              struct slice challenge, const char *message);
/* The same with a JSON body of the plugin's own, in the arena. */
enum stage_result auth_refuse_with(struct stream *s, const struct conf_consumer *anonymous,
                                   struct slice challenge, struct slice body);

/* `Key realm="..."`, in the arena; only the scheme when `realm` is empty. */
struct slice auth_challenge(struct stream *s, const char *scheme, const struct conf_text *realm);

#endif
