/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an HTTP/1 message, request or response, parsed in place (RFC 9112). Pure: bytes in,
 * verdict out; no allocation, no I/O. Slices point into the caller's buffer and hold as long as it
 * does not move.
 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "worker/http/field.h"

enum { HEAD_FIELDS_MAX = 128 };

enum head_method {
    METHOD_OTHER,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_PATCH,
    METHOD_OPTIONS,
    METHOD_CONNECT,
    METHOD_TRACE
};

enum head_framing {
    FRAMING_NONE,   /* no body */
    FRAMING_LENGTH, /* content_length bytes, may be 0 */
    FRAMING_CHUNKED,
    FRAMING_CLOSE, /* responses: until the connection ends */
};

struct head {
    /* request line */
    enum head_method method;
    struct slice method_text;
    struct slice target; /* request-target as received */
    struct slice path;   /* origin-form or absolute-form: the path with query, "*" for OPTIONS * */
    struct slice authority; /* absolute-form's authority, or absent */
    struct slice host; /* the Host field's value, checked for form; equals authority where both are
                        * there; the authority, or absent, in HTTP/1.0 without Host */
    struct slice host_name; /* host without its port, as received, IPv6 in brackets */
    int host_port;          /* 0: none */
    /* status line */
    int status;
    struct slice reason;
    /* both */
    int minor; /* HTTP/1.minor, 0 or 1 */
    enum head_framing framing;
    uint64_t content_length; /* with FRAMING_LENGTH; also where Content-Length is there but no body:
                                HEAD, 304 */
    bool keep_alive;         /* what version and Connection say */
    bool upgrade;            /* Connection names upgrade and Upgrade is there */
    bool expect_continue;    /* requests */
    bool te_trailers;        /* requests: TE names trailers */
    uint16_t fields_n;
    uint8_t first[FIELD_IDS]; /* 1 + index of the first line with that id, 0 = absent */
    struct field fields[HEAD_FIELDS_MAX];
};

/* Verdicts below zero. Each has one text (head_error_text) and one status for a client
 * (head_error_status). */
#define HEAD_ERRORS(X)                                                                             \
    X(SYNTAX, 400, "malformed start line")                                                         \
    X(VERSION, 505, "HTTP version not supported")                                                  \
    X(METHOD, 400, "malformed method")                                                             \
    X(TARGET, 400, "malformed request target")                                                     \
    X(FIELD_NAME, 400, "malformed field name")                                                     \
    X(FIELD_VALUE, 400, "control byte in a field value")                                           \
    X(OBS_FOLD, 400, "obsolete line folding")                                                      \
    X(BARE_CR, 400, "bare CR")                                                                     \
    X(TOO_MANY_FIELDS, 431, "too many header fields")                                              \
    X(LENGTH, 400, "malformed or differing Content-Length")                                        \
    X(LENGTH_AND_CODING, 400, "Content-Length together with Transfer-Encoding")                    \
    X(CODING, 501, "transfer coding not implemented")                                              \
    X(CODING_ORDER, 400, "chunked is not the last transfer coding")                                \
    X(CODING_VERSION, 400, "Transfer-Encoding in an HTTP/1.0 message")                             \
    X(HOST, 400, "missing, repeated or malformed Host")                                            \
    X(HOST_DIFFERS, 400, "Host differs from the request target")                                   \
    X(EXPECT, 417, "expectation not supported")                                                    \
    X(CONNECTION, 400, "malformed Connection")                                                     \
    X(STATUS, 400, "malformed status line")                                                        \
    X(BARE_LF, 400, "bare LF")                                                                     \
    X(REPEATED, 400, "repeated field that may be there only once")                                 \
    X(CODING_SYNTAX, 400, "malformed Transfer-Encoding")

enum head_error {
    HEAD_MORE = 0, /* incomplete so far */
#define HEAD_ERROR_ENUM(id, status, text) HEAD_POS_##id,
    HEAD_ERRORS(HEAD_ERROR_ENUM)
#undef HEAD_ERROR_ENUM
};

/* Parses a request head at buf[0..n). `seen`: bytes of an earlier call that said HEAD_MORE (0 at
 * first), so that a head which trickles in is not parsed anew for each byte. Empty lines before the
 * request line are skipped (RFC 9112 section 2.2). Returns the head's length in bytes (> 0),
 * HEAD_MORE, or minus an error of enum head_error. */
int head_request(const char *buf, size_t n, size_t seen, struct head *h);

/* Parses a response head. `to`: the method of the request it answers, which decides the framing
 * (RFC 9112 section 6.3). */
int head_response(const char *buf, size_t n, size_t seen, enum head_method to, struct head *h);

int head_error_status(int error);
const char *head_error_text(int error);

/* The first line with that id, or NULL. */
static inline const struct field *head_field(const struct head *h, enum field_id id)
{
    return h->first[id] ? &h->fields[h->first[id] - 1] : NULL;
}
static inline struct slice field_value(const struct field *f)
{
    return f ? slice_of(f->value, f->value_n) : (struct slice){ NULL, 0 };
}
/* The next line with the same id after `f`, or NULL. */
const struct field *head_next(const struct head *h, const struct field *f);
/* The first line with a name outside the table (any case), or NULL; known names are found too. */
const struct field *head_find(const struct head *h, struct slice name);

enum head_method head_method(const char *p, size_t n);

#endif
