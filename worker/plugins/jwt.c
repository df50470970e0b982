/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwt: a signed token in an argument, a cookie or a header names the consumer's credential. Its
 * claims are read first, to find the credential; the credential, and never the token, says which
 * algorithm and key the signature is checked with; only then the claims about time count. Two
 * different tokens in one request are refused.
 */
#include "conf/plugin_jwt.h"
#include "shm/assert.h"
#include "worker/plugins/auth.h"
#include "worker/plugins/jwt_token.h"
#include "worker/plugins/jwt_verify.h"
#include "worker/plugins/lookup.h"
#include "worker/plugins/plugins.h"

/* One request's authentication. */
struct attempt {
    struct stream *s;
    const struct conf_jwt *config;
    struct slice token;  /* the first; {NULL, 0} for an argument without a value */
    unsigned tokens;     /* different ones; 2 = too many */
    const char *message; /* why it failed; NULL: `faults` says it */
    struct slice faults; /* {"exp":"token expired"} */
};

/* --- where tokens are ----------------------------------------------------------------------- */

static void add_token(struct attempt *a, struct slice token)
{
    if (a->tokens > 0 && !slice_equal(a->token, token))
        a->tokens = 2;
    if (a->tokens == 0) {
        a->token = token;
        a->tokens = 1;
    }
}

static void find_in_query(struct attempt *a, const struct conf_text *name)
{
    struct slice rest = stream_request(a->s)->uri.query, value;
    while (rest.p && lookup_argument(a->s, &rest, name, &value))
        if (!value.p || value.n > 0)
            add_token(a, value);
}

static struct slice trim(struct slice s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = slice_of(s.p + 1, s.n - 1);
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
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
    *name = trim(equals ? slice_of(pair.p, (size_t)(equals - pair.p)) : pair);
    *value = equals ? trim(slice_of(equals + 1, (size_t)(pair.p + pair.n - equals - 1)))
                    : slice_of(NULL, 0);
    return true;
}

/* Every cookie of that name counts: which of two an application would take is not known here. */
static void find_in_cookies(struct attempt *a, const struct conf_text *name)
{
    const struct head *head = stream_request(a->s)->head;
    for (const struct field *f = head_field(head, FIELD_COOKIE); f; f = head_next(head, f)) {
        struct slice rest = slice_of(f->value, f->value_n), cookie, value;
        while (next_cookie(&rest, &cookie, &value))
            if (value.n > 0 && slice_equal_nocase(cookie, slice_of(name->s, name->n)))
                add_token(a, value);
    }
}

/* "Bearer TOKEN", the scheme in any case (RFC 9110 section 11.1). */
static struct slice bearer(struct slice value)
{
    static const struct slice scheme = { "bearer", 6 };
    if (value.n <= scheme.n || !slice_equal_nocase(slice_of(value.p, scheme.n), scheme))
        return slice_of(NULL, 0);
    struct slice rest = slice_of(value.p + scheme.n, value.n - scheme.n), token = trim(rest);
    return token.p > rest.p ? token : slice_of(NULL, 0);
}

static void find_in_header(struct attempt *a, const struct conf_text *name)
{
    const struct head *head = stream_request(a->s)->head;
    for (const struct field *f = lookup_field(head, name, NULL); f;
         f = lookup_field(head, name, f)) {
        struct slice token = bearer(slice_of(f->value, f->value_n));
        if (token.n > 0)
            add_token(a, token);
    }
}

static void find_tokens(struct attempt *a)
{
    const struct conf_jwt *c = a->config;
    for (size_t i = 0; i < c->uri_param_names.n; i++)
        find_in_query(a, &c->uri_param_names.v[i]);
    for (size_t i = 0; i < c->cookie_names.n; i++)
        find_in_cookies(a, &c->cookie_names.v[i]);
    for (size_t i = 0; i < c->header_names.n; i++)
        find_in_header(a, &c->header_names.v[i]);
}

/* --- whether one holds ---------------------------------------------------------------------- */

static bool fail(struct attempt *a, const char *message)
{
    a->message = message;
    return false;
}

static bool fail_by_claim(struct attempt *a, const char *before, const char *after)
{
    struct slice text =
        arena_print(stream_arena(a->s), "%s'%s'%s", before, a->config->key_claim_name.s, after);
    return fail(a, text.p ? text.p : "Unauthorized");
}

static bool fail_by_faults(struct attempt *a, const char *exp, const char *nbf)
{
    struct slice body = arena_print(stream_arena(a->s), "{%s%s%s%s%s%s%s}", exp ? "\"exp\":\"" : "",
                                    exp ? exp : "", exp ? "\"" : "", exp && nbf ? "," : "",
                                    nbf ? "\"nbf\":\"" : "", nbf ? nbf : "", nbf ? "\"" : "");
    if (!body.p)
        return fail(a, "Unauthorized");
    a->faults = body;
    return false;
}

static bool is_symmetric(enum conf_jwt_algorithm algorithm)
{
    return algorithm <= CONF_HS512;
}

/* The shared secret's bytes; {NULL, 0} when there are none. */
static struct slice secret_of(struct attempt *a, const struct conf_jwt_secret *secret)
{
    struct slice text = slice_of(secret->secret.s, secret->secret.n);
    if (!a->config->secret_is_base64 && !secret->secret_is_base64)
        return text;
    char *out = arena_take(stream_arena(a->s), text.n + 1);
    ptrdiff_t n = out ? jwt_token_base64(text, true, out) : -1;
    return n > 0 ? slice_of(out, (size_t)n) : slice_of(NULL, 0);
}

static bool signature_holds(struct attempt *a, const struct jwt_token *token,
                            const struct conf_jwt_secret *secret)
{
    if (strcmp(token->alg, jwt_token_algorithm(secret->algorithm)) != 0)
        return fail(a, "Invalid algorithm");
    bool shared = is_symmetric(secret->algorithm), holds;
    struct slice key = shared ? secret_of(a, secret) : slice_of(NULL, 0);
    if (shared ? key.n == 0 : secret->public_key == NULL)
        return fail(a, "Invalid key/secret");
    if (shared)
        holds = jwt_verify_shared(a->token, secret->algorithm, key);
    else
        holds = jwt_verify_public(a->token, secret->algorithm, secret->public_key);
    return holds || fail(a, "Invalid signature");
}

static bool times_hold(struct attempt *a, const struct jwt_token *token)
{
    const struct conf_jwt *c = a->config;
    int64_t now = stream_now(a->s);
    const char *exp = c->verify_exp ? jwt_token_exp(token, now) : NULL;
    const char *nbf = c->verify_nbf ? jwt_token_nbf(token, now) : NULL;
    if (!exp && !nbf && c->maximum_expiration > 0)
        exp = jwt_token_lifetime(token, now, c->maximum_expiration);
    return exp || nbf ? fail_by_faults(a, exp, nbf) : true;
}

static bool token_holds(struct attempt *a, const struct jwt_token *token,
                        const struct conf_jwt_secret **secret)
{
    struct slice key;
    switch (jwt_token_key(token, a->config->key_claim_name.s, &key)) {
    case JWT_KEY_MISSING:
        return fail_by_claim(a, "No mandatory ", " in claims");
    case JWT_KEY_INVALID:
        return fail_by_claim(a, "Invalid ", " in claims");
    case JWT_KEY_FOUND:
        break;
    }
    *secret = credentials_jwt(stream_credentials(a->s), key.p, key.n);
    if (!*secret)
        return fail_by_claim(a, "No credentials found for given ", "");
    return signature_holds(a, token, *secret) && times_hold(a, token);
}

static bool bad_token(struct attempt *a, enum jwt_token_fault fault)
{
    struct slice text =
        arena_print(stream_arena(a->s), "Bad token; %s", jwt_token_fault_text(fault));
    return fail(a, text.p ? text.p : "Unauthorized");
}

/* Who signed the one token that there is; NULL: why not is in the attempt. */
static const struct conf_jwt_secret *authenticate(struct attempt *a)
{
    const struct conf_jwt_secret *secret = NULL;
    struct jwt_token token;
    if (a->tokens > 1)
        fail(a, "Multiple tokens provided");
    if (a->tokens == 1 && !a->token.p)
        fail(a, "Unrecognizable token");
    if (a->message)
        return NULL;
    char *scratch = arena_take(stream_arena(a->s), a->token.n);
    enum jwt_token_fault fault =
        scratch ? jwt_token_read(a->token, scratch, &token) : JWT_TOKEN_MEMORY;
    if (fault != JWT_TOKEN_SOUND) {
        bad_token(a, fault);
        return NULL;
    }
    bool holds = token_holds(a, &token, &secret);
    jwt_token_free(&token);
    return holds ? secret : NULL;
}

static struct slice with_error(struct stream *s, struct slice challenge,
                               const struct conf_text *realm)
{
    struct slice text = arena_print(stream_arena(s), "%.*s%s error=\"invalid_token\"",
                                    (int)challenge.n, challenge.p, realm->n ? "," : "");
    return text.p ? text : challenge;
}

static enum stage_result jwt_access(struct stream *s, const void *config)
{
    const struct conf_jwt *c = config;
    struct attempt a = { .s = s, .config = c };
    if (auth_skips(s, c->run_on_preflight, c->anonymous))
        return STAGE_NEXT;
    struct slice challenge = auth_challenge(s, "Bearer", &c->realm);
    find_tokens(&a);
    if (a.tokens == 0)
        return auth_refuse(s, c->anonymous, challenge, "Unauthorized");
    const struct conf_jwt_secret *secret = authenticate(&a);
    if (secret) {
        stream_authenticate(s, secret->consumer, slice_of(secret->key.s, secret->key.n), false);
        return STAGE_NEXT;
    }
    challenge = with_error(s, challenge, &c->realm);
    must(a.message || a.faults.p);
    return a.message ? auth_refuse(s, c->anonymous, challenge, a.message)
                     : auth_refuse_with(s, c->anonymous, challenge, a.faults);
}

const struct plugin_ops jwt_ops = {
    .kind = CONF_PLUGIN_JWT,
    .access = jwt_access,
};
