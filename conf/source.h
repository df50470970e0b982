/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration as written: what the reader fills, one struct a group of the file. Each holds
 * the struct that others see (`as`) and, beside it, what is said in the file in another form
 * (references by name, addresses as text). `at` is where it was read, and dangles once the load has
 * ended. Only conf/ knows these.
 */
#ifndef CONF_SOURCE_H
#define CONF_SOURCE_H

#include "conf/conf.h"
#include "conf/plugin.h"
#include <libconfig.h>

struct source_listen {
    struct conf_listen as;
    struct conf_text address;
    const config_setting_t *at;
};

struct source_dict {
    struct conf_dict as;
    const config_setting_t *at;
};

struct source_certificate {
    struct conf_text cert, key; /* as written; "" in a client_certificate that is not there */
    struct conf_texts snis;
    const config_setting_t *at;
};

struct source_target {
    struct conf_target as;
    const config_setting_t *at;
};

struct source_upstream {
    struct conf_upstream as;
    struct source_list targets; /* source_target */
    const config_setting_t *at;
};

struct source_plugin {
    struct conf_plugin as;
    struct conf_text service, route, consumer; /* names; "" = any */
    void *config; /* the kind's own struct, which begins with the public one; or NULL */
    const config_setting_t *at;
};

struct source_route {
    struct conf_route as;
    struct conf_texts paths;
    struct source_list headers; /* conf_route_header */
    struct source_list plugins; /* source_plugin */
    const config_setting_t *at;
};

struct source_service {
    struct conf_service as;
    struct conf_text url, ca_certificates;
    struct source_certificate client_certificate;
    struct source_list routes;  /* source_route */
    struct source_list plugins; /* source_plugin */
    const config_setting_t *at;
};

struct source_key {
    struct conf_key as;
    const config_setting_t *at;
};

struct source_jwt_secret {
    struct conf_jwt_secret as;
    struct conf_text rsa_public_key; /* PEM text, or "@" and a file */
    const config_setting_t *at;
};

struct source_basic {
    struct conf_basic as;
    const config_setting_t *at;
};

struct source_hmac {
    struct conf_hmac as;
    const config_setting_t *at;
};

struct source_group {
    struct conf_text group;
    const config_setting_t *at;
};

struct source_consumer {
    struct conf_consumer as;
    struct source_list keys;        /* source_key */
    struct source_list jwt_secrets; /* source_jwt_secret */
    struct source_list basics;      /* source_basic */
    struct source_list hmacs;       /* source_hmac */
    struct source_list acls;        /* source_group */
    struct source_list plugins;     /* source_plugin */
    const config_setting_t *at;
};

struct source {
    struct conf as;
    struct conf_text prefix, pid_file, control_socket, error_log, access_log, status_listen,
        admin_listen;
    struct conf_texts trusted_ips, dns_resolver;
    struct source_list proxy_listen; /* source_listen */
    struct source_list shared_dicts; /* source_dict */
    struct source_list certificates; /* source_certificate */
    struct source_list upstreams;    /* source_upstream */
    struct source_list services;     /* source_service */
    struct source_list consumers;    /* source_consumer */
    struct source_list plugins;      /* source_plugin */
};

#endif
