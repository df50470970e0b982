/* SPDX-License-Identifier: Apache-2.0 */
/* What the tls_*.c files share and nobody else includes: the connection as it is, and the way to
 * the socket. */
#ifndef WORKER_TLS_PARTS_H
#define WORKER_TLS_PARTS_H

#include "worker/tls/tls.h"
#include <openssl/ssl.h>

enum {
    TLS_RECORD_MAX = 16384,                 /* plaintext of one record (RFC 8446 section 5.1) */
    TLS_RECORD_ROOM = TLS_RECORD_MAX + 256, /* and what it becomes when sealed */
    TLS_WRITE_MAX = 4 * TLS_RECORD_MAX,     /* plaintext of one tls_writev() */
    TLS_READ_AHEAD = 2 * TLS_RECORD_ROOM,
    TLS_NAME_MAX = 255,
};

struct tls {
    SSL *ssl;
    struct tls_client *client; /* NULL: server side */
    uint64_t session_key;      /* client side: where its session is kept */
    char *sni;                 /* server side: lower case; NULL: none */
    unsigned char *out;        /* sealed bytes that the socket did not take yet; NULL: none */
    uint32_t out_from, out_n;  /* what is left is out[out_from..out_n) */
    int fd;
    int recv_errno, send_errno; /* of the call that broke that direction; 0: none did */
    unsigned long reason;       /* OpenSSL's code; 0: none */
    bool done;                  /* the handshake is over */
    bool failed;                /* nothing more can be read or written */
    bool ended;                 /* close_notify came */
    bool drained;               /* the last recv gave less than it could hold, or nothing */
    bool fresh; /* no recv yet in this call: an event may have come since the last one */
    bool eof;   /* recv gave 0 */
    bool owed;  /* one byte was sealed that tls_writev() did not report as taken */
    bool last;  /* the record that comes is the last one of this call */
};

/* The callbacks' way back from OpenSSL to the connection. */
struct tls *tls_of(const SSL *ssl);

/* Empties OpenSSL's error queue; returns the code that tells most, 0 when it was empty. */
unsigned long tls_drain(void);
const char *tls_reason(unsigned long code);

/* What every SSL_CTX of ours has, either side. NULL: no memory. */
SSL_CTX *tls_context(const SSL_METHOD *method);

/* --- tls_bio.c: between OpenSSL and the socket ---------------------------------------------- */

/* Joins ssl and tls: ssl reads and writes tls->fd from now on. False: no memory. */
bool tls_bio_join(struct tls *tls);
/* Sends what is staged and left over. True: all of it is on its way. False: the socket is full, or
 * tls->send_errno. */
bool tls_bio_flush(struct tls *tls);
/* Forgets what is staged. */
void tls_bio_drop(void);
static inline bool tls_bio_clean(const struct tls *tls)
{
    return tls->out == NULL;
}
/* A buffer of TLS_RECORD_MAX bytes that is the caller's until it calls anything here. */
unsigned char *tls_bio_scratch(void);

/* --- tls_server.c, tls_client.c, tls_tickets.c ---------------------------------------------- */

SSL_CTX *tls_server_context(const struct tls_server *server);

/* Prepares a connection to the service: names, the session to offer. False: no memory. */
bool tls_client_prepare(struct tls_client *client, struct tls *tls, uint64_t peer,
                        struct slice sni);
SSL_CTX *tls_client_context(const struct tls_client *client);
/* Keeps a session that a server left; takes the reference over. */
void tls_client_keep(struct tls_client *client, uint64_t key, SSL_SESSION *session);

/* Seals and opens tickets of `ctx` with the keys of the zone, which must outlive it. False: no
 * memory. */
bool tls_tickets_use(SSL_CTX *ctx, const struct zone *tickets);

#endif
