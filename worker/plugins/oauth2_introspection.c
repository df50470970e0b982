/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth2-introspection: an authorization service says whether the token of a request is active, and
 * whose it is. What it said is looked up under a keyed digest of the token and of all else that the
 * answer depends on; where nothing is known it is asked, and the request waits. Called again, the
 * plugin goes the same way once more, with the answer.
 */
#include "conf/plugins/plugin_oauth2_introspection.h"
#include "worker/http/build.h"
#include "worker/inquiry/inquiry.h"
#include "worker/plugins/auth.h"
#include "worker/plugins/introspection.h"
#include "worker/plugins/jwt_where.h"
#include "worker/plugins/lookup.h"
#include "worker/plugins/plugins.h"

enum { FIELDS_FIXED = 6, CREDENTIAL_BYTES = 16 };

static bool hide(struct stream *s, const struct conf_oauth2_introspection *c)
{
    for (size_t i = 0; i < c->header_names.n; i++)
        stream_drop_upstream(s, slice_of(c->header_names.v[i].s, c->header_names.v[i].n));
    for (size_t i = 0; i < c->uri_param_names.n; i++)
        if (!lookup_hide_argument(s, &c->uri_param_names.v[i]))
            return false;
    return true;
}

/* --- refusals ------------------------------------------------------------------------------- */

static struct slice challenge(struct stream *s, const struct conf_oauth2_introspection *c,
                              const char *more)
{
    struct slice bare = auth_challenge(s, "Bearer", &c->realm);
    struct slice text =
        arena_print(stream_arena(s), "%.*s%s %s", (int)bare.n, bare.p, c->realm.n ? "," : "", more);
    return text.p ? text : bare;
}

static enum stage_result refuse(struct stream *s, const struct conf_oauth2_introspection *c,
                                const char *error, const char *message)
{
    return auth_refuse(s, c->anonymous, challenge(s, c, error), message);
}

/* RFC 6750 section 3.1. */
static enum stage_result refuse_many(struct stream *s, const struct conf_oauth2_introspection *c)
{
    enum stage_result r = refuse(s, c, "error=\"invalid_request\"", "Multiple tokens provided");
    return r == STAGE_DONE ? stream_answer(s, 400, "Multiple tokens provided") : r;
}

static enum stage_result refuse_scope(struct stream *s, const struct conf_oauth2_introspection *c)
{
    struct slice more = arena_print(stream_arena(s), "error=\"insufficient_scope\", scope=\"%s\"",
                                    c->scopes_required.v[0].s);
    stream_set_response(s, SLICE("WWW-Authenticate"),
                        challenge(s, c, more.p ? more.p : "error=\"insufficient_scope\""));
    return stream_answer(s, 403, "The access token has not the scope that is needed");
}

static enum stage_result fail(struct stream *s, const struct conf_oauth2_introspection *c)
{
    if (c->on_error == CONF_ON_ERROR_DENY)
        return stream_answer(s, 503, "The access token could not be checked");
    if (c->anonymous)
        stream_authenticate(s, c->anonymous, slice_of(NULL, 0), true);
    return STAGE_NEXT;
}

/* --- the question --------------------------------------------------------------------------- */

static bool make_id(struct stream *s, const struct conf_oauth2_introspection *c, struct slice token,
                    uint8_t id[INQUIRY_ID])
{
    const struct request *r = stream_request(s);
    struct slice parts[] = { slice_text(c->fingerprint), token, r->head->method_text, r->uri.path };
    return inquiry_id(s, parts, c->introspect_request ? 4 : 2, id);
}

static void add_field(struct inquiry_question *q, struct inquiry_field *fields, struct slice name,
                      struct slice value)
{
    fields[q->fields_n++] = (struct inquiry_field){ name, value };
}

/* Returns false when there is no memory. */
static bool add_fields(struct stream *s, const struct conf_oauth2_introspection *c,
                       struct slice token, struct inquiry_question *q)
{
    const struct conf_route_header *more = c->custom_introspection_headers.v;
    const struct request *r = stream_request(s);
    size_t more_n = c->custom_introspection_headers.n;
    struct inquiry_field *fields =
        arena_take(stream_arena(s), (FIELDS_FIXED + more_n) * sizeof *fields);
    struct slice shown = slice_text(c->authorization);
    if (c->way == CONF_INTROSPECTION_STATUS)
        shown = arena_print(stream_arena(s), "Bearer %.*s", (int)token.n, token.p);
    if (!fields || !shown.p)
        return false;
    q->fields = fields;
    add_field(q, fields, SLICE("Accept"), SLICE("application/json"));
    add_field(q, fields, SLICE("User-Agent"), SLICE("gateway"));
    if (q->body.n)
        add_field(q, fields, SLICE("Content-Type"), SLICE("application/x-www-form-urlencoded"));
    if (shown.n)
        add_field(q, fields, SLICE("Authorization"), shown);
    if (c->introspect_request) {
        add_field(q, fields, SLICE("X-Request-Path"), r->uri.path);
        add_field(q, fields, SLICE("X-Request-Http-Method"), r->head->method_text);
    }
    for (size_t i = 0; i < more_n; i++)
        add_field(q, fields, slice_text(more[i].name), slice_text(more[i].values.v[0]));
    return true;
}

static enum inquiry_result ask(struct stream *s, const struct conf_oauth2_introspection *c,
                               struct slice token, struct inquiry *inquiry, struct slice *text)
{
    struct slice hint = slice_text(c->token_type_hint);
    struct inquiry_question *q = &inquiry->question;
    *q = (struct inquiry_question){ .service = c->service,
                                    .path = slice_text(c->path),
                                    .query = c->query.n ? slice_text(c->query) : slice_of(NULL, 0),
                                    .timeout = c->timeout,
                                    .answer_max = c->max_answer_size };
    if (c->way == CONF_INTROSPECTION_RFC7662) {
        char *form = arena_take(stream_arena(s), introspection_form_room(token, hint));
        if (!form)
            return INQUIRY_FAILED;
        q->body = slice_of(form, introspection_form(token, hint, form));
    }
    if (!add_fields(s, c, token, q))
        return INQUIRY_FAILED;
    inquiry->read = introspection_read;
    inquiry->config = c;
    return inquiry_ask(s, inquiry, text);
}

/* --- the answer ----------------------------------------------------------------------------- */

/* The field for a member that was asked for: X-Credential- and its name. */
static struct slice custom_field(struct stream *s, struct slice name)
{
    static const struct slice prefix = { "X-Credential-", 13 };
    char *field = arena_take(stream_arena(s), prefix.n + name.n);
    if (!field)
        return slice_of(NULL, 0);
    memcpy(field, prefix.p, prefix.n);
    memcpy(field + prefix.n, name.p, name.n);
    return slice_of(field, prefix.n + name.n);
}

static bool tell_member(struct stream *s, struct slice name, struct slice value)
{
    static const struct {
        struct slice member, field;
    } known[] = {
        { SLICE("scope"), SLICE("X-Credential-Scope") },
        { SLICE("client_id"), SLICE("X-Credential-Client-ID") },
        { SLICE("username"), SLICE("X-Credential-Username") },
        { SLICE("token_type"), SLICE("X-Credential-Token-Type") },
        { SLICE("exp"), SLICE("X-Credential-Exp") },
        { SLICE("iat"), SLICE("X-Credential-Iat") },
        { SLICE("nbf"), SLICE("X-Credential-Nbf") },
        { SLICE("sub"), SLICE("X-Credential-Sub") },
        { SLICE("aud"), SLICE("X-Credential-Aud") },
        { SLICE("iss"), SLICE("X-Credential-Iss") },
        { SLICE("jti"), SLICE("X-Credential-Jti") },
    };
    struct slice field = { NULL, 0 };
    for (size_t i = 0; !field.p && i < sizeof known / sizeof *known; i++)
        if (slice_equal(known[i].member, name))
            field = known[i].field;
    if (!field.p)
        field = custom_field(s, name);
    if (field.p)
        stream_set_upstream(s, field, value);
    return field.p != NULL;
}

/* What one token of somebody says and the next one does not, though both stand for the same. */
static bool is_of_one_token(struct slice name)
{
    return slice_equal(name, SLICE("exp")) || slice_equal(name, SLICE("iat")) ||
           slice_equal(name, SLICE("nbf")) || slice_equal(name, SLICE("jti"));
}

/* All members, and to the caches those by which upstreams may tell who asks and what he may do. */
static bool tell(struct stream *s, struct slice lines)
{
    struct slice name, value;
    while (introspection_next(&lines, &name, &value)) {
        if (!tell_member(s, name, value))
            return false;
        if (is_of_one_token(name))
            continue;
        stream_tell_apart(s, name);
        stream_tell_apart(s, value);
    }
    return true;
}

/* Who that is, for limits and caches that tell credentials apart: what the service calls him, or
 * else which token it was. */
static struct slice credential_of(struct stream *s, struct slice lines, const uint8_t *id)
{
    static const char *const names[] = { "username", "client_id", "sub" };
    struct slice value = { NULL, 0 };
    for (size_t i = 0; !value.n && i < sizeof names / sizeof *names; i++)
        value = introspection_member(lines, names[i]);
    char *hex = value.n ? NULL : arena_take(stream_arena(s), 2 * CREDENTIAL_BYTES);
    if (!hex)
        return value;
    build_octets(hex, id, CREDENTIAL_BYTES);
    return slice_of(hex, 2 * CREDENTIAL_BYTES);
}

static const struct conf_consumer *consumer_of(struct stream *s, struct slice lines,
                                               enum conf_consumer_by by)
{
    const struct conf_credentials *all = stream_credentials(s);
    struct slice name =
        introspection_member(lines, by == CONF_BY_USERNAME ? "username" : "client_id");
    if (!name.n)
        return NULL;
    return by == CONF_BY_USERNAME ? credentials_username(all, name.p, name.n)
                                  : credentials_custom_id(all, name.p, name.n);
}

static enum stage_result decide(struct stream *s, const struct conf_oauth2_introspection *c,
                                struct slice lines, const uint8_t *id)
{
    if (!introspection_is_active(lines))
        return refuse(s, c, "error=\"invalid_token\"",
                      "The access token is invalid or has expired");
    if (!introspection_is_for(introspection_member(lines, "aud"), &c->audience_required))
        return refuse(s, c, "error=\"invalid_token\"", "The access token is for another audience");
    if (!introspection_suffices(introspection_member(lines, "scope"), &c->scopes_required))
        return refuse_scope(s, c);
    if (!tell(s, lines))
        return stream_answer(s, 500, "An unexpected error occurred");
    struct slice credential = credential_of(s, lines, id);
    stream_authenticate(s, consumer_of(s, lines, c->consumer_by), credential, false);
    stream_tell_apart(s, credential);
    return STAGE_NEXT;
}

/* --- all of it ------------------------------------------------------------------------------ */

/* What is known of the token, or is being asked. */
static enum inquiry_result find_out(struct stream *s, const struct conf_oauth2_introspection *c,
                                    struct slice token, struct inquiry *inquiry, struct slice *text)
{
    if (inquiry_find(s, inquiry->id, text))
        return INQUIRY_KNOWN;
    return ask(s, c, token, inquiry, text);
}

static enum stage_result oauth2_introspection_access(struct stream *s, const void *config)
{
    const struct conf_oauth2_introspection *c = config;
    const struct conf_jwt where = { .header_names = c->header_names,
                                    .uri_param_names = c->uri_param_names };
    struct jwt_where found;
    struct inquiry inquiry;
    struct slice text = { NULL, 0 };
    bool asked = stream_awaited(s) != NULL;
    enum inquiry_result result = asked ? inquiry_take(s, &text) : INQUIRY_FAILED;
    if (asked && result == INQUIRY_WAIT)
        return STAGE_WAIT;
    if (!asked && c->hide_credentials && !hide(s, c))
        return stream_answer(s, 500, "An unexpected error occurred");
    if (auth_skips(s, c->run_on_preflight, c->anonymous))
        return STAGE_NEXT;
    jwt_where_find(s, &where, &found);
    if (found.n == 0)
        return auth_refuse(s, c->anonymous, auth_challenge(s, "Bearer", &c->realm),
                           "The access token is missing");
    if (found.n > 1)
        return refuse_many(s, c);
    if (!introspection_is_token(found.token))
        return refuse(s, c, "error=\"invalid_token\"",
                      "The access token is invalid or has expired");
    if (!make_id(s, c, found.token, inquiry.id))
        return fail(s, c);
    if (!asked)
        result = find_out(s, c, found.token, &inquiry, &text);
    if (result == INQUIRY_WAIT)
        return STAGE_WAIT;
    return result == INQUIRY_KNOWN ? decide(s, c, text, inquiry.id) : fail(s, c);
}

const struct plugin_ops oauth2_introspection_ops = {
    .kind = CONF_PLUGIN_OAUTH2_INTROSPECTION,
    .access = oauth2_introspection_access,
    .effect = "asks the authorization service",
};
