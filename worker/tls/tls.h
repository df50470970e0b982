/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS over non-blocking sockets for a single-threaded, edge-triggered worker: nothing here waits,
 * and nothing here registers events. The socket is registered once for IN|OUT|RDHUP|ET, and a
 * caller that was told to try again simply does so at the next event, of whatever kind. Return
 * values are those of read(2) and writev(2), with exact errno.
 *
 * The cost to aim at is one recv and one send a request, and a connection that is idle holds no
 * buffers.
 */
#ifndef WORKER_TLS_H
#define WORKER_TLS_H

#include "conf/conf.h"
#include "shm/region.h"
#include "worker/base/slice.h"
#include <sys/types.h>
#include <sys/uio.h>

struct tls;        /* one connection, either side; owned by the caller, but not its fd */
struct tls_server; /* what all accepted connections of a process share */
struct tls_client; /* what all connections to the targets of one service share */

enum tls_state { TLS_AGAIN, TLS_DONE, TLS_FAILED };

/* Certificates are chosen by SNI: the exact name, else a wildcard over one label, else the first
 * certificate without names, else the first. `conf` and `tickets` must outlive it. tickets NULL: no
 * resumption. NULL: the reason is in the error log; also when there are no certificates. */
struct tls_server *tls_server_make(const struct conf *conf, const struct zone *tickets);
/* Connections that were accepted with it must be closed before. */
void tls_server_free(struct tls_server **server);

/* For an https service: its host is what certificates are checked against, by its tls_verify and
 * ca_certificates. The service must outlive it. NULL: the reason is in the error log. */
struct tls_client *tls_client_make(const struct conf_service *service);
void tls_client_free(struct tls_client **client);

/* A connection over a connected non-blocking socket; its handshake has not begun. NULL: no memory.
 * The fd stays the caller's, who closes it after tls_close(). */
struct tls *tls_accept(struct tls_server *server, int fd);
/* `peer`: identity of the target (conf_peer.identity): a session that an earlier connection to it
 * left is offered again. `sni`: the name to ask for; absent: the service's host. An IP address is
 * never sent as a name. The certificate is checked against the service's host whatever `sni` says,
 * so that no client's Host can choose whom to trust. */
struct tls *tls_connect(struct tls_client *client, int fd, uint64_t peer, struct slice sni);

/* Sends close_notify if that is possible at once and the connection did not fail, then forgets the
 * connection. Does not close the fd. NULL and pointers to NULL are fine. */
void tls_close(struct tls **tls);
/* The same without close_notify, for what was cut short: the peer must not take it for the end. */
void tls_abort(struct tls **tls);

/* Begins or continues the handshake. TLS_DONE: go on with tls_read() while tls_pending(), no event
 * announces what came along with the handshake. TLS_FAILED: see tls_error(), then tls_close(). */
enum tls_state tls_handshake(struct tls *tls);

/* Reads what there is, up to n (> 0) bytes, over as many records as fit. > 0: bytes; *more says
 * whether another call may give more without an event (false: the socket was drained). 0: the peer
 * ended it cleanly (close_notify). -1, errno: EAGAIN; ECONNABORTED: the connection ended without
 * close_notify, so what came may be cut short; EPROTO: broken TLS, see tls_error(); otherwise
 * recv's errno (ECONNRESET, ...). *more is false for everything but data. A caller whose event
 * carried RDHUP or HUP reads on until 0 or -1, whatever *more says: the end gives no other event.
 */
ssize_t tls_read(struct tls *tls, void *buf, size_t n, bool *more);

/* Writes up to 64 KiB of the vectors in one send(2): small vectors share a record. Returns the
 * bytes taken, which may be fewer than given, or -1 with errno: EAGAIN, EPROTO, or send's
 * (ECONNRESET, EPIPE, ...). After a short count or EAGAIN the next call, at the next event, must
 * begin with the bytes that were not taken; they need not be at the same address. Everything that
 * was taken is on its way when the last byte was. */
ssize_t tls_writev(struct tls *tls, const struct iovec *iov, int n);

/* Sends close_notify, so that the peer reads an end; more can still be read. Best effort, does not
 * wait. */
void tls_end(struct tls *tls);

/* Bytes that came are waiting inside, or the socket was not drained: read without an event. */
bool tls_pending(const struct tls *tls);

/* Why it failed, for the log: "certificate verify failed: certificate has expired", "no shared
 * cipher", "http request", "Connection reset by peer"; "" when it did not. Holds until the next
 * call. */
const char *tls_error(const struct tls *tls);
/* It failed because the peer's certificate was not accepted (by us). */
bool tls_verify_failed(const struct tls *tls);
/* The client spoke plain HTTP to a TLS port; nothing has been sent: the caller may say 400 in the
 * clear. */
bool tls_plain_http(const struct tls *tls);

/* After the handshake. Slices hold until tls_close(). */
struct slice tls_sni(const struct tls *tls);  /* server side: what the client asked for, lower case;
                                                 absent: nothing */
struct slice tls_alpn(const struct tls *tls); /* "http/1.1"; absent: not negotiated */
const char *tls_version(const struct tls *tls); /* "TLSv1.3" */
const char *tls_cipher(const struct tls *tls);  /* "TLS_AES_128_GCM_SHA256" */
bool tls_resumed(const struct tls *tls);

#endif
