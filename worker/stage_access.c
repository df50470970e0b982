/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugins of the route's chain, by priority, each in the instance that holds for the consumer
 * known at that moment. All of it is decided on the head alone: no byte of the body has been asked
 * for yet. A plugin that waits is called again until it has made up its mind, unless the client
 * leaves before that.
 */
#include "shm/board.h"
#include "worker/plugin.h"
#include "worker/stream_life.h"

enum stage_result stage_access(struct stream *s)
{
    const struct conf_chain *chain = s->route->chain;
    unsigned protocol = s->request.secure ? CONF_HTTPS : CONF_HTTP;

    for (; s->link < chain->links_n; s->link++) {
        const struct conf_link *link = &chain->links[s->link];
        const struct plugin_ops *ops = plugins_table[link->kind];

        if (!ops->access)
            continue;
        const struct conf_plugin *plugin = plugin_pick(link, s->consumer);
        if (!plugin || !(plugin->protocols & protocol))
            continue;
        enum stage_result r = ops->access(s, plugin->config);
        if (r == STAGE_WAIT && s->carrier->abandoned(s)) {
            s->cause = "client closed the connection";
            return STAGE_FAIL;
        }
        if (r != STAGE_NEXT)
            return r;
    }
    return STAGE_NEXT;
}
