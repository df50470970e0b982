/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an authorization service answers, in both ways of asking. The first byte chooses the way,
 * the status and what is asked for: no crash, bounded, and every line that is kept can stand in a
 * field of a request; only a JSON object that says so is taken for an active token by RFC 7662.
 */
#include "worker/plugins/introspection.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool expression)
{
    if (!expression)
        abort();
}

static void check_lines(struct slice lines, bool active)
{
    struct slice rest = lines, name, value;
    size_t n = 0;
    check(lines.n > 0 && lines.p[lines.n - 1] == '\n');
    check(introspection_is_active(lines) == active);
    while (introspection_next(&rest, &name, &value)) {
        check(name.n > 0 && name.p >= lines.p && value.p + value.n < lines.p + lines.n);
        for (size_t i = 0; i < value.n; i++)
            check((unsigned char)value.p[i] >= 0x20 && value.p[i] != 0x7f);
        n++;
    }
    check(active || n == 0);
    check(n <= 14);
    (void)introspection_member(lines, "username");
}

static void check_token(struct slice token)
{
    char *form = malloc(introspection_form_room(token, token));
    check(form != NULL);
    size_t n = introspection_form(token, token, form);
    check(n <= introspection_form_room(token, token));
    for (size_t i = 0; i < n; i++)
        check(form[i] > 0x20 && form[i] < 0x7f);
    free(form);
    if (introspection_is_token(token))
        for (size_t i = 0; i < token.n; i++)
            check(token.p[i] > 0x20 && token.p[i] < 0x7f && token.p[i] != '"');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = { 200, 204, 302, 400, 401, 403, 404, 500 };
    struct conf_text claims[] = { { "x", 1 }, { "sub", 3 }, { "roles", 5 } };
    static struct inquiry_answer out;
    const int64_t now = INT64_C(1700000000000);
    if (size == 0 || size > 1 << 16)
        return 0;
    struct conf_oauth2_introspection config = { .way = data[0] & 1 ? CONF_INTROSPECTION_STATUS
                                                                   : CONF_INTROSPECTION_RFC7662,
                                                .ttl = data[0] & 2 ? 30 : 0,
                                                .negative_ttl = data[0] & 4 ? 5 : 0,
                                                .custom_claims_forward = { claims, 3 } };
    int status = statuses[data[0] >> 3 & 7];
    char *body = malloc(size); /* exactly as long as it is, so that a read behind it is found */
    check(body != NULL);
    memcpy(body, data + 1, size - 1);
    struct slice text = slice_of(body, size - 1);
    if (introspection_read(&config, status, text, now, &out)) {
        check(out.n <= INQUIRY_TEXT && out.until >= now);
        check_lines(slice_of(out.text, out.n), !out.refusal);
        check(config.way == CONF_INTROSPECTION_STATUS || (status < 300 && text.n > 12));
        check(!(config.ttl > 0) || out.until <= now + 30000);
    }
    check_token(text);
    struct conf_text words = { body, text.n };
    struct conf_texts required = { &words, 1 };
    check(introspection_suffices(text, &required));
    free(body);
    return 0;
}
