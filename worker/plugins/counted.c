/* SPDX-License-Identifier: Apache-2.0 */
/* Kong's rule: who has no consumer is counted by the credential, and who has no credential, field,
 * ... that it is counted by, by the client's address. */
#include "worker/plugins/counted.h"
#include "worker/plugins/lookup.h"

/* One who is no consumer, but known all the same: by what no consumer's id looks like. */
static struct slice stranger(struct stream *s)
{
    struct slice credential = stream_request(s)->credential;

    if (credential.n == 0)
        return credential;
    return arena_print(stream_arena(s), "credential:%.*s", (int)credential.n, credential.p);
}

/* Of lines that differ nobody knows which one the upstream goes by, and the first could be a new
 * one each time: they name nobody. */
static struct slice header(struct stream *s, const struct conf_text *name)
{
    const struct head *head = stream_request(s)->head;
    struct slice value = lookup_header(s, name);
    bool from_client = false;

    for (const struct field *f = lookup_field(head, name, NULL); f;
         f = lookup_field(head, name, f)) {
        if (f->value == value.p)
            from_client = true;
        else if (from_client && !f->drop && !slice_equal(field_value(f), value))
            return slice_of(NULL, 0);
    }
    return value;
}

/* Who is known, or by what; {NULL, 0}: nothing of that kind. */
static struct slice named(struct stream *s, const struct conf_counted *c)
{
    const struct request *r = stream_request(s);
    const struct slice nobody = { NULL, 0 };

    switch (c->limit_by) {
    case CONF_LIMIT_BY_CONSUMER:
        return stream_consumer(s) ? slice_text(stream_consumer(s)->id) : stranger(s);
    case CONF_LIMIT_BY_CREDENTIAL:
        return r->credential;
    case CONF_LIMIT_BY_SERVICE:
        return stream_service(s) ? slice_text(stream_service(s)->id) : nobody;
    case CONF_LIMIT_BY_ROUTE:
        return slice_text(stream_route(s)->id);
    case CONF_LIMIT_BY_HEADER:
        return header(s, &c->header_name);
    case CONF_LIMIT_BY_PATH:
        return slice_equal(r->uri.path, slice_text(c->path)) ? r->uri.path : nobody;
    case CONF_LIMIT_BY_IP:
        break;
    }
    return nobody;
}

struct counted counted_as(struct stream *s, const struct conf_counted *c)
{
    struct slice who = named(s, c);

    if (who.n)
        return (struct counted){ who, false };
    const struct request *r = stream_request(s);
    return (struct counted){ slice_of((const char *)r->client_ip, sizeof r->client_ip), true };
}

bool counted_abroad(struct stream *s, const struct conf_counted *c, struct conf_text instance,
                    struct slice *scope, struct slice *who)
{
    struct counted counted = counted_as(s, c);

    *scope = slice_text(instance);
    *who = counted.who;
    if (counted.by_address) { /* as everybody writes it, and told apart from names that read so */
        *scope = arena_print(stream_arena(s), "%s:ip", instance.s);
        *who = stream_client_text(s);
    }
    return scope->p && who->p;
}
