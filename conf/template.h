/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts with places to fill in from a request: "$(headers.x)", "$(query_params.x)",
 * "$(uri_captures.x)"; names in brackets may have any character, "$(headers["x-y"])", and captures
 * go by number too, "$(uri_captures[1])". "$(a or b or "text")" takes the first that is there.
 * Secrets (secret.h) are filled in when it is read.
 */
#ifndef CONF_TEMPLATE_H
#define CONF_TEMPLATE_H

#include "conf/memory.h"
#include <stdbool.h>

enum { TEMPLATE_PIECES = 32 };

enum conf_piece_kind { CONF_PIECE_TEXT, CONF_PIECE_HEADER, CONF_PIECE_QUERY, CONF_PIECE_CAPTURE };

struct conf_piece {
    enum conf_piece_kind kind;
    struct conf_text text; /* itself, or the name */
    int number;            /* of a capture; -1: it goes by name */
    bool or_next; /* the next piece stands where this one is not there, else it is passed */
};

struct conf_template {
    const struct conf_piece *pieces;
    size_t n;      /* at most TEMPLATE_PIECES */
    bool by_field; /* it depends on more than the URL */
};

/* In `memory`; NULL with the reason in why ("has ..."). */
const struct conf_template *template_read(struct memory *memory, struct conf_text text, char *why,
                                          size_t size);

#endif
