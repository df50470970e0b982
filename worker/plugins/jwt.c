/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwt: a signed token in an argument, a cookie or a header names the consumer's credential. Its
 * claims are read first, to find the credential; the credential, and never the token, says which
 * algorithm and key the signature is checked with; only then the claims about time count. Two
 * different tokens in one request are refused.
 */
#include "conf/plugin_jwt.h"
#include "shm/assert.h"
#include "worker/http/base64.h"
#include "worker/plugins/auth.h"
#include "worker/plugins/jwt_claims.h"
#include "worker/plugins/jwt_token.h"
#include "worker/plugins/jwt_verify.h"
#include "worker/plugins/jwt_where.h"
#include "worker/plugins/plugins.h"

/* One request's authentication. */
struct attempt {
    struct stream *s;
    const struct conf_jwt *config;
    struct jwt_where where;
    const struct conf_consumer *consumer; /* who it is, once the token holds */
    struct slice credential;
    struct slice *values; /* of claims_to_headers; n 0: nothing is said */
    const char *message;  /* why it failed; NULL: `faults` says it */
    struct slice faults;  /* {"exp":"token expired"} */
};

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
    ptrdiff_t n = out ? base64_decode(text, true, out) : -1;
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
        holds = jwt_verify_shared(a->where.token, secret->algorithm, key);
    else
        holds = jwt_verify_public(a->where.token, secret->algorithm, secret->public_key);
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

/* By a credential of the file. */
static bool credential_holds(struct attempt *a, const struct jwt_token *token)
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
    const struct conf_jwt_secret *secret = credentials_jwt(stream_credentials(a->s), key.p, key.n);
    if (!secret)
        return fail_by_claim(a, "No credentials found for given ", "");
    a->consumer = secret->consumer;
    a->credential = slice_of(secret->key.s, secret->key.n);
    return signature_holds(a, token, secret);
}

static bool parties_hold(struct attempt *a, const struct jwt_token *token)
{
    if (!jwt_claims_issuer(token, &a->config->issuers_allowed))
        return fail(a, "Invalid issuer");
    if (!jwt_claims_audience(token, &a->config->audience_required))
        return fail(a, "Invalid audience");
    return true;
}

/* What the upstream is to be told. */
static bool read_values(struct attempt *a, const struct jwt_token *token)
{
    const struct conf_jwt *c = a->config;
    char value[JWT_CLAIMS_VALUE_MAX];
    if (c->claims_to_headers_n == 0)
        return true;
    a->values = arena_take(stream_arena(a->s), c->claims_to_headers_n * sizeof *a->values);
    if (!a->values)
        return fail(a, "Unauthorized");
    for (size_t i = 0; i < c->claims_to_headers_n; i++) {
        const char *claim = c->claims_to_headers[i].claim.s;
        ptrdiff_t n = jwt_claims_value(token, claim, value);
        a->values[i] =
            n > 0 ? arena_copy(stream_arena(a->s), slice_of(value, (size_t)n)) : slice_of(NULL, 0);
        if (n < 0 || (n > 0 && !a->values[i].p)) {
            struct slice text = arena_print(stream_arena(a->s), "Invalid '%s' in claims", claim);
            return fail(a, text.p ? text.p : "Unauthorized");
        }
    }
    return true;
}

static bool token_holds(struct attempt *a, const struct jwt_token *token)
{
    return credential_holds(a, token) && times_hold(a, token) && parties_hold(a, token) &&
           read_values(a, token);
}

static bool bad_token(struct attempt *a, enum jwt_token_fault fault)
{
    struct slice text =
        arena_print(stream_arena(a->s), "Bad token; %s", jwt_token_fault_text(fault));
    return fail(a, text.p ? text.p : "Unauthorized");
}

/* Whether there is one token, and it holds; why not is in the attempt. */
static bool authenticate(struct attempt *a)
{
    struct jwt_token token;
    if (a->where.n > 1)
        return fail(a, "Multiple tokens provided");
    if (!a->where.token.p)
        return fail(a, "Unrecognizable token");
    char *scratch = arena_take(stream_arena(a->s), a->where.token.n);
    enum jwt_token_fault fault =
        scratch ? jwt_token_read(a->where.token, scratch, &token) : JWT_TOKEN_MEMORY;
    if (fault != JWT_TOKEN_SOUND)
        return bad_token(a, fault);
    bool holds = token_holds(a, &token);
    jwt_token_free(&token);
    return holds;
}

static struct slice name_of(const struct conf_claim_header *h)
{
    return slice_of(h->header.s, h->header.n);
}

/* Before anything else, since no way through may leave what the client says. */
static void drop_headers(struct stream *s, const struct conf_jwt *c)
{
    for (size_t i = 0; i < c->claims_to_headers_n; i++)
        stream_drop_upstream(s, name_of(&c->claims_to_headers[i]));
}

static void tell(const struct attempt *a)
{
    const struct conf_jwt *c = a->config;
    stream_authenticate(a->s, a->consumer, a->credential, false);
    for (size_t i = 0; i < c->claims_to_headers_n; i++)
        if (a->values[i].n)
            stream_set_upstream(a->s, name_of(&c->claims_to_headers[i]), a->values[i]);
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
    drop_headers(s, c);
    if (auth_skips(s, c->run_on_preflight, c->anonymous))
        return STAGE_NEXT;
    struct slice challenge = auth_challenge(s, "Bearer", &c->realm);
    jwt_where_find(s, c, &a.where);
    if (a.where.n == 0)
        return auth_refuse(s, c->anonymous, challenge, "Unauthorized");
    if (authenticate(&a)) {
        tell(&a);
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
