/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Authenticated" means by a credential: a request that goes on as an anonymous consumer may still
 * be authenticated by the next plugin.
 */
#include "worker/plugins/auth.h"

bool auth_skips(struct stream *s, bool run_on_preflight, const struct conf_consumer *anonymous)
{
    if (!run_on_preflight && stream_request(s)->head->method == METHOD_OPTIONS)
        return true;
    return anonymous && stream_authenticated(s);
}

static void pass_anonymous(struct stream *s, const struct conf_consumer *anonymous)
{
    stream_authenticate(s, anonymous, slice_of(NULL, 0), true);
}

enum stage_result auth_refuse(struct stream *s, const struct conf_consumer *anonymous,
                              struct slice challenge, const char *message)
{
    if (anonymous) {
        pass_anonymous(s, anonymous);
        return STAGE_NEXT;
    }
    stream_set_response(s, SLICE("WWW-Authenticate"), challenge);
    return stream_answer(s, 401, message);
}

enum stage_result auth_refuse_with(struct stream *s, const struct conf_consumer *anonymous,
                                   struct slice challenge, struct slice body)
{
    if (anonymous) {
        pass_anonymous(s, anonymous);
        return STAGE_NEXT;
    }
    stream_set_response(s, SLICE("WWW-Authenticate"), challenge);
    return stream_answer_with(s, 401, SLICE("application/json; charset=utf-8"), body);
}

struct slice auth_challenge(struct stream *s, const char *scheme, const struct conf_text *realm)
{
    struct slice challenge = slice_of(scheme, strlen(scheme));
    if (realm->n > 0)
        challenge = arena_print(stream_arena(s), "%s realm=\"%s\"", scheme, realm->s);
    return challenge.p ? challenge : slice_of(scheme, strlen(scheme));
}
