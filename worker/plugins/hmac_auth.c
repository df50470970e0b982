/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hmac-auth: a signature over the fields that the request names, one a line, "name: value", in the
 * order in which it names them; "request-line" is the first line as it came, "@request-target" is
 * signed like a field whose value is the method in lower case and the path with the query. Texts
 * are Kong's. A date that is not signed does not freshen a
 * signature over another one, so that an old request cannot be sent again with a new X-Date.
 *
 * A body is compared with its Digest while it streams: what the head says is decided here, the rest
 * at the body's end, where it is too late for the anonymous consumer: that is a 401 in any case.
 */
#include "conf/plugins/plugin_hmac_auth.h"
#include "worker/http/base64.h"
#include "worker/http/date.h"
#include "worker/plugins/auth.h"
#include "worker/plugins/hmac_claim.h"
#include "worker/plugins/hmac_digest.h"
#include "worker/plugins/plugins.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static const char unverifiable[] = "HMAC signature cannot be verified";
static const char different[] = "HMAC signature does not match";

static const EVP_MD *digest_of(const struct conf_hmac_auth *c, struct slice name)
{
    if (slice_equal(name, SLICE("hmac-sha1")) && c->algorithms & CONF_HMAC_SHA1)
        return EVP_sha1();
    if (slice_equal(name, SLICE("hmac-sha256")) && c->algorithms & CONF_HMAC_SHA256)
        return EVP_sha256();
    if (slice_equal(name, SLICE("hmac-sha384")) && c->algorithms & CONF_HMAC_SHA384)
        return EVP_sha384();
    if (slice_equal(name, SLICE("hmac-sha512")) && c->algorithms & CONF_HMAC_SHA512)
        return EVP_sha512();
    return NULL;
}

static bool covers_all(const struct conf_hmac_auth *c, const struct hmac_claim *claim)
{
    for (size_t i = 0; i < c->enforce_headers.n; i++) {
        const struct conf_text *name = &c->enforce_headers.v[i];
        if (!hmac_claim_covers(claim, slice_of(name->s, name->n)))
            return false;
    }
    return true;
}

/* --- time ----------------------------------------------------------------------------------- */

static bool is_near(struct stream *s, const struct conf_hmac_auth *c, struct slice name)
{
    const struct head *head = stream_request(s)->head;
    const struct field *f = head_find(head, name);
    int64_t then = f ? date_parse(field_value(f), stream_now(s)) : -1;
    if (then < 0 || head_next(head, f))
        return false;
    int64_t skew = stream_now(s) - then;
    return skew <= c->clock_skew && skew >= -(int64_t)c->clock_skew;
}

static bool is_fresh(struct stream *s, const struct conf_hmac_auth *c,
                     const struct hmac_claim *claim)
{
    static const struct slice names[] = { SLICE("X-Date"), SLICE("Date") };
    bool any = !hmac_claim_covers(claim, names[0]) && !hmac_claim_covers(claim, names[1]);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if ((any || hmac_claim_covers(claim, names[i])) && is_near(s, c, names[i]))
            return true;
    return false;
}

/* --- what is signed ------------------------------------------------------------------------- */

struct text {
    char *p;
    size_t n, room;
    bool fits;
};

static void put(struct text *t, struct slice s)
{
    t->fits = t->fits && s.n <= t->room - t->n;
    if (!t->fits || s.n == 0)
        return;
    memcpy(t->p + t->n, s.p, s.n);
    t->n += s.n;
}

static void put_target(struct text *t, const struct head *head, struct slice name)
{
    put(t, name);
    put(t, SLICE(": "));
    size_t from = t->n;
    put(t, head->method_text);
    for (size_t i = from; t->fits && i < t->n; i++)
        if (t->p[i] >= 'A' && t->p[i] <= 'Z')
            t->p[i] = (char)(t->p[i] | 0x20);
    put(t, SLICE(" "));
    put(t, head->path);
}

static void put_line(struct text *t, const struct head *head)
{
    put(t, head->method_text);
    put(t, SLICE(" "));
    put(t, head->target);
    put(t, head->minor ? SLICE(" HTTP/1.1") : SLICE(" HTTP/1.0"));
}

static void put_field(struct text *t, const struct head *head, struct slice name)
{
    const struct field *f = head_find(head, name);
    put(t, name);
    put(t, f ? SLICE(": ") : SLICE(":"));
    for (const char *between = ""; f; f = head_next(head, f), between = ", ") {
        put(t, slice_of(between, strlen(between)));
        put(t, field_value(f));
    }
}

/* Enough for each field once; who lists them many times does not make the gateway work for it. */
static size_t room_for(const struct head *head, const struct hmac_claim *claim)
{
    size_t n = 64 + 2 * claim->headers.n + 2 * head->method_text.n + head->target.n + head->path.n;
    for (int i = 0; i < head->fields_n; i++)
        n += head->fields[i].name_n + head->fields[i].value_n + 4u;
    return n;
}

/* False: it is too long, or there is no memory. */
static bool write_signed(struct stream *s, const struct hmac_claim *claim, struct text *t)
{
    const struct head *head = stream_request(s)->head;
    struct slice rest = claim->headers, name;
    *t = (struct text){ .room = room_for(head, claim), .fits = true };
    t->p = arena_take(stream_arena(s), t->room);
    for (bool first = true; t->p && t->fits && hmac_claim_next(&rest, &name); first = false) {
        if (!first)
            put(t, SLICE("\n"));
        if (slice_equal_nocase(name, SLICE("request-line"))) /* as enforce_headers compares it */
            put_line(t, head);
        else if (slice_equal_nocase(name, SLICE("@request-target")))
            put_target(t, head, name);
        else
            put_field(t, head, name);
    }
    return t->p && t->fits;
}

static bool signature_holds(struct stream *s, const struct hmac_claim *claim, const EVP_MD *digest,
                            const struct conf_hmac *known)
{
    unsigned char wanted[EVP_MAX_MD_SIZE];
    unsigned wanted_n = 0;
    struct text t;
    char *given = arena_take(stream_arena(s), claim->signature.n);
    ptrdiff_t given_n = given ? base64_decode(claim->signature, true, given) : -1;
    return write_signed(s, claim, &t) &&
           HMAC(digest, known->secret.s, (int)known->secret.n, (const unsigned char *)t.p, t.n,
                wanted, &wanted_n) &&
           given_n == (ptrdiff_t)wanted_n && CRYPTO_memcmp(given, wanted, wanted_n) == 0;
}

/* --- the request ---------------------------------------------------------------------------- */

static bool find(struct stream *s, struct hmac_claim *claim)
{
    static const enum field_id ids[] = { FIELD_PROXY_AUTHORIZATION, FIELD_AUTHORIZATION };
    const struct head *head = stream_request(s)->head;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const struct field *f = head_field(head, ids[i]);
        if (f && !head_next(head, f) && hmac_claim_read(field_value(f), claim))
            return true;
    }
    return false;
}

/* Why not, or NULL with the credential. */
static const char *verify(struct stream *s, const struct conf_hmac_auth *c,
                          const struct conf_hmac **known)
{
    const struct head *head = stream_request(s)->head;
    struct hmac_claim claim = { 0 };
    if (!head_field(head, FIELD_AUTHORIZATION) && !head_field(head, FIELD_PROXY_AUTHORIZATION))
        return "Unauthorized";
    bool found = find(s, &claim);
    if (!is_fresh(s, c, &claim))
        return "HMAC signature cannot be verified, a valid date or x-date header is required for "
               "HMAC Authentication";
    const EVP_MD *digest = found ? digest_of(c, claim.algorithm) : NULL;
    if (!digest || !covers_all(c, &claim))
        return unverifiable;
    *known = credentials_hmac(stream_credentials(s), claim.username.p, claim.username.n);
    if (!*known)
        return unverifiable;
    return signature_holds(s, &claim, digest, *known) ? NULL : different;
}

/* --- the body ------------------------------------------------------------------------------- */

struct watch {
    struct body_watch as; /* the first member: what the stream sees */
    struct hmac_digest digest;
    struct slice challenge;
};

static void begin(struct body_watch *w)
{
    hmac_digest_begin(&((struct watch *)w)->digest);
}

static bool take(struct body_watch *w, struct slice run)
{
    return hmac_digest_take(&((struct watch *)w)->digest, run);
}

static bool end(struct body_watch *w)
{
    return hmac_digest_holds(&((struct watch *)w)->digest);
}

static void refuse(struct stream *s, struct body_watch *w)
{
    (void)auth_refuse(s, NULL, ((struct watch *)w)->challenge, different);
}

static void drop(struct body_watch *w)
{
    hmac_digest_free(&((struct watch *)w)->digest);
}

enum verdict { BODY_FITS, BODY_DIFFERS, BODY_NO_MEMORY };

/* Without a Digest the body has to be empty, as Kong has it. Whether a chunked one is shows later.
 */
static enum verdict judge_body(struct stream *s, const struct conf_hmac_auth *c)
{
    const struct head *head = stream_request(s)->head;
    const struct field *f = head_find(head, SLICE("Digest"));
    bool empty = head->framing == FRAMING_NONE ||
                 (head->framing == FRAMING_LENGTH && head->content_length == 0);
    struct watch *w = arena_take(stream_arena(s), sizeof *w);
    if (!w)
        return BODY_NO_MEMORY;
    *w = (struct watch){ .as = { begin, take, end, refuse, drop }, .digest = { .empty = !f } };
    if (f && (head_next(head, f) || !hmac_digest_read(field_value(f), w->digest.wanted)))
        return BODY_DIFFERS;
    if (!f && head->framing != FRAMING_CHUNKED)
        return empty ? BODY_FITS : BODY_DIFFERS;
    if (!hmac_digest_open(&w->digest))
        return BODY_NO_MEMORY;
    w->challenge = auth_challenge(s, "hmac", &c->realm);
    if (!empty) {
        stream_watch_body(s, &w->as);
        return BODY_FITS;
    }
    hmac_digest_begin(&w->digest);
    bool holds = hmac_digest_holds(&w->digest);
    hmac_digest_free(&w->digest);
    return holds ? BODY_FITS : BODY_DIFFERS;
}

static enum stage_result hmac_auth_access(struct stream *s, const void *config)
{
    const struct conf_hmac_auth *c = config;
    const struct conf_hmac *known = NULL;
    if (c->hide_credentials) {
        stream_drop_upstream(s, SLICE("Authorization"));
        stream_drop_upstream(s, SLICE("Proxy-Authorization"));
    }
    if (auth_skips(s, true, c->anonymous))
        return STAGE_NEXT;
    const char *why = verify(s, c, &known);
    enum verdict body = !why && c->validate_request_body ? judge_body(s, c) : BODY_FITS;
    if (body == BODY_NO_MEMORY)
        return stream_answer(s, 500, "An unexpected error occurred");
    if (body == BODY_DIFFERS)
        why = different;
    if (why)
        return auth_refuse(s, c->anonymous, auth_challenge(s, "hmac", &c->realm), why);
    stream_authenticate(s, known->consumer, slice_of(known->username.s, known->username.n), false);
    return STAGE_NEXT;
}

const struct plugin_ops hmac_auth_ops = {
    .kind = CONF_PLUGIN_HMAC_AUTH,
    .access = hmac_auth_access,
};
