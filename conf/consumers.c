/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consumers and their credentials as checked. A credential belongs to one consumer: the same key
 * twice is an error. Ids of credentials are made from the consumer's id and their position, never
 * from the secret, because they are sent upstream.
 */
#include "conf/credentials.h"
#include "conf/ids.h"
#include "conf/jwt_key.h"
#include "conf/load.h"
#include "conf/passwords.h"
#include "conf/value.h"
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { CONSUMERS_PEM_MAX = 16384 };

#define KEY struct source_key
static const struct fields_row key_rows[] = {
    { FIELDS_ROW_TEXT(KEY, as.key, "key"), .flags = FIELDS_REQUIRED | FIELDS_SECRET,
      .doc = "The key that requests show. It may be kept elsewhere: \"$(env:NAME)\", "
             "\"$(file:/path)\"." },
    { FIELDS_ROW_TEXT(KEY, as.id, "id"), .preset = "\"\"", .flags = FIELDS_LOWER,
      .check = value_is_uuid,
      .doc = "A UUID; made from the consumer's id and the position when \"\"." },
};
static const struct fields_table key_fields = { .title = "consumers.keyauth_credentials",
                                                .doc = "What key-auth knows a consumer by.",
                                                FIELDS_TABLE(key_rows),
                                                .size = sizeof(KEY),
                                                .at = offsetof(KEY, at) };

static const struct fields_name jwt_algorithms[] = {
    { "HS256", CONF_HS256 }, { "HS384", CONF_HS384 },
    { "HS512", CONF_HS512 }, { "RS256", CONF_RS256 },
    { "RS384", CONF_RS384 }, { "RS512", CONF_RS512 },
    { "ES256", CONF_ES256 }, { "ES384", CONF_ES384 },
    { "ES512", CONF_ES512 }, { "PS256", CONF_PS256 },
    { "PS384", CONF_PS384 }, { "PS512", CONF_PS512 },
    { "EdDSA", CONF_EDDSA }, { 0 }
};

#define SECRET struct source_jwt_secret
static const struct fields_row jwt_rows[] = {
    { FIELDS_ROW_TEXT(SECRET, as.key, "key"), .flags = FIELDS_REQUIRED,
      .doc = "What the token's key claim (iss) says." },
    { FIELDS_ROW_TEXT(SECRET, as.id, "id"), .preset = "\"\"", .flags = FIELDS_LOWER,
      .check = value_is_uuid,
      .doc = "A UUID; made from the consumer's id and the position when \"\"." },
    { FIELDS_ROW_ENUM(SECRET, as.algorithm, "algorithm"), .preset = "\"HS256\"",
      .names = jwt_algorithms, .doc = "The only algorithm that a token with this key may have." },
    { FIELDS_ROW_TEXT(SECRET, as.secret, "secret"), .preset = "\"\"", .flags = FIELDS_SECRET,
      .doc = "The secret, with HS algorithms. It may be kept elsewhere: \"$(env:NAME)\", "
             "\"$(file:/path)\"." },
    { FIELDS_ROW_BOOL(SECRET, as.secret_is_base64, "secret_is_base64"), .preset = "false",
      .doc = "Whether the secret is written in base64." },
    { FIELDS_ROW_TEXT(SECRET, rsa_public_key, "rsa_public_key"), .preset = "\"\"",
      .doc =
          "The public key with all other algorithms (RSA, EC or Ed25519): PEM text, or \"@\" and "
          "a file's path." },
};
static const struct fields_table jwt_fields = { .title = "consumers.jwt_secrets",
                                                .doc =
                                                    "What jwt verifies a consumer's tokens with.",
                                                FIELDS_TABLE(jwt_rows),
                                                .size = sizeof(SECRET),
                                                .at = offsetof(SECRET, at) };

#define GROUP struct source_group
static const struct fields_row group_rows[] = {
    { FIELDS_ROW_TEXT(GROUP, group, "group"), .flags = FIELDS_REQUIRED, .check = value_is_printable,
      .doc = "The group's name." },
};
static const struct fields_table group_fields = { .title = "consumers.acls",
                                                  .doc = "A group that the consumer belongs to.",
                                                  FIELDS_TABLE(group_rows),
                                                  .size = sizeof(GROUP),
                                                  .at = offsetof(GROUP, at) };

#define CONSUMER struct source_consumer
static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXT(CONSUMER, as.username, "username"), .preset = "\"\"",
      .check = value_is_printable, .doc = "Its name; username or custom_id must be set." },
    { FIELDS_ROW_TEXT(CONSUMER, as.custom_id, "custom_id"), .preset = "\"\"",
      .check = value_is_printable, .doc = "What it is called elsewhere." },
    { FIELDS_ROW_TEXT(CONSUMER, as.id, "id"), .preset = "\"\"", .flags = FIELDS_LOWER,
      .check = value_is_uuid, .doc = "A UUID; made from the name when \"\"." },
    { FIELDS_ROW_LIST(CONSUMER, keys, "keyauth_credentials", key_fields), .preset = "( )",
      .doc = "Its keys for key-auth." },
    { FIELDS_ROW_LIST(CONSUMER, jwt_secrets, "jwt_secrets", jwt_fields), .preset = "( )",
      .doc = "Its secrets for jwt." },
    { FIELDS_ROW_LIST(CONSUMER, basics, "basicauth_credentials", passwords_basic_fields),
      .preset = "( )", .doc = "Its names and passwords for basic-auth." },
    { FIELDS_ROW_LIST(CONSUMER, hmacs, "hmacauth_credentials", passwords_hmac_fields),
      .preset = "( )", .doc = "Its names and secrets for hmac-auth." },
    { FIELDS_ROW_LIST(CONSUMER, acls, "acls", group_fields), .preset = "( )",
      .doc = "Its groups." },
    { FIELDS_ROW_LIST(CONSUMER, plugins, "plugins", plugin_fields), .preset = "( )",
      .doc = "Plugins on all its requests." },
    { FIELDS_ROW_TEXTS(CONSUMER, as.tags, "tags"), .preset = "[ ]", .flags = FIELDS_SET,
      .check = value_is_printable, .doc = "Words to find it by." },
};
const struct fields_table consumers_fields = { .title = "consumers",
                                               .doc = "Who is asking, and what they are known by.",
                                               FIELDS_TABLE(rows),
                                               .size = sizeof(CONSUMER),
                                               .at = offsetof(CONSUMER, at) };

/* What its id is made from: its username, or else its custom_id, marked, as another may have it as
 * its username. */
static struct conf_text name_of(struct load *load, const struct conf_consumer *consumer)
{
    if (consumer->username.n)
        return consumer->username;
    return memory_format(&load->scratch, "custom_id\n%s", consumer->custom_id.s);
}

/* Up to CONSUMERS_PEM_MAX bytes of a file, terminated. False with errno set, or 0 when it is empty.
 */
static bool read_file(const char *path, char *bytes)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    errno = 0;
    size_t n = fread(bytes, 1, CONSUMERS_PEM_MAX, file);
    int error = ferror(file) ? errno : 0;
    fclose(file);
    errno = error;
    bytes[n] = '\0';
    return n > 0 && error == 0;
}

/* The PEM text itself, or that of the file behind "@"; "" when it could not be read, which is
 * reported. */
static struct conf_text pem_text(struct load *load, const struct source_jwt_secret *from)
{
    if (from->rsa_public_key.s[0] != '@')
        return from->rsa_public_key;
    char bytes[CONSUMERS_PEM_MAX + 1];
    struct conf_text path = { from->rsa_public_key.s + 1, from->rsa_public_key.n - 1 };
    path = load_path(load, path);
    if (read_file(path.s, bytes))
        return memory_text(&load->scratch, bytes, strlen(bytes));
    int error = errno;
    report_key(&load->report, from->at, "rsa_public_key", "%s cannot be read: %s",
               report_quote(&load->report, path.s, path.n),
               error ? strerror(error) : "it is empty");
    return (struct conf_text){ "", 0 };
}

/* The key behind rsa_public_key, which lives as long as the configuration; NULL: said why. */
static EVP_PKEY *public_key(struct load *load, const struct source_jwt_secret *from)
{
    struct conf_text pem = pem_text(load, from);
    if (!pem.n)
        return NULL;
    EVP_PKEY *key = jwt_key_read(pem);
    const char *reason =
        key ? jwt_key_misfit(key, from->as.algorithm) : "is not a public key in PEM";
    memory_duty(&load->memory, jwt_key_free, key);
    if (reason)
        report_key(&load->report, from->at, "rsa_public_key", "%s", reason);
    return reason ? NULL : key;
}

static bool is_base64(struct conf_text text)
{
    unsigned char *out = malloc(text.n + 4);
    bool ok = out && text.n % 4 == 0 && text.n > 0 &&
              EVP_DecodeBlock(out, (const unsigned char *)text.s, (int)text.n) > 0;
    free(out);
    return ok;
}

static const char *names_algorithm(enum conf_jwt_algorithm algorithm)
{
    const struct fields_name *row = jwt_algorithms;
    while (row->name && row->value != (int)algorithm)
        row++;
    return row->name ? row->name : "its algorithm";
}

static void read_jwt(struct load *load, struct source_jwt_secret *from)
{
    struct conf_jwt_secret *secret = &from->as;
    bool shared = secret->algorithm <= CONF_HS512;
    if (shared && secret->secret.n == 0)
        report_key(&load->report, from->at, "secret", "is missing: an HS algorithm needs it");
    if (shared && secret->secret_is_base64 && !is_base64(secret->secret))
        report_key(&load->report, from->at, "secret", "is not base64");
    if (shared)
        return;
    if (from->rsa_public_key.n == 0) {
        report_key(&load->report, from->at, "rsa_public_key", "is missing: %s needs it",
                   names_algorithm(secret->algorithm));
        return;
    }
    secret->public_key = public_key(load, from);
}

static void finish_keys(struct load *load, struct source_consumer *from,
                        const struct conf_consumer *consumer)
{
    struct source_key *keys = from->keys.v;
    struct conf_key *out = memory_array(&load->memory, from->keys.n, sizeof *out);
    for (size_t i = 0; i < from->keys.n; i++) {
        struct conf_text name = memory_format(&load->scratch, "%s\n%zu", from->as.id.s, i);
        struct load_claim claim = { NULL, "keyauth credential", "key", name, &out[i], keys[i].at };
        load_id(load, &claim, &keys[i].as.id);
        keys[i].as.consumer = consumer;
        out[i] = keys[i].as;
        if (out[i].key.n && credentials_add_key(load, &out[i]))
            report_key(&load->report, keys[i].at, "key", "belongs to another credential already");
    }
    from->as.keys = out;
    from->as.keys_n = from->keys.n;
}

static void finish_jwts(struct load *load, struct source_consumer *from,
                        const struct conf_consumer *consumer)
{
    struct source_jwt_secret *secrets = from->jwt_secrets.v;
    struct conf_jwt_secret *out = memory_array(&load->memory, from->jwt_secrets.n, sizeof *out);
    for (size_t i = 0; i < from->jwt_secrets.n; i++) {
        struct conf_text name = memory_format(&load->scratch, "%s\n%zu", from->as.id.s, i);
        struct load_claim claim = { NULL, "jwt secret", "key", name, &out[i], secrets[i].at };
        load_id(load, &claim, &secrets[i].as.id);
        read_jwt(load, &secrets[i]);
        secrets[i].as.consumer = consumer;
        out[i] = secrets[i].as;
        if (out[i].key.n && credentials_add_jwt(load, &out[i]))
            report_key(&load->report, secrets[i].at, "key",
                       "%s belongs to another credential already",
                       report_quote(&load->report, out[i].key.s, out[i].key.n));
    }
    from->as.jwt_secrets = out;
    from->as.jwt_secrets_n = from->jwt_secrets.n;
}

static void finish_groups(struct load *load, struct source_consumer *from)
{
    const struct source_group *groups = from->acls.v;
    struct conf_text *out = memory_array(&load->memory, from->acls.n, sizeof *out);
    struct names seen = { 0 };
    for (size_t i = 0; i < from->acls.n; i++) {
        struct load_claim claim = { &seen,           "group",    "group",
                                    groups[i].group, &groups[i], groups[i].at };
        load_claim(load, &claim);
        out[i] = groups[i].group;
    }
    from->as.groups = (struct conf_texts){ out, from->acls.n };
}

void consumers_finish(struct load *load)
{
    struct source_consumer *from = load->source->consumers.v;
    size_t n = load->source->consumers.n;
    struct conf_consumer *out = memory_array(&load->memory, n, sizeof *out);
    struct names custom_ids = { 0 };
    load->conf->consumers = out;
    load->conf->consumers_n = n;
    credentials_begin(load);
    for (size_t i = 0; i < n; i++) {
        struct conf_consumer *consumer = &from[i].as;
        struct load_claim name = { &load->consumers,   "consumer", "username",
                                   consumer->username, &out[i],    from[i].at };
        struct load_claim custom = { &custom_ids,         "consumer", "custom_id",
                                     consumer->custom_id, &out[i],    from[i].at };
        load_claim(load, &name);
        load_claim(load, &custom);
        if (consumer->username.n + consumer->custom_id.n == 0)
            report_key(&load->report, from[i].at, "username", "is missing, and so is a custom_id");
        struct load_claim id = { NULL,    "consumer", "id", name_of(load, consumer),
                                 &out[i], from[i].at };
        load_id(load, &id, &consumer->id);
        finish_keys(load, &from[i], &out[i]);
        finish_jwts(load, &from[i], &out[i]);
        passwords_finish(load, &from[i], &out[i]);
        finish_groups(load, &from[i]);
        consumer->index = (uint32_t)i;
        out[i] = *consumer;
    }
    credentials_name(load);
}
