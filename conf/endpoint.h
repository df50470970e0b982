/* SPDX-License-Identifier: Apache-2.0 */
/* Where to listen and where to connect to: addresses, networks, targets, URLs, and their
 * texts. */
#ifndef CONF_ENDPOINT_H
#define CONF_ENDPOINT_H

#include "conf/conf.h"

struct endpoint_url {
    enum conf_protocol protocol;
    struct conf_text
        host; /* slice of the text, not terminated; an IPv6 address without its brackets */
    int port; /* the protocol's when none is written */
    struct conf_text path; /* slice; "" or begins with "/" */
};

/* All return NULL, or the reason worded to follow the quoted text ("is not ..."). `text` is a
 * terminated string. An address that is refused keeps no length, if it had none. */
const char *endpoint_address(struct conf_text text,
                             struct conf_address *out); /* IP:PORT, [IP6]:PORT, unix:/PATH */
const char *endpoint_cidr(struct conf_text text,
                          struct conf_cidr *out); /* IP or IP/BITS; other bits cleared */
const char *endpoint_url(struct conf_text text, struct endpoint_url *out);
/* host, host:port, IP, [IP6]:port or unix:/path; *host is a slice of text ("" for unix), *port as
 * written or `port`. */
const char *endpoint_target(struct conf_text text, int port, struct conf_text *host, int *out);

enum { ENDPOINT_SIX = 46 };

/* The one form that an IPv6 address has (RFC 5952), of those in which it may be written,
 * terminated: what is compared, named and stored is that. False: it is none. */
bool endpoint_six(const char *s, size_t n, char out[ENDPOINT_SIX]);

/* NULL, or why nobody can be reached at it: a link-local address, or one with a zone. */
const char *endpoint_of_a_link(struct conf_text host);

/* A host of `unix:/path` or an address in text, without asking anybody. False: it is a name. */
bool endpoint_literal(struct conf_text host, int port, struct sockaddr_storage *addr,
                      socklen_t *len);
bool endpoint_unix(struct conf_text text, struct sockaddr_storage *addr, socklen_t *len);

enum { ENDPOINT_TEXT = 128 };

/* Where a target of which target, host and port are known can be reached, with its text in
 * text[ENDPOINT_TEXT], which out->text is. False: its name has to be asked for. */
bool endpoint_place(const struct conf_target *target, struct conf_address *out, char *text);
void endpoint_set_port(struct sockaddr_storage *addr, int port);

/* "127.0.0.1:9001", "[::1]:9001", "unix:/path". */
void endpoint_text(const struct sockaddr_storage *addr, char out[ENDPOINT_TEXT]);

/* True for 127.0.0.0/8, ::1 and Unix sockets. */
bool endpoint_is_local(const struct conf_address *address);

#endif
