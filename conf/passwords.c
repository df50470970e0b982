/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names with passwords. A password may be written as itself, as Kong keeps it, or as one of
 * libcrypt's hashes; which of these is known at load, so that a hash is never taken for a password.
 * Names are looked up as they are: two consumers cannot have the same one.
 */
#include "conf/passwords.h"
#include "conf/credentials.h"
#include "conf/load.h"
#include "conf/value.h"
#include <crypt.h>
#include <string.h>

enum { PASSWORDS_KONG = 40 };

/* Sent upstream, and what comes before the colon in a request: RFC 7617 section 2. */
static bool is_user(const char *s, size_t n, char *why, size_t size)
{
    if (!value_is_printable(s, n, why, size))
        return false;
    if (!memchr(s, ':', n))
        return true;
    snprintf(why, size, "contains a colon");
    return false;
}

static const struct fields_name formats[] = { { "auto", CONF_PASSWORD_AUTO },
                                              { "plain", CONF_PASSWORD_PLAIN },
                                              { "kong", CONF_PASSWORD_KONG },
                                              { "crypt", CONF_PASSWORD_CRYPT },
                                              { 0 } };

#define BASIC struct source_basic
static const struct fields_row basic_rows[] = {
    { FIELDS_ROW_TEXT(BASIC, as.username, "username"), .flags = FIELDS_REQUIRED, .check = is_user,
      .doc = "The name that requests show." },
    { FIELDS_ROW_TEXT(BASIC, as.password, "password"), .flags = FIELDS_REQUIRED | FIELDS_SECRET,
      .doc = "The password, or a hash of it. It may be kept elsewhere: \"$(env:NAME)\", "
             "\"$(file:/path)\"." },
    { FIELDS_ROW_ENUM(BASIC, as.format, "password_format"), .preset = "\"auto\"", .names = formats,
      .doc = "plain: itself; crypt: a hash as in /etc/shadow, \"$y$...\", \"$2b$...\", \"$6$...\"; "
             "kong: SHA-1 in hex of the password and the consumer's id, as Kong stores it; auto: "
             "crypt where it looks like one, else plain." },
    { FIELDS_ROW_TEXT(BASIC, as.id, "id"), .preset = "\"\"", .flags = FIELDS_LOWER,
      .check = value_is_uuid,
      .doc = "A UUID; made from the consumer's id and the position when \"\"." },
};
const struct fields_table passwords_basic_fields = {
    .title = "consumers.basicauth_credentials",
    .doc = "What basic-auth knows a consumer by. A hash that is slow to compute is computed once "
           "a worker for each right password; wrong ones may take a fifth of a worker's time, "
           "past which a password that is not known to be right is answered with 503.",
    FIELDS_TABLE(basic_rows),
    .size = sizeof(BASIC),
    .at = offsetof(BASIC, at)
};

#define HMAC struct source_hmac
static const struct fields_row hmac_rows[] = {
    { FIELDS_ROW_TEXT(HMAC, as.username, "username"), .flags = FIELDS_REQUIRED,
      .check = value_is_printable, .doc = "The name that requests show." },
    { FIELDS_ROW_TEXT(HMAC, as.secret, "secret"), .flags = FIELDS_REQUIRED | FIELDS_SECRET,
      .doc = "What they are signed with. It may be kept elsewhere: \"$(env:NAME)\", "
             "\"$(file:/path)\"." },
    { FIELDS_ROW_TEXT(HMAC, as.id, "id"), .preset = "\"\"", .flags = FIELDS_LOWER,
      .check = value_is_uuid,
      .doc = "A UUID; made from the consumer's id and the position when \"\"." },
};
const struct fields_table passwords_hmac_fields = { .title = "consumers.hmacauth_credentials",
                                                    .doc = "What hmac-auth knows a consumer by.",
                                                    FIELDS_TABLE(hmac_rows),
                                                    .size = sizeof(HMAC),
                                                    .at = offsetof(HMAC, at) };

static bool is_hash(struct conf_text text)
{
    int verdict = text.s[0] == '$' ? crypt_checksalt(text.s) : CRYPT_SALT_INVALID;
    return verdict == CRYPT_SALT_OK || verdict == CRYPT_SALT_METHOD_LEGACY ||
           verdict == CRYPT_SALT_TOO_CHEAP;
}

static bool is_kong_hash(struct conf_text text)
{
    return text.n == PASSWORDS_KONG && strspn(text.s, "0123456789abcdef") == PASSWORDS_KONG;
}

static void read_password(struct load *load, struct source_basic *from)
{
    struct conf_basic *basic = &from->as;
    if (basic->format == CONF_PASSWORD_AUTO)
        basic->format = is_hash(basic->password) ? CONF_PASSWORD_CRYPT : CONF_PASSWORD_PLAIN;
    if (basic->password.n == 0)
        return;
    if (basic->format == CONF_PASSWORD_CRYPT && !is_hash(basic->password))
        report_key(&load->report, from->at, "password", "is no hash that libcrypt knows");
    if (basic->format == CONF_PASSWORD_KONG && !is_kong_hash(basic->password))
        report_key(&load->report, from->at, "password", "is not %d lower-case hex digits",
                   PASSWORDS_KONG);
}

static void name_taken(struct load *load, const config_setting_t *at, struct conf_text name)
{
    report_key(&load->report, at, "username", "%s belongs to another credential already",
               report_quote(&load->report, name.s, name.n));
}

static void finish_basics(struct load *load, struct source_consumer *from,
                          const struct conf_consumer *consumer)
{
    struct source_basic *basics = from->basics.v;
    struct conf_basic *out = memory_array(&load->memory, from->basics.n, sizeof *out);
    for (size_t i = 0; i < from->basics.n; i++) {
        struct conf_text name = memory_format(&load->scratch, "%s\n%zu", from->as.id.s, i);
        struct load_claim claim = { NULL,        "basicauth credential", "username", name, &out[i],
                                    basics[i].at };
        load_id(load, &claim, &basics[i].as.id);
        enum conf_password_format written = basics[i].as.format;
        read_password(load, &basics[i]);
        basics[i].as.consumer = consumer;
        out[i] = basics[i].as;
        basics[i].as.format = written;
        if (out[i].username.n && credentials_add_basic(load, &out[i]))
            name_taken(load, basics[i].at, out[i].username);
    }
    from->as.basics = out;
    from->as.basics_n = from->basics.n;
}

static void finish_hmacs(struct load *load, struct source_consumer *from,
                         const struct conf_consumer *consumer)
{
    struct source_hmac *hmacs = from->hmacs.v;
    struct conf_hmac *out = memory_array(&load->memory, from->hmacs.n, sizeof *out);
    for (size_t i = 0; i < from->hmacs.n; i++) {
        struct conf_text name = memory_format(&load->scratch, "%s\n%zu", from->as.id.s, i);
        struct load_claim claim = { NULL,       "hmacauth credential", "username", name, &out[i],
                                    hmacs[i].at };
        load_id(load, &claim, &hmacs[i].as.id);
        hmacs[i].as.consumer = consumer;
        out[i] = hmacs[i].as;
        if (out[i].username.n && credentials_add_hmac(load, &out[i]))
            name_taken(load, hmacs[i].at, out[i].username);
    }
    from->as.hmacs = out;
    from->as.hmacs_n = from->hmacs.n;
}

void passwords_finish(struct load *load, struct source_consumer *from,
                      const struct conf_consumer *consumer)
{
    finish_basics(load, from, consumer);
    finish_hmacs(load, from, consumer);
}
