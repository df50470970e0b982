/* SPDX-License-Identifier: Apache-2.0 */
/* Media types as proxy-cache compares them (RFC 9110 section 8.3.1). */
#ifndef CONF_MIME_H
#define CONF_MIME_H

#include "conf/memory.h"
#include "conf/plugins/plugin_proxy_cache.h"

enum { MIME_PARAMETERS = 16 };

/* "type/subtype" and at most MIME_PARAMETERS parameters; "*" may stand for type and subtype. */
bool mime_is_valid(const char *s, size_t n);

/* The form described at struct conf_mime, of a text that is valid. */
void mime_parse(struct memory *memory, struct conf_text text, struct conf_mime *out);

#endif
