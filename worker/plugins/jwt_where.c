/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every place is looked at, each time: a request that shows one token to the gateway and another to
 * the application behind it is how one of them is deceived.
 */
#include "worker/plugins/jwt_where.h"
#include "worker/plugins/lookup.h"

static void add_token(struct jwt_where *w, struct slice token)
{
    if (w->n > 0 && !slice_equal(w->token, token))
        w->n = 2;
    if (w->n == 0) {
        w->token = token;
        w->n = 1;
    }
}

static void find_in_query(struct stream *s, struct jwt_where *w, const struct conf_text *name)
{
    struct slice rest = stream_request(s)->uri.query, value;
    while (rest.p && lookup_argument(s, &rest, name, &value))
        if (!value.p || value.n > 0)
            add_token(w, value);
}

/* Takes the next "name=value" off a Cookie line. */
static bool next_cookie(struct slice *rest, struct slice *name, struct slice *value)
{
    if (rest->n == 0)
        return false;
    const char *end = memchr(rest->p, ';', rest->n);
    struct slice pair = end ? slice_of(rest->p, (size_t)(end - rest->p)) : *rest;
    *rest = end ? slice_of(end + 1, rest->n - pair.n - 1) : slice_of(NULL, 0);
    const char *equals = pair.n ? memchr(pair.p, '=', pair.n) : NULL;
    *name = field_trim(equals ? slice_of(pair.p, (size_t)(equals - pair.p)) : pair);
    *value = equals ? field_trim(slice_of(equals + 1, (size_t)(pair.p + pair.n - equals - 1)))
                    : slice_of(NULL, 0);
    return true;
}

/* Every cookie of that name counts: which of two an application would take is not known here. */
static void find_in_cookies(struct stream *s, struct jwt_where *w, const struct conf_text *name)
{
    const struct head *head = stream_request(s)->head;
    for (const struct field *f = head_field(head, FIELD_COOKIE); f; f = head_next(head, f)) {
        struct slice rest = slice_of(f->value, f->value_n), cookie, value;
        while (next_cookie(&rest, &cookie, &value))
            if (value.n > 0 && slice_equal_nocase(cookie, slice_of(name->s, name->n)))
                add_token(w, value);
    }
}

static void find_in_header(struct stream *s, struct jwt_where *w, const struct conf_text *name)
{
    const struct head *head = stream_request(s)->head;
    for (const struct field *f = lookup_field(head, name, NULL); f;
         f = lookup_field(head, name, f)) {
        struct slice token = field_credentials(slice_of(f->value, f->value_n), SLICE("bearer"));
        if (token.n > 0)
            add_token(w, token);
    }
}

void jwt_where_find(struct stream *s, const struct conf_jwt *c, struct jwt_where *w)
{
    *w = (struct jwt_where){ 0 };
    for (size_t i = 0; i < c->uri_param_names.n; i++)
        find_in_query(s, w, &c->uri_param_names.v[i]);
    for (size_t i = 0; i < c->cookie_names.n; i++)
        find_in_cookies(s, w, &c->cookie_names.v[i]);
    for (size_t i = 0; i < c->header_names.n; i++)
        find_in_header(s, w, &c->header_names.v[i]);
}
