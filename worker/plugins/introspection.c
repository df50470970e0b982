/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of claims take the first member of a name or the last: an answer with a name twice is not
 * used. Neither is one whose "active" is anything but true or false, nor one whose exp is no
 * number: what it would mean to let such a token pass is not known.
 */
#include "worker/plugins/introspection.h"

#include "worker/http/form_edit.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const members[] = { "scope", "client_id", "username", "token_type", "exp", "iat",
                                       "nbf",   "sub",       "aud",      "iss",        "jti" };

enum { SECONDS_MAX = 100000000 /* of exp and ttl: three years ahead are as good as any */ };

/* --- questions ------------------------------------------------------------------------------ */

static bool is_alphanumeric(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

bool introspection_is_token(struct slice text)
{
    while (text.n > 0 && text.p[text.n - 1] == '=')
        text.n--;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (!is_alphanumeric(c) && !(c && strchr("-._~+/", c)))
            return false;
    }
    return text.n > 0;
}

size_t introspection_form_room(struct slice token, struct slice hint)
{
    return 3 * (token.n + hint.n) + 32;
}

size_t introspection_form(struct slice token, struct slice hint, char *out)
{
    char *at = out;
    memcpy(at, "token=", 6);
    at = form_edit_encode(at + 6, token);
    if (hint.n) {
        memcpy(at, "&token_type_hint=", 17);
        at = form_edit_encode(at + 17, hint);
    }
    return (size_t)(at - out);
}

/* --- answers: writing lines ----------------------------------------------------------------- */

static bool put(struct inquiry_answer *out, const char *text, size_t n)
{
    if (n > INQUIRY_TEXT - out->n)
        return false;
    memcpy(out->text + out->n, text, n);
    out->n += n;
    return true;
}

/* Text of a value: no control characters, which also keeps lines apart. */
static bool put_text(struct inquiry_answer *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] == 0x7f)
            return false;
    return put(out, text, n);
}

/* A list of texts, none of which a reader of the joined ones would take for two. */
static bool is_list_of_texts(const json_t *value, char separator)
{
    size_t i;
    json_t *element;
    if (!json_is_array(value))
        return false;
    json_array_foreach(value, i, element) if (!json_is_string(element) ||
                                              memchr(json_string_value(element), separator,
                                                     json_string_length(element))) return false;
    return true;
}

static bool put_list(struct inquiry_answer *out, const json_t *value, const char *between)
{
    size_t i;
    json_t *element;
    json_array_foreach(value, i, element) if ((i > 0 && !put_text(out, between, strlen(between))) ||
                                              !put_text(out, json_string_value(element),
                                                        json_string_length(element))) return false;
    return true;
}

static bool put_json(struct inquiry_answer *out, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    bool fits = text && put_text(out, text, strlen(text));
    free(text);
    return fits;
}

static bool put_value(struct inquiry_answer *out, const char *name, const json_t *value)
{
    bool scope = strcmp(name, "scope") == 0;
    const char *text = json_string_value(value);
    bool two = text && strcmp(name, "aud") == 0 && strchr(text, ','); /* as if it were a list */
    if (text && !two)
        return put_text(out, text, json_string_length(value));
    if (is_list_of_texts(value, scope ? ' ' : ','))
        return put_list(out, value, scope ? " " : ", ");
    return !scope && put_json(out, value); /* of a scope it would be words that nobody gave */
}

/* Nothing is put of a member that is not there, null or empty. */
static bool put_member(struct inquiry_answer *out, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value) || (json_is_string(value) && !json_string_length(value)) ||
        (json_is_array(value) && !json_array_size(value)))
        return true;
    return put(out, name, strlen(name)) && put(out, " ", 1) && put_value(out, name, value) &&
           put(out, "\n", 1);
}

static bool is_member(const char *name)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (strcmp(members[i], name) == 0)
            return true;
    return false;
}

static bool put_members(struct inquiry_answer *out, const json_t *object,
                        const struct conf_texts *more)
{
    bool fine = true;
    for (size_t i = 0; fine && i < sizeof members / sizeof *members; i++)
        fine = put_member(out, object, members[i]);
    for (size_t i = 0; fine && i < more->n; i++)
        if (!is_member(more->v[i].s))
            fine = put_member(out, object, more->v[i].s);
    return fine;
}

/* --- answers: reading ----------------------------------------------------------------------- */

enum said { SAID_YES, SAID_NO, SAID_NOTHING, SAID_NONSENSE };

static enum said truth_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (!value)
        return SAID_NOTHING;
    if (!json_is_boolean(value))
        return SAID_NONSENSE;
    return json_is_true(value) ? SAID_YES : SAID_NO;
}

/* What the members say together, where either of them may say it: a "no" is one. */
static enum said either(enum said a, enum said b)
{
    if (a == SAID_NONSENSE || b == SAID_NONSENSE)
        return SAID_NONSENSE;
    if (a == SAID_NO || b == SAID_NO)
        return SAID_NO;
    return SAID_YES;
}

static enum said verdict_of(const struct conf_oauth2_introspection *c, int status,
                            const json_t *object, bool empty)
{
    bool success = status >= 200 && status < 300;
    if (c->way == CONF_INTROSPECTION_RFC7662)
        return success && object ? truth_of(object, "active") : SAID_NONSENSE;
    if (status == 401 || status == 403)
        return SAID_NO;
    if (!success || (!object && !empty))
        return SAID_NONSENSE;
    return object ? either(truth_of(object, "active"), truth_of(object, "valid")) : SAID_YES;
}

static int64_t in_ms(double seconds)
{
    return (int64_t)(fmin(fmax(seconds, 0), SECONDS_MAX) * 1000);
}

/* Milliseconds that an active answer holds; 0: it has expired; -1: its exp is no number. *bounded:
 * it says so. */
static int64_t left_of(const json_t *object, int64_t now, bool *bounded)
{
    const json_t *exp = object ? json_object_get(object, "exp") : NULL;
    *bounded = exp && !json_is_null(exp);
    if (!*bounded)
        return in_ms(SECONDS_MAX);
    return json_is_number(exp) ? in_ms(json_number_value(exp) - (double)now / 1000) : -1;
}

static bool refuse(const struct conf_oauth2_introspection *c, int64_t now,
                   struct inquiry_answer *out)
{
    out->n = 0;
    out->refusal = true;
    out->until = now + in_ms(c->negative_ttl);
    return put(out, "inactive\n", 9);
}

static bool let_pass(const struct conf_oauth2_introspection *c, const json_t *object, int64_t now,
                     struct inquiry_answer *out)
{
    bool bounded;
    int64_t left = left_of(object, now, &bounded), ttl = in_ms(c->ttl);
    if (left <= 0)
        return left == 0 && refuse(c, now, out);
    if (ttl > 0 && ttl < left)
        left = ttl;
    out->until = c->ttl <= 0 && !bounded ? now : now + left;
    return put(out, "active\n", 7) && put_members(out, object, &c->custom_claims_forward);
}

bool introspection_read(const void *config, int status, struct slice body, int64_t now,
                        struct inquiry_answer *out)
{
    const struct conf_oauth2_introspection *c = config;
    json_error_t error;
    json_t *object = body.n ? json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, &error) : NULL;
    bool usable = false;
    if (!json_is_object(object)) {
        json_decref(object);
        object = NULL;
    }
    out->n = 0;
    out->refusal = false;
    switch (verdict_of(c, status, object, body.n == 0)) {
    case SAID_YES:
        usable = let_pass(c, object, now, out);
        break;
    case SAID_NO:
        usable = refuse(c, now, out);
        break;
    default:
        break;
    }
    json_decref(object);
    return usable;
}

/* --- lines ---------------------------------------------------------------------------------- */

bool introspection_is_active(struct slice lines)
{
    return lines.n >= 7 && memcmp(lines.p, "active\n", 7) == 0;
}

static bool next_line(struct slice *rest, struct slice *line)
{
    const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    if (!end)
        return false;
    *line = slice_of(rest->p, (size_t)(end - rest->p));
    *rest = slice_of(end + 1, rest->n - line->n - 1);
    return true;
}

/* The first line has no space: it is no member. */
bool introspection_next(struct slice *rest, struct slice *name, struct slice *value)
{
    struct slice line;
    while (next_line(rest, &line)) {
        const char *space = line.n ? memchr(line.p, ' ', line.n) : NULL;
        if (!space)
            continue;
        *name = slice_of(line.p, (size_t)(space - line.p));
        *value = slice_of(space + 1, line.n - name->n - 1);
        return true;
    }
    return false;
}

struct slice introspection_member(struct slice lines, const char *name)
{
    struct slice found, value;
    while (introspection_next(&lines, &found, &value))
        if (slice_equal(found, slice_of(name, strlen(name))))
            return value;
    return slice_of(NULL, 0);
}

/* --- scopes --------------------------------------------------------------------------------- */

static bool next_word(struct slice *rest, struct slice *word)
{
    while (rest->n && *rest->p == ' ')
        *rest = slice_from(*rest, 1);
    size_t n = 0;
    while (n < rest->n && rest->p[n] != ' ')
        n++;
    *word = slice_of(rest->p, n);
    *rest = slice_from(*rest, n);
    return n > 0;
}

static bool has_word(struct slice words, struct slice word)
{
    struct slice one;
    while (next_word(&words, &one))
        if (slice_equal(one, word))
            return true;
    return false;
}

bool introspection_suffices(struct slice scope, const struct conf_texts *required)
{
    for (size_t i = 0; i < required->n; i++) {
        struct slice rest = slice_of(required->v[i].s, required->v[i].n), word;
        bool all = true;
        while (all && next_word(&rest, &word))
            all = has_word(scope, word);
        if (all)
            return true;
    }
    return required->n == 0;
}

/* --- audiences ------------------------------------------------------------------------------ */

static bool is_required(struct slice name, const struct conf_texts *required)
{
    for (size_t i = 0; i < required->n; i++)
        if (slice_equal(name, slice_of(required->v[i].s, required->v[i].n)))
            return true;
    return false;
}

bool introspection_is_for(struct slice aud, const struct conf_texts *required)
{
    const char *comma;
    while ((comma = aud.n ? memmem(aud.p, aud.n, ", ", 2) : NULL)) {
        size_t n = (size_t)(comma - aud.p);
        if (is_required(slice_of(aud.p, n), required))
            return true;
        aud = slice_of(comma + 2, aud.n - n - 2);
    }
    return required->n == 0 || is_required(aud, required);
}
