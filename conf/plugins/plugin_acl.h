/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of acl: Kong's fields and meanings. */
#ifndef CONF_PLUGIN_ACL_H
#define CONF_PLUGIN_ACL_H

#include "conf/text.h"
#include <stdbool.h>

struct conf_acl {
    struct conf_texts allow, deny; /* groups; exactly one of them has some */
    bool hide_groups_header;
    bool always_use_authenticated_groups; /* refused where it is true */
};

#endif
