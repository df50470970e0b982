/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of request-transformer: Kong's fields and meanings; dots_in_keys,
 * json_types and allow are those of its larger sister. */
#ifndef CONF_PLUGIN_REQUEST_TRANSFORMER_H
#define CONF_PLUGIN_REQUEST_TRANSFORMER_H

#include "conf/transform.h"

struct conf_request_transformer {
    struct conf_text http_method;    /* "": stays */
    const struct conf_template *uri; /* NULL: stays */
    struct conf_transform headers, querystring;
    struct conf_body_transform body;
    bool by_field;   /* where it goes (URI, query, Host) depends on more than the URL */
    bool authorizes; /* Authorization may be made of what a client sent elsewhere */
};

#endif
