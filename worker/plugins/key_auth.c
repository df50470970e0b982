/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key-auth: an API key in a header or an argument names the consumer. For each configured name the
 * header is looked at first, then the query; the first name that has a key decides. A key given
 * twice is refused, since nobody can say which one another reader would take.
 */
#include "conf/plugins/plugin_key_auth.h"
#include "worker/plugins/auth.h"
#include "worker/plugins/lookup.h"
#include "worker/plugins/plugins.h"

enum found { FOUND_NONE, FOUND_ONE, FOUND_MANY };

static enum found in_header(struct stream *s, const struct conf_text *name, struct slice *key)
{
    const struct head *head = stream_request(s)->head;
    const struct field *f = lookup_field(head, name, NULL);
    if (!f)
        return FOUND_NONE;
    *key = slice_of(f->value, f->value_n);
    return lookup_field(head, name, f) ? FOUND_MANY : FOUND_ONE;
}

/* An argument without a value is no key, though it counts as a second one. */
static enum found in_query(struct stream *s, const struct conf_text *name, struct slice *key)
{
    struct slice rest = stream_request(s)->uri.query, other;
    if (!rest.p || !lookup_argument(s, &rest, name, key))
        return FOUND_NONE;
    if (lookup_argument(s, &rest, name, &other))
        return FOUND_MANY;
    return key->p ? FOUND_ONE : FOUND_NONE;
}

static enum found find(struct stream *s, const struct conf_key_auth *c, struct slice *key)
{
    for (size_t i = 0; i < c->key_names.n; i++) {
        const struct conf_text *name = &c->key_names.v[i];
        enum found found = c->key_in_header ? in_header(s, name, key) : FOUND_NONE;
        if (found == FOUND_NONE && c->key_in_query)
            found = in_query(s, name, key);
        if (found != FOUND_NONE)
            return found;
    }
    return FOUND_NONE;
}

/* All that could be a key, also what did not decide: it may be the same one, or another that holds
 * elsewhere. */
static bool hide(struct stream *s, const struct conf_key_auth *c)
{
    for (size_t i = 0; i < c->key_names.n; i++) {
        const struct conf_text *name = &c->key_names.v[i];
        stream_drop_upstream(s, slice_of(name->s, name->n));
        if (!lookup_hide_argument(s, name))
            return false;
    }
    return true;
}

static enum stage_result key_auth_access(struct stream *s, const void *config)
{
    const struct conf_key_auth *c = config;
    struct slice key = { NULL, 0 };
    if (c->hide_credentials && !hide(s, c))
        return stream_answer(s, 500, "An unexpected error occurred");
    if (auth_skips(s, c->run_on_preflight, c->anonymous))
        return STAGE_NEXT;
    struct slice challenge = auth_challenge(s, "Key", &c->realm);
    enum found found = find(s, c, &key);
    if (found == FOUND_MANY)
        return auth_refuse(s, c->anonymous, challenge, "Duplicate API key found");
    if (found == FOUND_NONE || key.n == 0)
        return auth_refuse(s, c->anonymous, challenge, "No API key found in request");
    const struct conf_key *known = credentials_key(stream_credentials(s), key.p, key.n);
    if (!known)
        return auth_refuse(s, c->anonymous, challenge, "Unauthorized");
    stream_authenticate(s, known->consumer, slice_of(known->id.s, known->id.n), false);
    return STAGE_NEXT;
}

const struct plugin_ops key_auth_ops = {
    .kind = CONF_PLUGIN_KEY_AUTH,
    .access = key_auth_access,
};
