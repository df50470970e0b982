/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwt: a signed token in an argument, a cookie or a header names the consumer's credential. Its
 * claims are read first, to find the credential; the credential, and never the token, says which
 * algorithm and key the signature is checked with; only then the claims about time count. Two
 * different tokens in one request are refused.
 *
 * With jwks_uri the issuer's keys take the place of credentials: the token names one of them, and
 * each says itself what it may verify. A key that is not known yet is asked for, and the request
 * waits a while for it: for the fetch that is under way, and where that began before the request
 * came and does not bring the key, for one more.
 */
#include "conf/jwt_key.h"
#include "conf/plugins/plugin_jwt.h"
#include "shm/assert.h"
#include "worker/base/keyring.h"
#include "worker/http/base64.h"
#include "worker/plugins/auth.h"
#include "worker/plugins/jwt_claims.h"
#include "worker/plugins/jwt_memo.h"
#include "worker/plugins/jwt_token.h"
#include "worker/plugins/jwt_verify.h"
#include "worker/plugins/jwt_where.h"
#include "worker/plugins/plugins.h"

/* One request's authentication. */
struct attempt {
    struct stream *s;
    const struct conf_jwt *config;
    struct jwt_where where;
    struct jwt_known known; /* once the token holds */
    struct jwt_memo memo;
    int64_t until;       /* s since 1970: from then on its key does not count */
    int status;          /* of a failure */
    bool looks;          /* nobody is to be asked for a key */
    bool hoped;          /* for a key, and long enough */
    int64_t deadline;    /* ms, monotonic: it hopes no longer; 0: it has not begun to */
    bool waits;          /* not judged yet: a key is asked for */
    const char *message; /* why it failed; NULL: `faults` says it */
    struct slice faults; /* {"exp":"token expired"} */
};

/* --- whether one holds ---------------------------------------------------------------------- */

static bool fail(struct attempt *a, const char *message)
{
    a->message = message;
    return false;
}

/* Nothing is known of the token, for no fault of its own. */
static bool fail_unjudged(struct attempt *a)
{
    a->status = 503;
    return fail(a, "Keys of the issuer are not available");
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
    if (strcmp(token->alg, jwt_key_algorithm(secret->algorithm)) != 0)
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
    bool early = c->verify_nbf || (c->issuer && jwt_token_has(token, "nbf"));
    const char *exp = c->verify_exp || c->issuer ? jwt_token_exp(token, now) : NULL;
    const char *nbf = early ? jwt_token_nbf(token, now) : NULL;
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
    a->known.consumer = secret->consumer;
    a->known.credential = slice_of(secret->key.s, secret->key.n);
    return signature_holds(a, token, secret);
}

/* --- by the keys of an issuer --------------------------------------------------------------- */

/* What a request waits for. */
struct hope {
    struct stream_nap nap; /* first */
    uint64_t wish;
    int64_t deadline; /* ms, monotonic */
    bool joined;      /* the fetch had begun before: what it brings may be older than the key */
};

enum { HOPE_LOOK_MS = 20 };

/* A key is missing: it is asked for if that may help. Returns false. */
static bool hope(struct attempt *a, bool none)
{
    struct keyring *keyring = stream_keyring(a->s);
    const struct conf_issuer *issuer = a->config->issuer;
    int64_t now = stream_monotonic_ms(a->s);
    bool first = a->deadline == 0;
    if (a->looks) {
        a->waits = true;
        return false;
    }
    bool joined = first && keyring_fetching(keyring, issuer);
    uint64_t wish = a->hoped || (none && !first) ? 0 : keyring_wish(keyring, issuer, (uint64_t)now);
    struct hope *h = wish ? arena_take(stream_arena(a->s), sizeof *h) : NULL;
    if (!h)
        return none ? fail_unjudged(a) : fail(a, "No credentials found for given 'kid'");
    *h = (struct hope){ .wish = wish, .deadline = a->deadline, .joined = joined };
    if (first)
        h->deadline = now + (int64_t)(keyring->conf->jwks_wait * 1000);
    a->waits = true;
    (void)stream_sleep(a->s, &h->nap, HOPE_LOOK_MS);
    return false;
}

/* Whether the fetch that is waited for is still under way. */
static bool hopes(struct stream *s, const struct conf_jwt *c, struct hope *h)
{
    if (!keyring_over(stream_keyring(s), c->issuer, h->wish) &&
        stream_monotonic_ms(s) < h->deadline) {
        (void)stream_sleep(s, &h->nap, HOPE_LOOK_MS);
        return true;
    }
    stream_wake_up(s, &h->nap);
    return false;
}

static bool key_holds(struct attempt *a, const struct jwt_token *token)
{
    const struct conf_issuer *issuer = a->config->issuer;
    struct slice kid = jwt_token_kid(token);
    if (is_symmetric(token->algorithm))
        return fail(a, "Invalid algorithm");
    struct keyring_found found =
        keyring_find(stream_keyring(a->s), issuer, kid, (int)token->algorithm, stream_now(a->s));
    for (size_t i = 0; i < found.n; i++)
        if (jwt_verify_public(a->where.token, token->algorithm, found.keys[i])) {
            a->until = found.until;
            return true;
        }
    if (found.n == 0 && found.other)
        return fail(a, "Invalid algorithm");
    if (found.n && (kid.p || a->hoped))
        return fail(a, "Invalid signature");
    return hope(a, found.version == 0); /* without a kid a new key may be what is missing */
}

/* NULL: nobody, for no name either. */
static const struct conf_consumer *consumer_called(struct attempt *a, struct slice name)
{
    const struct conf_credentials *all = stream_credentials(a->s);
    const struct conf_consumer *found = name.p ? credentials_username(all, name.p, name.n) : NULL;
    return found || !name.p ? found : credentials_custom_id(all, name.p, name.n);
}

/* Which consumer it is, if any, and what the token calls who asks. */
static bool find_consumer(struct attempt *a, const struct jwt_token *token)
{
    const struct conf_jwt *c = a->config;
    char sub[JWT_CLAIMS_VALUE_MAX];
    struct slice name = jwt_claims_text(token, c->consumer_claim.s);
    ptrdiff_t n = jwt_claims_value(token, "sub", sub);
    if (n < 0)
        return fail(a, "Invalid 'sub' in claims");
    if (n > 0)
        a->known.credential = arena_copy(stream_arena(a->s), slice_of(sub, (size_t)n));
    if (c->consumer_claim.n)
        a->known.consumer = consumer_called(a, name);
    if (c->consumer_claim.n && !c->consumer_optional && !a->known.consumer) {
        struct slice text = arena_print(stream_arena(a->s), "No consumer found for given '%s'",
                                        c->consumer_claim.s);
        return fail(a, text.p ? text.p : "Unauthorized");
    }
    return true;
}

/* --- all of it ------------------------------------------------------------------------------ */

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
    struct slice *values = arena_take(stream_arena(a->s), c->claims_to_headers_n * sizeof *values);
    if (!values)
        return fail(a, "Unauthorized");
    a->known.values = values;
    for (size_t i = 0; i < c->claims_to_headers_n; i++) {
        const char *claim = c->claims_to_headers[i].claim.s;
        ptrdiff_t n = jwt_claims_value(token, claim, value);
        values[i] =
            n > 0 ? arena_copy(stream_arena(a->s), slice_of(value, (size_t)n)) : slice_of(NULL, 0);
        if (n < 0 || (n > 0 && !values[i].p)) {
            struct slice text = arena_print(stream_arena(a->s), "Invalid '%s' in claims", claim);
            return fail(a, text.p ? text.p : "Unauthorized");
        }
    }
    return true;
}

static bool token_holds(struct attempt *a, const struct jwt_token *token)
{
    bool signed_well = a->config->issuer ? key_holds(a, token) && find_consumer(a, token)
                                         : credential_holds(a, token);
    return signed_well && times_hold(a, token) && parties_hold(a, token) && read_values(a, token);
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
    if (jwt_memo_recall(a->s, a->config, a->where.token, &a->memo, &a->known))
        return true;
    char *scratch = arena_take(stream_arena(a->s), a->where.token.n);
    enum jwt_token_fault fault =
        scratch ? jwt_token_read(a->where.token, scratch, &token) : JWT_TOKEN_MEMORY;
    if (fault != JWT_TOKEN_SOUND)
        return bad_token(a, fault);
    bool holds = token_holds(a, &token);
    int64_t end = jwt_token_end(&token);
    jwt_token_free(&token);
    if (holds)
        jwt_memo_keep(a->s, a->config, &a->memo, &a->known, end < a->until ? end : a->until);
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
    stream_authenticate(a->s, a->known.consumer, a->known.credential, false);
    if (c->issuer && a->known.credential.n)
        stream_tell_apart(a->s, a->known.credential);
    for (size_t i = 0; i < c->claims_to_headers_n; i++) {
        stream_tell_apart(a->s, a->known.values[i]);
        if (a->known.values[i].n)
            stream_set_upstream(a->s, name_of(&c->claims_to_headers[i]), a->known.values[i]);
    }
}

static struct slice with_error(struct stream *s, struct slice challenge,
                               const struct conf_text *realm)
{
    struct slice text = arena_print(stream_arena(s), "%.*s%s error=\"invalid_token\"",
                                    (int)challenge.n, challenge.p, realm->n ? "," : "");
    return text.p ? text : challenge;
}

static enum stage_result refuse(struct attempt *a)
{
    const struct conf_jwt *c = a->config;
    struct slice challenge = auth_challenge(a->s, "Bearer", &c->realm);
    must(a->message || a->faults.p);
    if (a->status == 503 && !c->anonymous)
        return stream_answer(a->s, 503, a->message);
    challenge = with_error(a->s, challenge, &c->realm);
    return a->message ? auth_refuse(a->s, c->anonymous, challenge, a->message)
                      : auth_refuse_with(a->s, c->anonymous, challenge, a->faults);
}

static enum stage_result judge(struct attempt *a)
{
    struct stream *s = a->s;
    const struct conf_jwt *c = a->config;
    drop_headers(s, c);
    if (auth_skips(s, c->run_on_preflight, c->anonymous))
        return STAGE_NEXT;
    jwt_where_find(s, c, &a->where);
    if (a->where.n == 0)
        return auth_refuse(s, c->anonymous, auth_challenge(s, "Bearer", &c->realm), "Unauthorized");
    if (!authenticate(a))
        return a->waits ? STAGE_WAIT : refuse(a);
    tell(a);
    return STAGE_NEXT;
}

static enum stage_result jwt_access(struct stream *s, const void *config)
{
    struct attempt a = { .s = s, .config = config, .until = INT64_MAX, .status = 401 };
    struct hope *h = (struct hope *)stream_awaited(s);
    if (h && hopes(s, config, h))
        return STAGE_WAIT;
    if (h) {
        a.hoped = !h->joined || stream_monotonic_ms(s) >= h->deadline;
        a.deadline = h->deadline;
    }
    return judge(&a);
}

static enum stage_result jwt_look(struct stream *s, const void *config)
{
    struct attempt a = {
        .s = s, .config = config, .until = INT64_MAX, .status = 401, .looks = true
    };
    return judge(&a);
}

const struct plugin_ops jwt_ops = {
    .kind = CONF_PLUGIN_JWT,
    .access = jwt_access,
    .effect = "has the issuer's keys fetched",
    .look = jwt_look,
};
