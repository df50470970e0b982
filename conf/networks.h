/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of IP networks, made at load and then only asked. What is stored is sorted and disjoint, so
 * that one binary search decides: at 100,000 networks 17 steps over neighbouring memory, where a
 * tree of prefixes would follow up to 128 pointers.
 */
#ifndef CONF_NETWORKS_H
#define CONF_NETWORKS_H

#include "conf/conf.h"

struct conf_networks {
    const struct conf_cidr *v; /* by address; none lies within another */
    size_t n;
};

struct load;
struct config_setting_t;

/* Reads addresses and CIDRs as written; those that are none are reported at member `key` of `at`.
 */
struct conf_networks networks_read(struct load *load, const struct conf_texts *texts,
                                   const struct config_setting_t *at, const char *key);

/* Whether one of them holds `ip` (16 bytes, IPv4 mapped). */
bool networks_hold(const struct conf_networks *set, const uint8_t ip[16]);

#endif
