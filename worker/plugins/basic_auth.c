/* SPDX-License-Identifier: Apache-2.0 */
/*
 * basic-auth (RFC 7617): a name and a password in Authorization, or in Proxy-Authorization, which
 * is looked at first. Every failure is told in the same words and, where passwords are slow hashes,
 * after the same time, so that nobody learns which names there are. Two lines of one name are
 * refused: nobody can say which another reader would take.
 */
#include "conf/plugins/plugin_basic_auth.h"
#include "worker/plugins/auth.h"
#include "worker/plugins/basic_claim.h"
#include "worker/plugins/password.h"
#include "worker/plugins/plugins.h"
#include <openssl/crypto.h>

/* A name that is not there takes as long as one that is: as one with a hash, where there are any.
 */
static enum password_verdict judge(struct stream *s, const struct basic_claim *claim,
                                   const struct conf_basic **known)
{
    const struct conf_credentials *all = stream_credentials(s);
    *known = credentials_basic(all, claim->username.p, claim->username.n);
    enum password_verdict verdict =
        *known ? password_check(stream_memo(s), *known, claim->password) : PASSWORD_WRONG;
    bool slow = *known && (*known)->format == CONF_PASSWORD_CRYPT;
    if (verdict != PASSWORD_WRONG || slow)
        return verdict;
    return password_refuse(stream_memo(s), credentials_hashed(all), claim->password);
}

/* What the field holds, and whose it is where that is right. */
static enum password_verdict look(struct stream *s, enum field_id id,
                                  const struct conf_basic **known)
{
    const struct head *head = stream_request(s)->head;
    const struct field *f = head_field(head, id);
    struct slice value = f && !head_next(head, f) ? field_value(f) : slice_of(NULL, 0);
    char *text = value.n ? arena_take(stream_arena(s), value.n) : NULL;
    enum password_verdict verdict = PASSWORD_WRONG;
    struct basic_claim claim;

    *known = NULL;
    if (!text)
        return verdict;
    if (basic_claim_read(value, text, &claim))
        verdict = judge(s, &claim, known);
    OPENSSL_cleanse(text, value.n);
    return verdict;
}

static enum stage_result basic_auth_access(struct stream *s, const void *config)
{
    const struct conf_basic_auth *c = config;
    if (c->hide_credentials) {
        stream_drop_upstream(s, SLICE("Authorization"));
        stream_drop_upstream(s, SLICE("Proxy-Authorization"));
    }
    if (auth_skips(s, true, c->anonymous))
        return STAGE_NEXT;
    const struct conf_basic *known = NULL;
    enum password_verdict verdict = look(s, FIELD_PROXY_AUTHORIZATION, &known);
    if (verdict == PASSWORD_WRONG)
        verdict = look(s, FIELD_AUTHORIZATION, &known);
    if (verdict == PASSWORD_LATER) {
        stream_set_response(s, SLICE("Retry-After"), SLICE("1"));
        return stream_answer(s, 503, "Too many wrong passwords, try again later");
    }
    if (verdict == PASSWORD_WRONG)
        return auth_refuse(s, c->anonymous, auth_challenge(s, "Basic", &c->realm), "Unauthorized");
    stream_authenticate(s, known->consumer, slice_of(known->username.s, known->username.n), false);
    return STAGE_NEXT;
}

const struct plugin_ops basic_auth_ops = {
    .kind = CONF_PLUGIN_BASIC_AUTH,
    .access = basic_auth_access,
};
