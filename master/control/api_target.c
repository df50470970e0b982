/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: the targets of an upstream, with Kong's paths. What is changed here is an override beside
 * the file, in effect in every worker at once.
 */
#include "master/control/api_change.h"
#include "master/control/api_entity.h"
#include "worker/base/answer.h"
#include <stdlib.h>
#include <string.h>

enum { WEIGHT_MAX = 65535, CONNECTIONS_MAX = 1 << 24 };

/* --- showing -------------------------------------------------------------------------------- */

/* What is known of a target's name. */
static json_t *name_json(const struct api *api, struct conf_text host)
{
    struct answer *a = malloc(sizeof *a);
    json_t *o = json_object();
    bool known = a && answer_read(&api->heritage->roster, host, a, NULL);

    json_object_set_new(o, "name", api_conf_text(host));
    json_object_set_new(o, "state", json_string(answer_state_name(known ? a->state : ANSWER_NONE)));
    if (known) {
        if (a->error[0])
            json_object_set_new(o, "error", api_text(a->error, strlen(a->error)));
        json_object_set_new(o, "srv", json_boolean(a->srv));
        json_object_set_new(o, "asked", json_integer((json_int_t)a->asked));
        json_object_set_new(o, "answered",
                            a->answered ? json_integer((json_int_t)a->answered) : json_null());
        json_object_set_new(o, "expires", json_integer((json_int_t)a->expires));
    }
    free(a);
    return o;
}

static json_t *file_json(const struct conf_target *file)
{
    json_t *o;
    if (!file)
        return json_null();
    o = json_object();
    json_object_set_new(o, "weight", json_integer(file->weight));
    json_object_set_new(o, "max_connections", json_integer(file->max_connections));
    json_object_set_new(o, "backup", json_boolean(file->backup));
    return o;
}

/* The value that counts. */
static int value_of(const struct api_change *c, enum override_thing thing, int value)
{
    return override_value(&c->list, c->subject, c->file, thing, value);
}

static json_t *overrides_json(const struct api_change *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->list.n; i++)
        if (strcmp(c->list.v[i].subject, c->subject) == 0 && override_holds(&c->list.v[i], c->file))
            json_array_append_new(list, api_change_json(&c->list.v[i]));
    return list;
}

static json_t *addresses_json(const struct api_change *c)
{
    const struct peer_set *set = peers_of(&c->api->peers, c->upstream);
    json_t *list = json_array();
    for (size_t i = 0; i < set->n; i++) {
        char subject[OVERRIDE_SUBJECT];
        if (override_parse(set->v[i]->target.s, set->v[i]->target.n, subject) &&
            strcmp(subject, c->subject) == 0)
            json_array_append_new(list, api_entity_peer(c->api, set->v[i]));
    }
    return list;
}

static json_t *target_json(const struct api_change *c)
{
    json_t *o = json_object(), *upstream = json_object();
    const struct conf_target *file = c->file;
    struct conf_text text = { c->subject, strlen(c->subject) }, host;
    int port;

    json_object_set_new(upstream, "id", api_conf_text(c->upstream->id));
    json_object_set_new(upstream, "name", api_conf_text(c->upstream->name));
    json_object_set_new(o, "target", api_conf_text(text));
    json_object_set_new(o, "upstream", upstream);
    json_object_set_new(
        o, "weight",
        json_integer(value_of(c, OVERRIDE_WEIGHT, file ? file->weight : CHANGE_WEIGHT)));
    json_object_set_new(
        o, "max_connections",
        json_integer(value_of(c, OVERRIDE_MAX_CONNECTIONS, file ? file->max_connections : 0)));
    json_object_set_new(o, "backup", json_boolean(file && file->backup));
    json_object_set_new(o, "drain", json_boolean(value_of(c, OVERRIDE_DRAIN, 0)));
    json_object_set_new(o, "down", json_boolean(value_of(c, OVERRIDE_DOWN, 0)));
    json_object_set_new(o, "deleted", json_boolean(value_of(c, OVERRIDE_DELETED, 0)));
    json_object_set_new(o, "file", file_json(file));
    json_object_set_new(o, "overrides", overrides_json(c));
    json_object_set_new(o, "addresses", addresses_json(c));
    if (api_entity_name(text, &host, &port))
        json_object_set_new(o, "resolution", name_json(c->api, host));
    return o;
}

void api_target_list(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    struct api_change c = { .api = api, .request = request, .reply = reply };
    json_t *list = json_array(), *value = json_object();

    if (api_change_begin(&c, false)) {
        for (size_t i = 0; i < c.upstream->targets_n; i++) {
            c.file = &c.upstream->targets[i];
            override_subject(c.file, c.subject);
            json_array_append_new(list, target_json(&c));
        }
        for (size_t i = 0; i < c.list.n; i++) {
            const char *subject = c.list.v[i].subject;
            if (c.list.v[i].thing == OVERRIDE_ADDED &&
                api_change_subject(&c, subject, strlen(subject)) && !c.file)
                json_array_append_new(list, target_json(&c));
        }
        json_object_set(value, "data", list);
        json_object_set_new(value, "next", json_null());
        api_reply_json(reply, 200, json_incref(value));
    }
    json_decref(list);
    json_decref(value);
    api_change_end(&c);
}

/* --- changing ------------------------------------------------------------------------------- */

/* A number: an override, unless it is what the file says; null: what the file says. */
static bool take_number(struct api_change *c, const char *key, enum override_thing thing, int max)
{
    const json_t *value = json_object_get(c->body, key);
    json_int_t n = json_integer_value(value);

    if (!value)
        return true;
    if (!json_is_null(value) && (!json_is_integer(value) || n < 0 || n > max)) {
        api_reply_message(c->reply, 400, "\"%s\" must be a number from 0 to %d, or null", key, max);
        return false;
    }
    if (json_is_null(value) || n == override_base(c->file, thing)) {
        api_change_drop(c, thing);
        return true;
    }
    return api_change_set(c, thing, (int)n);
}

static bool take_flag(struct api_change *c, const char *key, enum override_thing thing)
{
    const json_t *value = json_object_get(c->body, key);

    if (!value)
        return true;
    if (!json_is_boolean(value)) {
        api_reply_message(c->reply, 400, "\"%s\" must be true or false", key);
        return false;
    }
    if (json_is_true(value))
        return api_change_set(c, thing, 1);
    api_change_drop(c, thing);
    return true;
}

/* A word that is misspelt must not be taken for nothing to do. */
static bool known_keys(struct api_change *c, bool adding)
{
    static const char *const keys[] = { "weight", "max_connections", "drain", "down", "for" };
    const char *key;
    json_t *value;

    json_object_foreach(c->body, key, value)
    {
        bool known = adding && (strcmp(key, "target") == 0 || strcmp(key, "tags") == 0);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            known |= strcmp(key, keys[i]) == 0;
        if (known)
            continue;
        api_reply_message(c->reply, 400, "\"%s\" is not known here", key);
        return false;
    }
    if (adding || json_object_size(c->body) != 1 || !json_object_get(c->body, "for"))
        return true;
    api_reply_message(c->reply, 400, "\"for\" alone changes nothing: say what holds so long");
    return false;
}

static bool take_settings(struct api_change *c)
{
    return take_number(c, "weight", OVERRIDE_WEIGHT, WEIGHT_MAX) &&
           take_number(c, "max_connections", OVERRIDE_MAX_CONNECTIONS, CONNECTIONS_MAX) &&
           take_flag(c, "drain", OVERRIDE_DRAIN) && take_flag(c, "down", OVERRIDE_DOWN);
}

static void audit(const struct api_change *c, const char *what)
{
    char *body = c->body ? json_dumps(c->body, JSON_COMPACT) : NULL;
    api_audit(c->request, "target %s of %s %s%s%s", c->subject, c->upstream->name.s, what,
              body ? ": " : "", body ? body : "");
    free(body);
}

static void answer(struct api_change *c, int status, const char *what)
{
    if (!api_change_write(c))
        return;
    audit(c, what);
    api_reply_json(c->reply, status, target_json(c));
}

static bool add(struct api_change *c, int *status)
{
    const char *text = json_string_value(json_object_get(c->body, "target"));
    size_t n = text ? strlen(text) : 0;
    bool there = text && api_change_subject(c, text, n);

    if (!text || !override_parse(text, n, c->subject)) {
        api_reply_message(c->reply, 400,
                          "\"target\" must be HOST[:PORT], IP[:PORT], [IP6][:PORT] or unix:/PATH");
        return false;
    }
    *status = there ? 200 : 201;
    if (there)
        return true;
    if (c->file)
        api_change_drop(c, OVERRIDE_DELETED);
    return c->file || api_change_set(c, OVERRIDE_ADDED, 1);
}

void api_target_add(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    struct api_change c = { .api = api, .request = request, .reply = reply };
    int status = 201;

    if (api_change_begin(&c, false) && api_change_body(&c) && known_keys(&c, true) &&
        add(&c, &status) && take_settings(&c))
        answer(&c, status, status == 201 ? "added" : "changed");
    api_change_end(&c);
}

void api_target_change(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    struct api_change c = { .api = api, .request = request, .reply = reply };

    if (api_change_begin(&c, true) && api_change_body(&c) && known_keys(&c, false) &&
        take_settings(&c))
        answer(&c, 200, "changed");
    api_change_end(&c);
}

void api_target_delete(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    struct api_change c = { .api = api, .request = request, .reply = reply };
    bool done = api_change_begin(&c, true);

    for (uint32_t thing = 1; done && thing < OVERRIDE_THINGS; thing++)
        api_change_drop(&c, (enum override_thing)thing);
    if (done && (!c.file || api_change_set(&c, OVERRIDE_DELETED, 1)) && api_change_write(&c)) {
        audit(&c, "deleted");
        reply->status = 204;
    }
    api_change_end(&c);
}
