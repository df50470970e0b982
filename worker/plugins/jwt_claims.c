/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A value goes into a field as it is or not at all: an escape that the upstream does not know would
 * be another value, and a line's end another field. Empty texts count as absent.
 */
#include "worker/plugins/jwt_claims.h"
#include <jansson.h>

static bool is_one_of(const json_t *value, const struct conf_texts *texts)
{
    const char *s = json_string_value(value);
    size_t n = s ? json_string_length(value) : 0;
    for (size_t i = 0; s && i < texts->n; i++)
        if (n == texts->v[i].n && memcmp(s, texts->v[i].s, n) == 0)
            return true;
    return false;
}

bool jwt_claims_issuer(const struct jwt_token *token, const struct conf_texts *allowed)
{
    return allowed->n == 0 || is_one_of(json_object_get(token->claims, "iss"), allowed);
}

bool jwt_claims_audience(const struct jwt_token *token, const struct conf_texts *required)
{
    const json_t *aud = json_object_get(token->claims, "aud");
    if (required->n == 0 || is_one_of(aud, required))
        return true;
    for (size_t i = 0; i < json_array_size(aud); i++)
        if (is_one_of(json_array_get(aud, i), required))
            return true;
    return false;
}

struct slice jwt_claims_text(const struct jwt_token *token, const char *claim)
{
    const json_t *value = json_object_get(token->claims, claim);
    const char *s = json_string_value(value);
    return s && s[0] ? slice_of(s, json_string_length(value)) : slice_of(NULL, 0);
}

/* --- fields --------------------------------------------------------------------------------- */

struct value {
    char *out;
    size_t n;
};

static const json_t *find(const struct jwt_token *token, const char *claim)
{
    const json_t *at = json_object_get(token->claims, claim);
    const char *dot;
    if (at)
        return at;
    for (at = token->claims; (dot = strchr(claim, '.')); claim = dot + 1)
        at = json_object_getn(at, claim, (size_t)(dot - claim));
    return json_object_get(at, claim);
}

/* False: no room. */
static bool put(struct value *v, const char *s, size_t n)
{
    if (n > JWT_CLAIMS_VALUE_MAX - v->n)
        return false;
    memcpy(v->out + v->n, s, n);
    v->n += n;
    return true;
}

/* Printed as JSON. */
static bool put_json(struct value *v, const json_t *json)
{
    size_t room = JWT_CLAIMS_VALUE_MAX - v->n;
    size_t n = json_dumpb(json, v->out + v->n, room, JSON_ENCODE_ANY | JSON_COMPACT);
    if (n == 0 || n > room)
        return false;
    v->n += n;
    return true;
}

static bool put_one(struct value *v, const json_t *json)
{
    if (json_is_string(json))
        return put(v, json_string_value(json), json_string_length(json));
    return put_json(v, json);
}

static bool put_list(struct value *v, const json_t *list)
{
    bool sound = true;
    for (size_t i = 0; sound && i < json_array_size(list); i++) {
        const json_t *element = json_array_get(list, i);
        const char *text = json_string_value(element);
        sound = !json_is_array(element) && !json_is_object(element) &&
                (!text || (text[0] && !strchr(text, ','))) && (i == 0 || put(v, ", ", 2)) &&
                put_one(v, element);
    }
    return sound;
}

static bool is_printable(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
            return false;
    return true;
}

ptrdiff_t jwt_claims_value(const struct jwt_token *token, const char *claim, char *out)
{
    const json_t *found = find(token, claim);
    struct value v = { out, 0 };
    if (!found || json_is_null(found))
        return 0;
    if (!(json_is_array(found) ? put_list(&v, found) : put_one(&v, found)))
        return -1;
    return is_printable(out, v.n) ? (ptrdiff_t)v.n : -1;
}
