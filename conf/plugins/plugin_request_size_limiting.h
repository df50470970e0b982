/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of request-size-limiting: Kong's fields and meanings. */
#ifndef CONF_PLUGIN_REQUEST_SIZE_LIMITING_H
#define CONF_PLUGIN_REQUEST_SIZE_LIMITING_H

#include <stdbool.h>
#include <stdint.h>

struct conf_request_size_limiting {
    uint64_t allowed; /* bytes */
    bool require_content_length;
};

#endif
