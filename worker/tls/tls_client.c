/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connecting side. Services that ask for the same trust and show the same certificate share one
 * SSL_CTX, since it and the certificates of its authorities are what costs memory and start-up
 * time. What is a service's own is small: the name to check, and the sessions that servers left. A
 * session is offered again only to the same target and name, because it stands for the check that
 * was made of that server's certificate.
 */
#include "conf/fnv.h"
#include "shm/assert.h"
#include "worker/base/log.h"
#include "worker/tls/tls_parts.h"
#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { SESSIONS = 64 }; /* kept for one service; targets whose keys collide take turns */

struct session {
    uint64_t key;
    SSL_SESSION *session; /* NULL: none */
};

/* What services can share. */
struct profile {
    struct profile *next;
    SSL_CTX *ctx;
    unsigned users;
    bool verify;
    const char *authorities;           /* a PEM file's path; "": the system's */
    const struct stack_st_X509 *known; /* what the file held; NULL: it is read now */
    const struct conf_certificate *certificate;
};

struct tls_client {
    struct profile *profile;
    const struct conf_service *service;
    char host[TLS_NAME_MAX + 1]; /* without brackets */
    bool is_address;
    struct session *sessions; /* SESSIONS of them; NULL until there is one */
};

static struct {
    struct profile *profiles;
} context;

static const unsigned char protocols[] = "\x08http/1.1";

/* --- profiles ------------------------------------------------------------------------------- */

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *tls = tls_of(ssl);
    tls_client_keep(tls->client, tls->session_key, session);
    return 1;
}

static bool know(SSL_CTX *ctx, const struct stack_st_X509 *list)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    for (int i = 0; i < sk_X509_num(list); i++)
        if (!X509_STORE_add_cert(store, sk_X509_value(list, i)))
            return false;
    return true;
}

static bool trust(SSL_CTX *ctx, const struct profile *p)
{
    if (!p->verify)
        return true;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (p->known)
        return know(ctx, p->known);
    return p->authorities[0] ? SSL_CTX_load_verify_file(ctx, p->authorities)
                             : SSL_CTX_set_default_verify_paths(ctx);
}

static bool show(SSL_CTX *ctx, const struct conf_certificate *c)
{
    return !c || SSL_CTX_use_cert_and_key(ctx, c->x509, c->pkey, c->chain, 1) == 1;
}

static SSL_CTX *make_context(const struct profile *p)
{
    SSL_CTX *ctx = tls_context(TLS_client_method());
    if (!ctx)
        return NULL;
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    /* 0 is success, for this function alone */
    if (SSL_CTX_set_alpn_protos(ctx, protocols, sizeof(protocols) - 1) == 0 && trust(ctx, p) &&
        show(ctx, p->certificate))
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

static bool same(const struct profile *a, const struct profile *b)
{
    return a->verify == b->verify && a->certificate == b->certificate &&
           strcmp(a->authorities, b->authorities) == 0;
}

static struct profile *profile_for(const struct conf_service *service)
{
    struct profile wanted = { .verify = service->tls_verify,
                              .authorities = service->tls_verify ? service->ca_certificates.s : "",
                              .known = service->tls_verify ? service->authorities : NULL,
                              .certificate = service->client_certificate };
    struct profile *p = context.profiles;
    while (p && !same(p, &wanted))
        p = p->next;
    if (!p) {
        wanted.ctx = make_context(&wanted);
        p = wanted.ctx ? malloc(sizeof(*p)) : NULL;
        if (!p) {
            SSL_CTX_free(wanted.ctx);
            return NULL;
        }
        *p = wanted;
        p->next = context.profiles;
        context.profiles = p;
    }
    p->users++;
    return p;
}

static void release(struct profile *p)
{
    must(p->users > 0);
    if (--p->users > 0)
        return;
    struct profile **link = &context.profiles;
    while (*link != p)
        link = &(*link)->next;
    *link = p->next;
    SSL_CTX_free(p->ctx);
    free(p);
}

/* --- clients -------------------------------------------------------------------------------- */

static bool is_address(const char *text)
{
    struct in6_addr address; /* large enough for both */
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/* The service's host as certificates name it: without the brackets of an IPv6 address. */
static bool set_host(struct tls_client *client, struct conf_text host)
{
    bool bracketed = host.n > 2 && host.s[0] == '[' && host.s[host.n - 1] == ']';
    size_t n = bracketed ? host.n - 2 : host.n;
    if (n == 0 || n > TLS_NAME_MAX)
        return false;
    memcpy(client->host, host.s + bracketed, n);
    client->host[n] = '\0';
    client->is_address = is_address(client->host);
    return true;
}

struct tls_client *tls_client_make(const struct conf_service *service)
{
    struct tls_client *client = calloc(1, sizeof(*client));
    if (!client)
        return NULL;
    client->service = service;
    bool named = set_host(client, service->host);
    if (named && (client->profile = profile_for(service)))
        return client;
    log_write(LOG_LEVEL_ERROR, "service %s: TLS cannot be set up: %s", service->name.s,
              named ? tls_reason(tls_drain())
                    : "the host is no name that a certificate could have");
    tls_client_free(&client);
    return NULL;
}

void tls_client_free(struct tls_client **client)
{
    struct tls_client *c = *client;
    if (!c)
        return;
    *client = NULL;
    for (size_t i = 0; c->sessions && i < SESSIONS; i++)
        SSL_SESSION_free(c->sessions[i].session);
    free(c->sessions);
    if (c->profile)
        release(c->profile);
    free(c);
}

SSL_CTX *tls_client_context(const struct tls_client *client)
{
    return client->profile->ctx;
}

/* --- one connection ------------------------------------------------------------------------- */

/* Two names that meet offer each other's sessions to one target, which looks at the name as well.
 */
static uint64_t session_key(uint64_t peer, const char *name)
{
    uint64_t hash = fnv_text(peer, name);
    return hash ^ hash >> 32;
}

/* A copy is offered: OpenSSL forbids to resume the one it used with TLS 1.3, but not every server
 * leaves a new one. */
static void offer_session(struct tls_client *client, struct tls *tls)
{
    const struct session *slot =
        client->sessions ? &client->sessions[tls->session_key % SESSIONS] : NULL;
    if (!slot || !slot->session || slot->key != tls->session_key)
        return;
    SSL_SESSION *copy = SSL_SESSION_dup(slot->session);
    if (copy)
        SSL_set_session(tls->ssl, copy);
    SSL_SESSION_free(copy);
}

static bool expect_host(const struct tls_client *client, SSL *ssl)
{
    if (!client->service->tls_verify)
        return true;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return client->is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), client->host)
                              : SSL_set1_host(ssl, client->host);
}

bool tls_client_prepare(struct tls_client *client, struct tls *tls, uint64_t peer, struct slice sni)
{
    char name[TLS_NAME_MAX + 1] = "";
    tls->client = client;
    if (sni.n > 0 && sni.n <= TLS_NAME_MAX)
        memcpy(name, sni.p, sni.n);
    else
        strcpy(name, client->host);
    if (name[0] == '[' || is_address(name)) /* as a Host has it; RFC 6066 section 3: names alone */
        name[0] = '\0';
    tls->session_key = session_key(peer, name);
    if ((name[0] && !SSL_set_tlsext_host_name(tls->ssl, name)) || !expect_host(client, tls->ssl))
        return false;
    offer_session(client, tls);
    return true;
}

void tls_client_keep(struct tls_client *client, uint64_t key, SSL_SESSION *session)
{
    if (!client->sessions)
        client->sessions = calloc(SESSIONS, sizeof(*client->sessions));
    if (!client->sessions) {
        SSL_SESSION_free(session);
        return;
    }
    struct session *slot = &client->sessions[key % SESSIONS];
    SSL_SESSION_free(slot->session);
    *slot = (struct session){ key, session };
}
