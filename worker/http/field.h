/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field names that the gateway knows, and one parsed field line. The table is fields.def; a name
 * outside it has the id FIELD_OTHER and is compared as text.
 */
#ifndef HTTP_FIELD_H
#define HTTP_FIELD_H

#include "worker/base/slice.h"

enum field_id {
    FIELD_OTHER,
#define FIELD(id, name, flags) FIELD_##id,
#include "worker/http/fields.def"
#undef FIELD
    FIELD_IDS
};

/* What holds for a known name, whoever sends it. */
enum field_flag {
    FIELD_HOP = 1,  /* hop by hop: never forwarded (RFC 9110 section 7.6.1) */
    FIELD_OURS = 2, /* the gateway sets it itself on the way upstream: the client's is not copied */
    FIELD_SINGLE = 4, /* a second line is an error (Host, Content-Length, ...) */
    FIELD_WHO = 8,    /* tells upstreams who asks: the gateway's word alone, never the client's */
};

/* Those that vouch for a body byte by byte (RFC 9530, and what was before it): of a body that is
 * changed on the way they are not true. */
enum { FIELD_DIGESTS = 4 };
extern const struct slice field_digests[FIELD_DIGESTS];

struct field {
    const char *name;  /* as received, no case folding; points into the read buffer */
    const char *value; /* without surrounding white space */
    uint32_t value_n;
    uint16_t name_n;
    uint8_t id;   /* enum field_id */
    uint8_t drop; /* 1: named by Connection, or taken out by a plugin; not forwarded */
};

/* The id of a name, any case; FIELD_OTHER when unknown. Constant time in the size of the table. */
enum field_id field_lookup(const char *name, size_t n);
struct slice field_name(enum field_id id); /* canonical spelling, "Content-Type" */
unsigned field_flags(enum field_id id);

/* Whether a field with that id and name says who asks: X-Consumer-*, X-Credential-*,
 * X-Anonymous-Consumer. Upstreams believe these, so they are the gateway's alone. */
bool field_tells_who(enum field_id id, struct slice name);

/* The name that a server after CGI takes `name` for, where "-" and "_" are one (RFC 3875 section
 * 4.1.18): with "-" for each "_", in `room`; `name` itself where it has none or is too long. */
enum { FIELD_ALIKE_MAX = 64 };
struct slice field_alike(struct slice name, char room[FIELD_ALIKE_MAX]);

/* Sets the id of each of n fields, and first[id] to 1 + the index of the first line with it;
 * first[] is zeros before. Returns the id of a FIELD_SINGLE field that is there twice, FIELD_OTHER
 * when there is none. */
enum field_id field_identify(struct field *fields, unsigned n, uint8_t first[FIELD_IDS]);

/* What comes before the next `mark` outside quoted strings, untrimmed, may be empty; *rest becomes
 * what follows the mark, empty at the end. */
struct slice field_cut(struct slice *rest, char mark);
/* The same at the next comma of a list of entity tags, where a backslash is a character as any
 * other (RFC 9110 section 8.8.3). */
struct slice field_cut_tag(struct slice *rest);

/* Walks a comma-separated list (RFC 9110 section 5.6.1): true with the next element, trimmed, while
 * there are any. Commas between double quotes do not separate; empty elements are skipped. */
bool field_list_next(struct slice *rest, struct slice *element);
struct slice field_trim(struct slice text); /* without spaces and tabs at both ends */

/* The credentials in an Authorization field of that scheme, in any case (RFC 9110 section 11.4),
 * trimmed; {NULL, 0}: another scheme, or nothing behind it. */
struct slice field_credentials(struct slice value, struct slice scheme);

#endif
