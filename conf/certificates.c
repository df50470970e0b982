/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates and keys, read from PEM files at load, so that a worker needs no right to read them
 * and a reload picks up new ones. A key that does not belong to its certificate is found here and
 * not by the first client.
 */
#include "conf/load.h"
#include "conf/value.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXT(struct source_certificate, cert, "cert"), .flags = FIELDS_REQUIRED,
      .doc = "A PEM file: the certificate, then the chain up to the authority." },
    { FIELDS_ROW_TEXT(struct source_certificate, key, "key"), .flags = FIELDS_REQUIRED,
      .doc = "A PEM file: its private key, without a pass phrase." },
    { FIELDS_ROW_TEXTS(struct source_certificate, snis, "snis"), .preset = "[ ]",
      .check = value_is_sni, .flags = FIELDS_LOWER | FIELDS_SET,
      .doc = "Server names that it is for, *.example.com too; the first certificate without any is "
             "the default." },
};
const struct fields_table certificates_fields = {
    .title = "certificates",
    .doc = "A certificate and the server names (SNI) that it is for.",
    FIELDS_TABLE(rows),
    .size = sizeof(struct source_certificate),
    .at = offsetof(struct source_certificate, at)
};

static const struct fields_row client_rows[] = {
    { FIELDS_ROW_TEXT(struct source_certificate, cert, "cert"), .preset = "\"\"",
      .doc = "A PEM file; \"\" is none." },
    { FIELDS_ROW_TEXT(struct source_certificate, key, "key"), .preset = "\"\"",
      .doc = "Its private key." },
};
const struct fields_table certificates_client_fields = {
    .title = "services.client_certificate",
    .doc = "What the gateway shows to the upstream.",
    FIELDS_TABLE(client_rows),
    .size = sizeof(struct source_certificate),
    .at = offsetof(struct source_certificate, at)
};

static void end_certificate(void *what)
{
    struct conf_certificate *certificate = what;
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->pkey);
    sk_X509_pop_free(certificate->chain, X509_free);
}

/* A key with a pass phrase is refused; without this OpenSSL would ask for it at the terminal. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static const char *openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason ? reason : "not PEM";
}

static BIO *open_pem(struct load *load, struct conf_text path, const config_setting_t *at,
                     const char *key)
{
    errno = 0;
    BIO *bio = BIO_new_file(path.s, "r");
    if (!bio)
        report_key(&load->report, at, key, "%s cannot be read: %s",
                   report_quote(&load->report, path.s, path.n), strerror(errno));
    ERR_clear_error();
    return bio;
}

static struct stack_st_X509 *read_chain(BIO *bio)
{
    struct stack_st_X509 *chain = NULL;
    for (X509 *next; (next = PEM_read_bio_X509(bio, NULL, no_password, NULL));) {
        if (!chain)
            chain = sk_X509_new_null();
        if (!chain || !sk_X509_push(chain, next)) {
            X509_free(next);
            break;
        }
    }
    ERR_clear_error();
    return chain;
}

/* A report may jump away when there is no memory, so files are closed before. */
static void read_cert(struct load *load, const config_setting_t *at, struct conf_certificate *out)
{
    BIO *bio = open_pem(load, out->cert, at, "cert");
    if (!bio)
        return;
    out->x509 = PEM_read_bio_X509(bio, NULL, no_password, NULL);
    const char *reason = out->x509 ? NULL : openssl_reason();
    out->chain = out->x509 ? read_chain(bio) : NULL;
    BIO_free(bio);
    if (reason)
        report_key(&load->report, at, "cert", "%s holds no certificate: %s",
                   report_quote(&load->report, out->cert.s, out->cert.n), reason);
}

static void read_key(struct load *load, const config_setting_t *at, struct conf_certificate *out)
{
    BIO *bio = open_pem(load, out->key, at, "key");
    if (!bio)
        return;
    out->pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    const char *reason = out->pkey ? NULL : openssl_reason();
    BIO_free(bio);
    if (reason)
        report_key(&load->report, at, "key", "%s holds no private key: %s",
                   report_quote(&load->report, out->key.s, out->key.n), reason);
}

void certificates_read(struct load *load, const struct source_certificate *from,
                       struct conf_certificate *out)
{
    out->cert = load_path(load, from->cert);
    out->key = load_path(load, from->key);
    out->snis = from->snis;
    memory_duty(&load->memory, end_certificate, out);
    if (from->cert.n)
        read_cert(load, from->at, out);
    if (from->key.n)
        read_key(load, from->at, out);
    if (out->x509 && out->pkey && X509_check_private_key(out->x509, out->pkey) != 1)
        report_key(&load->report, from->at, "key", "%s is not the key of the certificate %s",
                   report_quote(&load->report, out->key.s, out->key.n),
                   report_quote(&load->report, out->cert.s, out->cert.n));
    ERR_clear_error();
}

static void free_list(void *list)
{
    sk_X509_pop_free(list, X509_free);
}

const struct stack_st_X509 *certificates_list(struct load *load, struct conf_text path,
                                              const config_setting_t *at, const char *key)
{
    BIO *bio = open_pem(load, path, at, key);
    if (!bio)
        return NULL;
    X509 *first = PEM_read_bio_X509(bio, NULL, no_password, NULL);
    const char *reason = first ? NULL : openssl_reason();
    struct stack_st_X509 *list = first ? read_chain(bio) : NULL;
    if (first && !list)
        list = sk_X509_new_null();
    BIO_free(bio);
    if (first && !(list && sk_X509_push(list, first))) {
        X509_free(first);
        reason = "out of memory";
    }
    if (list)
        memory_duty(&load->memory, free_list, list);
    if (reason)
        report_key(&load->report, at, key, "%s holds no certificate: %s",
                   report_quote(&load->report, path.s, path.n), reason);
    return reason ? NULL : list;
}

void certificates_finish(struct load *load)
{
    const struct source_list *list = &load->source->certificates;
    const struct source_certificate *from = list->v;
    struct conf_certificate *out = memory_array(&load->memory, list->n, sizeof *out);
    struct names snis = { 0 };
    for (size_t i = 0; i < list->n; i++) {
        certificates_read(load, &from[i], &out[i]);
        for (size_t k = 0; k < from[i].snis.n; k++) {
            struct load_claim claim = { &snis,   "certificate", "snis", from[i].snis.v[k],
                                        &out[i], from[i].at };
            load_claim(load, &claim);
        }
    }
    load->conf->certificates = out;
    load->conf->certificates_n = list->n;
}
