/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of response-transformer: Kong's fields and meanings; dots_in_keys and
 * allow are those of its larger sister. */
#ifndef CONF_PLUGIN_RESPONSE_TRANSFORMER_H
#define CONF_PLUGIN_RESPONSE_TRANSFORMER_H

#include "conf/transform.h"

struct conf_response_transformer {
    struct conf_transform headers;
    struct conf_body_transform json;
};

#endif
