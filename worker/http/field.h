/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field names that the gateway knows, and one parsed field line. The table is fields.def; a name outside it has
 * the id FIELD_OTHER and is compared as text.
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
    FIELD_HOP = 1,    /* hop by hop: never forwarded (RFC 9110 section 7.6.1) */
    FIELD_OURS = 2,   /* the gateway sets it itself on the way upstream: the client's is not copied */
    FIELD_SINGLE = 4, /* a second line is an error (Host, Content-Length, ...) */
};

struct field {
    const char *name; /* as received, no case folding; points into the read buffer */
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

#endif
