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

const char *const limit_by_period_names[LIMIT_BY_PERIODS] = { "second", "minute", "hour",
                                                              "day",    "month",  "year" };

void limit_by_periods(struct load *load, const int limits[LIMIT_BY_PERIODS],
                      const config_setting_t *at)
{
    int last = -1;
    for (int i = 0; i < LIMIT_BY_PERIODS; i++) {
        if (limits[i] == 0)
            continue;
        if (last >= 0 && limits[i] < limits[last])
            report_key(&load->report, at, limit_by_period_names[i],
                       "%d is less than the limit of a %s, %d", limits[i],
                       limit_by_period_names[last], limits[last]);
        last = i;
    }
    if (last < 0)
        report_key(&load->report, at, "minute", "is missing: at least one limit must be set");
}

void limit_by_check(struct load *load, const struct source_plugin *p, const struct conf_counted *c)
{
    const config_setting_t *config = config_setting_get_member(p->at, "config");
    const config_setting_t *at = config ? config : p->at;

    if (c->limit_by == CONF_LIMIT_BY_HEADER && c->header_name.n == 0)
        report_key(&load->report, at, "header_name", "is missing: limit_by is \"header\"");
    if (c->limit_by == CONF_LIMIT_BY_PATH && c->path.n == 0)
        report_key(&load->report, at, "path", "is missing: limit_by is \"path\"");
}
