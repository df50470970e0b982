/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One load, from the file as read to the finished configuration. Each step takes what earlier steps
 * made, reports what is wrong and goes on, so that all errors come out at once; nothing is used
 * when any was reported. The order of the steps is in conf.c.
 */
#ifndef CONF_LOAD_H
#define CONF_LOAD_H

#include "conf/fields.h"
#include "conf/names.h"
#include "conf/reader.h"
#include "conf/report.h"

struct load {
    struct memory memory;  /* the configuration */
    struct memory scratch; /* what is dropped when the load ends */
    struct report report;
    struct reader reader;
    const char *folder;           /* where a relative prefix starts */
    const config_setting_t *root; /* the file */
    struct source *source;
    struct conf *conf;                                   /* source->as, being filled */
    struct names upstreams, services, routes, consumers; /* name: struct load_name */
    struct names ids;                                    /* "kind id": struct load_name */
    struct names scopes;                 /* plugin kind and scope: struct load_name */
    const config_setting_t **plugins_at; /* by conf_plugin.index */
    struct names secret_arguments;       /* those of conf->secret_arguments */
};

struct load_name {
    const void *entity;
    const config_setting_t *at;
};

/* What a kind of plugin adds to the table of fields, one in each plugin_<name>.c. */
struct load_kind {
    const struct fields_table *table;
    bool identifies; /* finds out who the consumer is, so an instance cannot be bound to one */
    /* Checks and completes p->config, which is read. References by name become pointers here. NULL:
     * nothing to do. */
    void (*finish)(struct load *load, struct source_plugin *p);
};

/* Puts `name` under `kind` into `names`; a duplicate is reported at member `key` of `at`. An empty
 * name is none. */
struct load_claim {
    struct names *names;
    const char *kind, *key; /* "service", "name" */
    struct conf_text name;
    const void *entity;
    const config_setting_t *at;
};
void load_claim(struct load *load, const struct load_claim *claim);
/* The entity of that name, or NULL. */
const void *load_find(const struct names *names, struct conf_text name);

/* *id stays as configured, or becomes a UUID of the claim's kind and name. Duplicates over a kind
 * are reported. */
void load_id(struct load *load, const struct load_claim *claim, struct conf_text *id);
/* The entity with that id, or NULL. */
const void *load_find_id(struct load *load, const char *kind, struct conf_text id);

/* The consumer that `name` (username, custom_id or id) stands for; NULL when "" or unknown, which
 * is reported at member `key` of `at`. Once consumers are finished. */
const struct conf_consumer *load_consumer(struct load *load, struct conf_text name,
                                          const config_setting_t *at, const char *key);

/* Arguments of URLs that hold credentials, to be kept out of logs. */
void load_secret_arguments(struct load *load, const struct conf_texts *names);

/* The pattern lives as long as the configuration, and ends with it. */
void load_regex(struct load *load, struct conf_regex *re);

/* `text` below the prefix unless it is absolute. */
struct conf_text load_path(struct load *load, struct conf_text text);

/* A terminated copy of a host; an IPv6 address, in brackets or not, in its one form without them.
 */
struct conf_text load_host(struct load *load, struct conf_text host);

/* How many instances the file has, over all scopes. */
size_t plugin_count(const struct source *source);
/* The settings of a kind of plugin. */
const struct fields_table *plugin_table(enum conf_plugin_kind kind);
bool plugin_identifies(enum conf_plugin_kind kind); /* see load_kind */

/* The steps. */
void process_finish(struct load *load); /* process, listeners, client side, dictionaries */
void certificates_finish(struct load *load);
void upstreams_finish(struct load *load);
void services_finish(struct load *load);
void routes_finish(struct load *load);
void consumers_finish(struct load *load); /* and credentials */
void plugin_finish(struct load *load);
void chains_finish(struct load *load);
void routes_check(struct load *load); /* what their chains must not hold */

/* An upstream for "host:port", made when first asked for; NULL when the host does not resolve
 * (reported at `key`). */
const struct conf_upstream *upstreams_implied(struct load *load, struct conf_text host, int port,
                                              const config_setting_t *at, const char *key);
/* A service that a plugin asks by itself; it has no routes, and no member of the file tells it. */
struct services_own {
    struct conf_text name; /* in logs */
    struct conf_text url;  /* PROTOCOL://HOST[:PORT][/PATH] */
    struct conf_text ca_certificates;
    bool tls_verify;
    int timeout;   /* ms, of each step */
    int keepalive; /* ms that its connections are kept idle, if its upstream is an implied one */
    const config_setting_t *at;
    const char *key; /* the member of `at` that said the url */
};
/* NULL: reported at `key`. No more than plugin_count() of them. */
const struct conf_service *services_own(struct load *load, const struct services_own *own);
/* Reads certificate and key into *out, which is zeroed memory of the load and ended with it; what
 * is wrong is reported at the members cert and key of `at`. */
void certificates_read(struct load *load, const struct source_certificate *from,
                       struct conf_certificate *out);
/* All certificates of a file, which live as long as the configuration; NULL: reported at member
 * `key` of `at`. */
const struct stack_st_X509 *certificates_list(struct load *load, struct conf_text path,
                                              const config_setting_t *at, const char *key);

#endif
