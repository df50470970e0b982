/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acl: consumers by their groups. Runs after the plugins that find out who is asking; an anonymous
 * consumer is one like others, but that without any group it is told to say who it is: 401, as
 * where nobody is known. What a client says of its groups never reaches the upstream.
 */
#include "conf/plugins/plugin_acl.h"
#include "worker/plugins/plugins.h"
#include "worker/stream.h"

static bool is_among(const struct conf_texts *groups, const struct conf_text *group)
{
    for (size_t i = 0; i < groups->n; i++)
        if (slice_equal(slice_of(groups->v[i].s, groups->v[i].n), slice_of(group->s, group->n)))
            return true;
    return false;
}

static bool share_one(const struct conf_texts *a, const struct conf_texts *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (is_among(b, &a->v[i]))
            return true;
    return false;
}

static bool may_pass(const struct conf_acl *c, const struct conf_texts *groups)
{
    return c->allow.n ? share_one(groups, &c->allow) : !share_one(groups, &c->deny);
}

/* "a, b", in the arena; {NULL, 0}: there is none. */
static struct slice list_of(struct stream *s, const struct conf_texts *groups)
{
    size_t n = 0;
    for (size_t i = 0; i < groups->n; i++)
        n += groups->v[i].n + 2;
    char *list = n ? arena_take(stream_arena(s), n) : NULL, *at = list;
    for (size_t i = 0; list && i < groups->n; i++) {
        if (i) {
            memcpy(at, ", ", 2);
            at += 2;
        }
        memcpy(at, groups->v[i].s, groups->v[i].n);
        at += groups->v[i].n;
    }
    return slice_of(list, (size_t)(at - list));
}

static enum stage_result acl_access(struct stream *s, const void *config)
{
    const struct conf_acl *c = config;
    const struct conf_consumer *consumer = stream_consumer(s);
    stream_drop_upstream(s, SLICE("X-Consumer-Groups"));
    bool grouped = consumer && (consumer->groups.n || c->deny.n);
    if (!grouped && !stream_authenticated(s))
        return stream_answer(s, 401, "Unauthorized");
    if (!grouped || !may_pass(c, &consumer->groups))
        return stream_answer(s, 403, "You cannot consume this service");
    struct slice groups = list_of(s, &consumer->groups);
    if (groups.p && !c->hide_groups_header)
        stream_set_upstream(s, SLICE("X-Consumer-Groups"), groups);
    return STAGE_NEXT;
}

const struct plugin_ops acl_ops = {
    .kind = CONF_PLUGIN_ACL,
    .access = acl_access,
};
