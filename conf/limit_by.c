/* SPDX-License-Identifier: Apache-2.0 */
/* limit_by in the field tables of all plugins that have it. */
#include "conf/limit_rows.h"

const struct fields_name limit_by_names[] = { { "consumer", CONF_LIMIT_BY_CONSUMER },
                                              { "credential", CONF_LIMIT_BY_CREDENTIAL },
                                              { "ip", CONF_LIMIT_BY_IP },
                                              { "service", CONF_LIMIT_BY_SERVICE },
                                              { "route", CONF_LIMIT_BY_ROUTE },
                                              { "header", CONF_LIMIT_BY_HEADER },
                                              { "path", CONF_LIMIT_BY_PATH },
                                              { 0 } };

void limit_by_check(struct load *load, const struct source_plugin *p, const struct conf_counted *c)
{
    const config_setting_t *config = config_setting_get_member(p->at, "config");
    const config_setting_t *at = config ? config : p->at;

    if (c->limit_by == CONF_LIMIT_BY_HEADER && c->header_name.n == 0)
        report_key(&load->report, at, "header_name", "is missing: limit_by is \"header\"");
    if (c->limit_by == CONF_LIMIT_BY_PATH && c->path.n == 0)
        report_key(&load->report, at, "path", "is missing: limit_by is \"path\"");
}
