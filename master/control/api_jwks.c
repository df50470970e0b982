/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: keys of token issuers, how the fetches of them went, and a fetch out of turn. The checker is
 * the only one who fetches: it is asked through the shared record.
 */
#include "conf/issuer.h"
#include "conf/jwt_key.h"
#include "master/control/api.h"
#include "shm/jwks.h"
#include <stdlib.h>
#include <string.h>

enum { URI_MAX = 2048 };

static json_t *algorithms_json(uint32_t bits)
{
    json_t *list = json_array();

    for (int a = 0; a < CONF_JWT_ALGORITHMS; a++)
        if (bits >> a & 1)
            json_array_append_new(list, json_string(jwt_key_algorithm((enum conf_jwt_algorithm)a)));
    return list;
}

/* Seconds since 1970; null: never. */
static json_t *moment_json(int64_t s)
{
    return s ? json_integer((json_int_t)s) : json_null();
}

static json_t *key_json(const struct jwks_key *k)
{
    json_t *o = json_object();

    json_object_set_new(o, "kid", k->has_kid ? api_text(k->kid, k->kid_n) : json_null());
    json_object_set_new(o, "algorithms", algorithms_json(k->algorithms));
    json_object_set_new(o, "since", moment_json(k->since));
    json_object_set_new(o, "gone", moment_json(k->gone));
    return o;
}

static void put_keys(json_t *o, const struct api *api, int row)
{
    struct jwks_set *set = calloc(1, sizeof *set);
    json_t *list = json_array();
    uint32_t gone = 0;

    if (set && row >= 0)
        (void)jwks_get(&api->heritage->jwks, row, set);
    for (uint32_t i = 0; set && i < set->n; i++) {
        gone += set->keys[i].gone != 0;
        json_array_append_new(list, key_json(&set->keys[i]));
    }
    json_object_set_new(o, "valid", json_integer(set ? set->n - gone : 0));
    json_object_set_new(o, "in_grace", json_integer(gone));
    json_object_set_new(o, "keys", list);
    free(set);
}

static void put_state(json_t *o, const struct api *api, int row)
{
    static const char *const names[] = { "none", "good", "stale", "lost" };
    struct jwks_state s = { 0 };

    if (row >= 0 && !jwks_get_state(&api->heritage->jwks, row, &s))
        s = (struct jwks_state){ 0 };
    json_object_set_new(o, "state", json_string(names[s.health % 4]));
    json_object_set_new(o, "fetching",
                        json_boolean(row >= 0 && jwks_fetching(&api->heritage->jwks, row)));
    json_object_set_new(o, "tried", moment_json(s.tried));
    json_object_set_new(o, "fetched", moment_json(s.fetched));
    json_object_set_new(o, "rotated", moment_json(s.rotated));
    json_object_set_new(o, "due", moment_json(s.due));
    json_object_set_new(o, "fetches", json_integer((json_int_t)s.fetches));
    json_object_set_new(o, "failures", json_integer((json_int_t)s.failures));
    json_object_set_new(o, "skipped", json_integer(s.skipped));
    json_object_set_new(o, "error", s.error[0] ? api_text(s.error, strlen(s.error)) : json_null());
}

static json_t *issuer_json(const struct api *api, const struct conf_issuer *i)
{
    json_t *o = json_object();
    int row = jwks_find(&api->heritage->jwks, i->identity);

    json_object_set_new(o, "uri", api_conf_text(i->uri));
    json_object_set_new(o, "tls_verify", json_boolean(i->tls_verify));
    put_state(o, api, row);
    put_keys(o, api, row);
    return o;
}

/* Those with that URI (NULL: all), in the order of the file. */
static json_t *list(const struct api *api, const char *uri)
{
    const struct conf_issuer *first = api->heritage->conf->issuers;
    json_t *rows = json_array();

    for (uint32_t n = 0; n < issuer_count(first); n++)
        for (const struct conf_issuer *i = first; i; i = i->next)
            if (i->index == n && (!uri || strcmp(uri, i->uri.s) == 0))
                json_array_append_new(rows, issuer_json(api, i));
    return rows;
}

static void answer(struct api *api, struct api_reply *reply, int status, const char *uri)
{
    json_t *rows = list(api, uri), *o = json_object();

    if (uri && json_array_size(rows) == 0) {
        json_decref(rows);
        json_decref(o);
        api_reply_message(reply, 404, "No plugin has that jwks_uri");
        return;
    }
    json_object_set_new(o, "issuers", rows);
    api_reply_json(reply, status, o);
}

void api_jwks_list(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    char uri[URI_MAX];

    answer(api, reply, 200, api_parameter(request, "uri", uri, sizeof uri) ? uri : NULL);
}

void api_jwks_refresh(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    char uri[URI_MAX];
    const char *wanted = api_parameter(request, "uri", uri, sizeof uri) ? uri : NULL;
    const struct zone *zone = &api->heritage->jwks;

    for (const struct conf_issuer *i = api->heritage->conf->issuers; i; i = i->next) {
        int row = jwks_find(zone, i->identity);
        if (row < 0 || (wanted && strcmp(wanted, i->uri.s) != 0))
            continue;
        api_audit(request, "fetch the keys of %s", i->uri.s);
        (void)jwks_wish(zone, row, api->now_ns / 1000000, 0);
    }
    answer(api, reply, 202, wanted);
}
