/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The accepting side: one SSL_CTX for everything that connections have in common, with the default
 * certificate in it. A client that names a host gets that host's certificates put on its connection
 * alone, which costs less than a context for each certificate (an SSL_CTX is built in a fraction of
 * a millisecond, and there may be thousands of certificates). Several certificates of one name, RSA
 * beside ECDSA, are offered together.
 */
#include "shm/assert.h"
#include "worker/base/log.h"
#include "worker/tls/tls_parts.h"
#include <stdlib.h>

#define CIPHERS_12                                                                                 \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"     \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

enum { SESSION_SECONDS = 7200 };

static const unsigned char session_context[] =
    "gateway"; /* the same in all workers and generations */
static const unsigned char protocols[] = "\x08http/1.1"; /* what ALPN may choose, in our order */

struct name {
    struct slice text; /* lower case; "*.example.com" for a wildcard */
    const struct conf_certificate *certificate;
};

struct tls_server {
    SSL_CTX *ctx;
    const struct conf_certificate *fallback;
    struct name *names; /* sorted by text */
    size_t names_n;
};

/* --- names ---------------------------------------------------------------------------------- */

static int compare_text(struct slice a, struct slice b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int compare_names(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    int order = compare_text(x->text, y->text);
    return order ? order : (x->certificate > y->certificate) - (x->certificate < y->certificate);
}

static bool index_names(struct tls_server *server, const struct conf *conf)
{
    size_t n = 0;
    for (size_t i = 0; i < conf->certificates_n; i++)
        n += conf->certificates[i].snis.n;
    server->names = calloc(n ? n : 1, sizeof(*server->names));
    if (!server->names)
        return false;
    for (size_t i = 0; i < conf->certificates_n; i++) {
        const struct conf_texts *snis = &conf->certificates[i].snis;
        for (size_t k = 0; k < snis->n; k++)
            server->names[server->names_n++] =
                (struct name){ slice_of(snis->v[k].s, snis->v[k].n), &conf->certificates[i] };
    }
    must(server->names_n == n);
    qsort(server->names, n, sizeof(*server->names), compare_names);
    return true;
}

/* The first of the names that equal `text`, or NULL. */
static const struct name *find(const struct tls_server *server, struct slice text)
{
    size_t low = 0, high = server->names_n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_text(server->names[middle].text, text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < server->names_n && slice_equal(server->names[low].text, text) ? &server->names[low]
                                                                               : NULL;
}

static const struct name *find_for(const struct tls_server *server, const char *sni)
{
    const struct name *name = find(server, slice_of(sni, strlen(sni)));
    const char *dot = strchr(sni, '.');
    if (name || !dot || dot == sni)
        return name;
    char wildcard[TLS_NAME_MAX + 2] = "*";
    size_t n = strlen(dot);
    must(n < sizeof(wildcard) - 1);
    memcpy(wildcard + 1, dot, n);
    return find(server, slice_of(wildcard, n + 1));
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

/* The name in lower case, without a trailing dot; NULL when it is none. The caller frees it. */
static char *clean_name(const char *sni)
{
    size_t n = strlen(sni);
    char *name = n > 0 && n <= TLS_NAME_MAX ? strdup(sni) : NULL;
    if (!name)
        return NULL;
    if (n > 1 && name[n - 1] == '.')
        name[--n] = '\0';
    for (size_t i = 0; i < n; i++) {
        if (name[i] >= 'A' && name[i] <= 'Z')
            name[i] = (char)(name[i] | 0x20);
        if (!is_name_byte(name[i])) {
            free(name);
            return NULL;
        }
    }
    return name;
}

/* --- OpenSSL's questions during a handshake ------------------------------------------------- */

/* Puts the certificates of one name, one for each kind of key, in place of the default one. */
static bool put(SSL *ssl, const struct tls_server *server, const struct name *name)
{
    const struct name *end = server->names + server->names_n;
    if (name->certificate == server->fallback &&
        (name + 1 == end || !slice_equal(name[1].text, name->text)))
        return true; /* it is there already */
    SSL_certs_clear(ssl);
    for (const struct name *each = name; each < end && slice_equal(each->text, name->text);
         each++) {
        const struct conf_certificate *c = each->certificate;
        if (SSL_use_cert_and_key(ssl, c->x509, c->pkey, c->chain, 1) != 1)
            return false;
    }
    return true;
}

static int choose_certificate(SSL *ssl, int *alert, void *arg)
{
    const struct tls_server *server = arg;
    const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    struct tls *tls = tls_of(ssl);
    free(tls->sni);
    tls->sni = sni ? clean_name(sni) : NULL;
    const struct name *name = tls->sni ? find_for(server, tls->sni) : NULL;
    if (name && !put(ssl, server, name)) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    return SSL_TLSEXT_ERR_OK;
}

/* Refuses clients that offer protocols but none of ours (RFC 7301 section 3.2), so that nobody
 * speaks HTTP/1 with a server of another protocol by mistake. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                           const unsigned char *offered, unsigned offered_n, void *arg)
{
    (void)ssl;
    (void)arg;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_n, protocols, sizeof(protocols) - 1, offered,
                              offered_n) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* --- making --------------------------------------------------------------------------------- */

static const struct conf_certificate *fallback_of(const struct conf *conf)
{
    for (size_t i = 0; i < conf->certificates_n; i++)
        if (conf->certificates[i].snis.n == 0)
            return &conf->certificates[i];
    return conf->certificates;
}

/* Tries each certificate, so that one that OpenSSL refuses is known now and not at a handshake. */
static bool certificates_usable(SSL_CTX *ctx, const struct conf *conf)
{
    SSL *probe = SSL_new(ctx);
    bool ok = probe != NULL;
    for (size_t i = 0; ok && i < conf->certificates_n; i++) {
        const struct conf_certificate *c = &conf->certificates[i];
        ok = SSL_use_cert_and_key(probe, c->x509, c->pkey, c->chain, 1) == 1;
        if (!ok)
            log_write(LOG_LEVEL_ERROR, "certificate %s cannot be used: %s", c->cert.s,
                      tls_reason(tls_drain()));
    }
    SSL_free(probe);
    return ok;
}

static bool set_up(struct tls_server *server, const struct zone *tickets)
{
    SSL_CTX *ctx = server->ctx;
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ctx, SESSION_SECONDS);
    SSL_CTX_set_tlsext_servername_callback(ctx, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(ctx, server);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    if (!tickets) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
    }
    return SSL_CTX_set_cipher_list(ctx, CIPHERS_12) && SSL_CTX_set_ciphersuites(ctx, CIPHERS_13) &&
           SSL_CTX_set_session_id_context(ctx, session_context, sizeof(session_context) - 1) &&
           (!tickets || tls_tickets_use(ctx, tickets));
}

struct tls_server *tls_server_make(const struct conf *conf, const struct zone *tickets)
{
    if (conf->certificates_n == 0) {
        log_write(LOG_LEVEL_ERROR, "a listener with ssl needs a certificate, and there is none");
        return NULL;
    }
    struct tls_server *server = calloc(1, sizeof(*server));
    if (!server)
        return NULL;
    const struct conf_certificate *c = server->fallback = fallback_of(conf);
    server->ctx = tls_context(TLS_server_method());
    if (server->ctx && index_names(server, conf) && set_up(server, tickets) &&
        certificates_usable(server->ctx, conf) &&
        SSL_CTX_use_cert_and_key(server->ctx, c->x509, c->pkey, c->chain, 1) == 1)
        return server;
    unsigned long code = tls_drain();
    if (code)
        log_write(LOG_LEVEL_ERROR, "TLS cannot be set up: %s", tls_reason(code));
    tls_server_free(&server);
    return NULL;
}

void tls_server_free(struct tls_server **server)
{
    if (!*server)
        return;
    SSL_CTX_free((*server)->ctx);
    free((*server)->names);
    free(*server);
    *server = NULL;
}

SSL_CTX *tls_server_context(const struct tls_server *server)
{
    return server->ctx;
}
