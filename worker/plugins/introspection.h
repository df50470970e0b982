/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about tokens and their answers (RFC 7662), as text. Pure: bytes in, verdict out. What a
 * service says is as little trusted as what a client says: it is bounded, and what could not be
 * said in a field of a request makes it unusable.
 *
 * An answer is kept as lines: "active" or "inactive", then "name value" for each member that is
 * told on.
 */
#ifndef PLUGINS_INTROSPECTION_H
#define PLUGINS_INTROSPECTION_H

#include "conf/plugins/plugin_oauth2_introspection.h"
#include "worker/inquiry/inquiry.h"

/* Whether it has the form of a bearer token (RFC 6750 section 2.1): nothing that could break out of
 * a field or an argument. */
bool introspection_is_token(struct slice text);

/* The form that is sent: token and, unless empty, token_type_hint. `out` has room for
 * introspection_form_room() bytes. Returns the length. */
size_t introspection_form_room(struct slice token, struct slice hint);
size_t introspection_form(struct slice token, struct slice hint, char *out);

/* See struct inquiry; config: struct conf_oauth2_introspection. */
bool introspection_read(const void *config, int status, struct slice body, int64_t now,
                        struct inquiry_answer *out);

/* What is read of the lines again. */
bool introspection_is_active(struct slice lines);
/* Walks the members: true with the next one while there are any. `rest` is all lines at first. */
bool introspection_next(struct slice *rest, struct slice *name, struct slice *value);
/* The value of one; {NULL, 0}: it is not there. */
struct slice introspection_member(struct slice lines, const char *name);

/* Whether the words of `scope` are enough: all words of one of `required`, or nothing is. */
bool introspection_suffices(struct slice scope, const struct conf_texts *required);

/* Whether one of the names in `aud` is one of `required`, or nothing is. */
bool introspection_is_for(struct slice aud, const struct conf_texts *required);

#endif
