/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session tickets (RFC 5077, RFC 8446 section 4.6.1) with keys that all workers share and that
 * outlive a reload: the newest key seals, older ones open and have the client's ticket renewed.
 * AES-256-CBC with HMAC-SHA256 over name, IV and ciphertext is the format that OpenSSL lays out; we
 * only name the keys. The keys are read anew for each handshake, a copy of a few hundred bytes
 * beside a handshake's arithmetic.
 */
#include "shm/assert.h"
#include "shm/tickets.h"
#include "worker/tls/tls_parts.h"
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

enum {
    CANNOT = -1,
    UNKNOWN = 0,
    USE = 1,
    RENEW = 2
}; /* the callback's verdicts, as OpenSSL numbers them */

static struct {
    EVP_CIPHER *cipher; /* fetched once: looking it up by name takes a lock each time */
} context;

static bool arm(const struct ticket_key *key, unsigned char iv[EVP_MAX_IV_LENGTH],
                EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
    unsigned char secret[sizeof(key->hmac)];
    char digest[] = "SHA256";
    memcpy(secret, key->hmac, sizeof(secret));
    OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret,
                                                              sizeof(secret)),
                            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                            OSSL_PARAM_construct_end() };
    bool ok = EVP_CipherInit_ex(cipher, context.cipher, NULL, key->aes, iv, seal) == 1 &&
              EVP_MAC_CTX_set_params(mac, params) == 1;
    OPENSSL_cleanse(secret, sizeof(secret));
    return ok;
}

static int pick(const struct ticket_key *keys, int n, const unsigned char *name)
{
    for (int i = 0; i < n; i++)
        if (memcmp(keys[i].name, name, sizeof(keys[i].name)) == 0)
            return i;
    return -1;
}

/* TLS 1.3 clients use a ticket once (RFC 8446 appendix C.4): they need a new one each time. */
static bool single_use(const SSL *ssl, int seal)
{
    return !seal && SSL_version(ssl) >= TLS1_3_VERSION;
}

static int use_keys(SSL *ssl, unsigned char *name, unsigned char iv[EVP_MAX_IV_LENGTH],
                    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
    const struct zone *zone = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key keys[TICKETS_KEYS];
    int n = tickets_read(zone, keys), verdict = UNKNOWN;
    must(n >= 1 && n <= TICKETS_KEYS);
    int i = seal ? 0 : pick(keys, n, name);
    if (seal) {
        memcpy(name, keys[0].name, sizeof(keys[0].name));
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(context.cipher)) != 1)
            i = -1;
    }
    if (i >= 0)
        verdict = !arm(&keys[i], iv, cipher, mac, seal) ? CANNOT
                  : i == 0 && !single_use(ssl, seal)    ? USE
                                                        : RENEW;
    else if (seal)
        verdict = CANNOT;
    OPENSSL_cleanse(keys, sizeof(keys));
    return verdict;
}

bool tls_tickets_use(SSL_CTX *ctx, const struct zone *tickets)
{
    if (!context.cipher)
        context.cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (!context.cipher)
        return false;
    SSL_CTX_set_app_data(ctx, (void *)(uintptr_t)tickets);
    return SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, use_keys) == 1;
}
