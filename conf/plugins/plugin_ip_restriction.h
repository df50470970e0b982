/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of ip-restriction: Kong's fields and meanings. */
#ifndef CONF_PLUGIN_IP_RESTRICTION_H
#define CONF_PLUGIN_IP_RESTRICTION_H

#include "conf/networks.h"

struct conf_ip_restriction {
    struct conf_networks allow, deny; /* empty: not asked */
    int status;
    struct conf_text message;
};

#endif
