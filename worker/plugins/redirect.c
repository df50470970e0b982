/* SPDX-License-Identifier: Apache-2.0 */
/* redirect: another URL instead of an answer. The path that is kept is the normalised one, in which
 * nothing can end a line. */
#include "conf/plugins/plugin_redirect.h"
#include "worker/plugins/plugins.h"
#include "worker/stream.h"

static struct slice kept(struct stream *s, const struct conf_redirect *c)
{
    const struct uri *uri = &stream_request(s)->uri;
    return arena_print(stream_arena(s), "%.*s%.*s%s%.*s", (int)c->origin.n, c->origin.s,
                       (int)uri->path.n, uri->path.p, uri->query.p ? "?" : "", (int)uri->query.n,
                       uri->query.p ? uri->query.p : "");
}

static enum stage_result redirect_access(struct stream *s, const void *config)
{
    const struct conf_redirect *c = config;
    struct slice location = c->keep_incoming_path ? kept(s, c) : slice_text(c->location);
    if (!location.p)
        return stream_answer(s, 500, "An unexpected error occurred");
    stream_set_response(s, SLICE("Location"), location);
    return stream_answer(s, c->status_code, "redirecting");
}

const struct plugin_ops redirect_ops = {
    .kind = CONF_PLUGIN_REDIRECT,
    .access = redirect_access,
};
