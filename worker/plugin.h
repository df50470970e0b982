/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin is one file in worker/plugins/ that ends in a const struct plugin_ops, one row in
 * plugins.c, its configuration in conf/plugin_<name>.{h,c}, and its tests. It sees a stream through
 * worker/stream.h and never sockets. Its configuration is immutable and shared; it keeps no state
 * of its own outside the stream's arena. Who has to ask somebody else waits without blocking:
 * stream_await().
 */
#ifndef WORKER_PLUGIN_H
#define WORKER_PLUGIN_H

#include "conf/plugin.h"
#include "worker/stage.h"

struct reply;

struct plugin_ops {
    enum conf_plugin_kind kind;
    /* Runs when the head has arrived, before a byte of the body is read on. It may return
     * stream_await(), and is called again, with the same configuration, when something happened to
     * the stream; what it keeps meanwhile is what stream_awaited() returns. A client that leaves
     * while it waits ends the stream. NULL: has no access phase. */
    enum stage_result (*access)(struct stream *s, const void *config);
    /* What access() would change beyond the stream, so that it is not run where a request is only
     * explained (worker/explain.h): "counts the request". NULL: nothing. look() is run in its
     * place: the same answer without the effect, or STAGE_WAIT where only somebody else knows;
     * NULL: nobody can tell. */
    const char *effect;
    enum stage_result (*look)(struct stream *s, const void *config);
    /* Runs when the response's head is known, before it is sent; may change it through
     * worker/stream.h, and have the body go through a filter (worker/body/body_filter.h). NULL:
     * none. */
    void (*header_filter)(struct stream *s, const void *config);
};

extern const struct plugin_ops *const plugins_table[CONF_PLUGIN_KINDS];

#endif
