/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-ups by credential: a map a kind with random keys (names.h), whose cost does not depend on
 * how many consumers there are, and whose comparison takes the same time wherever two texts differ.
 */
#include "conf/credentials.h"
#include "conf/load.h"

struct conf_credentials {
    struct names keys, jwts, basics, hmacs, consumers, usernames, custom_ids;
    const struct conf_basic *hashed;
};

static struct conf_credentials *filling(struct load *load)
{
    return (struct conf_credentials *)load->conf->credentials;
}

void credentials_begin(struct load *load)
{
    load->conf->credentials = memory_alloc(&load->memory, sizeof(struct conf_credentials));
}

bool credentials_add_key(struct load *load, const struct conf_key *key)
{
    return names_put(&filling(load)->keys, &load->memory, key->key, key) != NULL;
}

bool credentials_add_jwt(struct load *load, const struct conf_jwt_secret *secret)
{
    return names_put(&filling(load)->jwts, &load->memory, secret->key, secret) != NULL;
}

bool credentials_add_basic(struct load *load, const struct conf_basic *basic)
{
    struct conf_credentials *c = filling(load);
    if (!c->hashed && basic->format == CONF_PASSWORD_CRYPT)
        c->hashed = basic;
    return names_put(&c->basics, &load->memory, basic->username, basic) != NULL;
}

bool credentials_add_hmac(struct load *load, const struct conf_hmac *hmac)
{
    return names_put(&filling(load)->hmacs, &load->memory, hmac->username, hmac) != NULL;
}

static void add_name(struct load *load, struct names *names, struct conf_text name,
                     const struct conf_consumer *consumer)
{
    if (name.n)
        names_put(names, &load->memory, name, consumer);
}

void credentials_name(struct load *load)
{
    const struct conf_consumer *consumers = load->conf->consumers;
    struct conf_credentials *c = filling(load);
    for (size_t i = 0; i < load->conf->consumers_n; i++) {
        add_name(load, &c->consumers, consumers[i].id, &consumers[i]);
        add_name(load, &c->usernames, consumers[i].username, &consumers[i]);
        add_name(load, &c->custom_ids, consumers[i].custom_id, &consumers[i]);
    }
    for (size_t i = 0; i < load->conf->consumers_n; i++)
        add_name(load, &c->consumers, consumers[i].username, &consumers[i]);
    for (size_t i = 0; i < load->conf->consumers_n; i++)
        add_name(load, &c->consumers, consumers[i].custom_id, &consumers[i]);
}

const struct conf_key *credentials_key(const struct conf_credentials *c, const char *key, size_t n)
{
    return names_get(&c->keys, key, n);
}

const struct conf_jwt_secret *credentials_jwt(const struct conf_credentials *c, const char *key,
                                              size_t n)
{
    return names_get(&c->jwts, key, n);
}

const struct conf_basic *credentials_basic(const struct conf_credentials *c, const char *username,
                                           size_t n)
{
    return names_get(&c->basics, username, n);
}

const struct conf_basic *credentials_hashed(const struct conf_credentials *c)
{
    return c->hashed;
}

const struct conf_hmac *credentials_hmac(const struct conf_credentials *c, const char *username,
                                         size_t n)
{
    return names_get(&c->hmacs, username, n);
}

const struct conf_consumer *credentials_consumer(const struct conf_credentials *c, const char *name,
                                                 size_t n)
{
    return names_get(&c->consumers, name, n);
}

const struct conf_consumer *credentials_username(const struct conf_credentials *c, const char *name,
                                                 size_t n)
{
    return names_get(&c->usernames, name, n);
}

const struct conf_consumer *credentials_custom_id(const struct conf_credentials *c,
                                                  const char *name, size_t n)
{
    return names_get(&c->custom_ids, name, n);
}
