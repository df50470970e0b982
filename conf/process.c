/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The top level as checked: paths below the prefix, listeners, trusted networks, dictionaries.
 * Nothing is opened or made here: that is the master's.
 */
#include "conf/endpoint.h"
#include "conf/load.h"
#include "conf/networks.h"
#include "conf/value.h"
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

/* A relative prefix starts at the file's folder; trailing slashes go. */
static void read_prefix(struct load *load)
{
    struct source *source = load->source;
    struct conf_text prefix = source->prefix;
    if (prefix.s[0] != '/')
        prefix = memory_format(&load->memory, "%s/%s", load->folder, prefix.s);
    size_t n = prefix.n;
    while (n > 1 && prefix.s[n - 1] == '/')
        n--;
    source->prefix = memory_text(&load->memory, prefix.s, n);
    load->conf->prefix = source->prefix;
}

static bool is_word(struct conf_text text, const char *word)
{
    return strcmp(text.s, word) == 0;
}

static void read_paths(struct load *load)
{
    const struct source *source = load->source;
    struct conf *conf = load->conf;
    bool log = is_word(source->error_log, "stderr") || is_word(source->error_log, "syslog");
    bool access = is_word(source->access_log, "off") || is_word(source->access_log, "stdout");
    conf->pid_file = load_path(load, source->pid_file);
    conf->control_socket = load_path(load, source->control_socket);
    conf->error_log = log ? source->error_log : load_path(load, source->error_log);
    conf->access_log = access ? source->access_log : load_path(load, source->access_log);
    if (conf->control_socket.n >= sizeof(((struct sockaddr_un *)0)->sun_path))
        report_key(&load->report, load->root, "control_socket",
                   "%s is longer than a Unix socket's path may be (107 bytes)",
                   report_quote(&load->report, conf->control_socket.s, conf->control_socket.n));
}

/* The default account is the packager's business, and is missed at start; another one that is
 * missing is a mistake. */
static void check_user(struct load *load)
{
    const struct source *defaults = reader_preset(&load->reader, &fields_top);
    const char *user = load->conf->user.s;
    if (geteuid() != 0 || strcmp(user, defaults->as.user.s) == 0)
        return;
    errno = 0;
    if (!getpwnam(user))
        report_key(&load->report, load->root, "user", "there is no user %s",
                   report_quote(&load->report, user, strlen(user)));
}

enum { SEEN_ADDRESSES, SEEN_PORTS, SEEN }; /* listeners by address, and the first of each port */

static bool is_wildcard(const struct conf_address *a)
{
    return a->u.any.sa_family == AF_INET ? a->u.in.sin_addr.s_addr == INADDR_ANY
                                         : IN6_IS_ADDR_UNSPECIFIED(&a->u.in6.sin6_addr);
}

/* A wildcard address takes all others of its port, so that none of them can be bound beside it. */
static void claim_port(struct load *load, struct names *seen, const struct conf_address *address,
                       const config_setting_t *at, const char *key)
{
    bool six = address->u.any.sa_family == AF_INET6;
    if (address->u.any.sa_family == AF_UNIX)
        return;
    struct conf_text port =
        memory_format(&load->scratch, "%d:%u", six ? 6 : 4,
                      (unsigned)(six ? address->u.in6.sin6_port : address->u.in.sin_port));
    const struct conf_address *first = names_put(&seen[SEEN_PORTS], &load->scratch, port, address);
    if (first && is_wildcard(first) != is_wildcard(address))
        report_key(&load->report, at, key, "%s overlaps with the listener on %s",
                   report_quote(&load->report, address->text.s, address->text.n), first->text.s);
}

static void claim_address(struct load *load, struct names *seen, const struct conf_address *address,
                          const config_setting_t *at, const char *key)
{
    struct sockaddr_storage addr = { 0 };
    char text[ENDPOINT_TEXT];
    if (address->len == 0)
        return;
    memcpy(&addr, &address->u, address->len);
    endpoint_text(&addr, text);
    struct load_claim claim = { &seen[SEEN_ADDRESSES],
                                "listener",
                                key,
                                memory_text(&load->scratch, text, strlen(text)),
                                address,
                                at };
    load_claim(load, &claim);
    claim_port(load, seen, address, at, key);
}

static void claim_control_socket(struct load *load, struct names *seen)
{
    struct conf_text path = load->conf->control_socket;
    struct load_claim claim = { &seen[SEEN_ADDRESSES],
                                "listener",
                                "control_socket",
                                memory_format(&load->scratch, "unix:%s", path.s),
                                load->conf,
                                load->root };
    load_claim(load, &claim);
}

static void read_listeners(struct load *load, struct names *seen)
{
    struct source_list *list = &load->source->proxy_listen;
    struct source_listen *from = list->v;
    struct conf_listen *out = memory_array(&load->memory, list->n, sizeof *out);
    for (size_t i = 0; i < list->n; i++) {
        struct conf_listen *listen = &from[i].as;
        const char *why =
            from[i].address.n ? endpoint_address(from[i].address, &listen->address) : NULL;
        if (why)
            report_key(&load->report, from[i].at, "address", "%s %s",
                       report_quote(&load->report, from[i].address.s, from[i].address.n), why);
        if (listen->ssl && load->source->certificates.n == 0)
            report_key(&load->report, from[i].at, "ssl", "needs certificates, and there are none");
        out[i] = *listen;
        claim_address(load, seen, &out[i].address, from[i].at, "address");
    }
    load->conf->proxy_listen = out;
    load->conf->proxy_listen_n = list->n;
}

static void read_listener(struct load *load, struct names *seen, struct conf_text text,
                          const char *key, struct conf_address *out)
{
    out->text = text;
    if (is_word(text, "off"))
        return;
    const char *why = endpoint_address(text, out);
    if (why)
        report_key(&load->report, load->root, key, "%s %s, or \"off\"",
                   report_quote(&load->report, text.s, text.n), why);
    else
        claim_address(load, seen, out, load->root, key);
}

/* Networks, and "unix:" for whoever comes by a Unix socket. */
static void read_trusted(struct load *load)
{
    const struct conf_texts *texts = &load->source->trusted_ips;
    struct conf_text *rest = memory_array(&load->scratch, texts->n, sizeof *rest);
    size_t n = 0;
    for (size_t i = 0; i < texts->n; i++)
        if (is_word(texts->v[i], "unix:"))
            load->conf->trusts_unix = true;
        else
            rest[n++] = texts->v[i];
    struct conf_networks networks =
        networks_read(load, &(struct conf_texts){ .v = rest, .n = n }, load->root, "trusted_ips");
    load->conf->trusted_ips = networks.v;
    load->conf->trusted_ips_n = networks.n;
}

/* Numeric, since who resolves names cannot be found by name. */
static void read_name_servers(struct load *load)
{
    enum { DOMAIN_PORT = 53 };
    const struct conf_texts *texts = &load->source->dns_resolver;
    struct conf *conf = load->conf;
    struct conf_address *out = memory_array(&load->memory, texts->n, sizeof *out);
    for (size_t i = 0; i < texts->n; i++) {
        struct sockaddr_storage addr;
        struct conf_text host;
        int port;
        if (endpoint_target(texts->v[i], DOMAIN_PORT, &host, &port) || host.n == 0 ||
            !endpoint_literal(host, port, &addr, &out[i].len)) {
            report_key(&load->report, load->root, "dns_resolver",
                       "%s is not a name server's address: IP[:PORT] or [IP6][:PORT]",
                       report_quote(&load->report, texts->v[i].s, texts->v[i].n));
            continue;
        }
        memcpy(&out[i].u, &addr, out[i].len);
        out[i].text = texts->v[i];
    }
    conf->dns_resolver = out;
    conf->dns_resolver_n = texts->n;
    if (conf->dns_min_ttl > conf->dns_max_ttl)
        report_key(&load->report, load->root, "dns_min_ttl", "is larger than dns_max_ttl");
    if (conf->jwks_min_ttl > conf->jwks_max_ttl)
        report_key(&load->report, load->root, "jwks_min_ttl", "is larger than jwks_max_ttl");
}

static const uint64_t huge_page = UINT64_C(2) << 20;

static void read_dicts(struct load *load)
{
    const struct source_dict *from = load->source->shared_dicts.v;
    size_t n = load->source->shared_dicts.n;
    struct conf_dict *out = memory_array(&load->memory, n, sizeof *out);
    struct names seen = { 0 };
    uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE),
             total = 0;
    for (size_t i = 0; i < n; i++) {
        struct load_claim claim = { &seen,           "dictionary", "name",
                                    from[i].as.name, &out[i],      from[i].at };
        load_claim(load, &claim);
        out[i] = from[i].as;
        if (out[i].huge_pages == CONF_HUGE_TRY)
            out[i].size = (out[i].size + huge_page - 1) / huge_page * huge_page;
        bool fits = total <= memory;
        total += out[i].size;
        if (fits && total > memory)
            report_key(&load->report, from[i].at, "size",
                       "all dictionaries up to this one take %llu MiB, and the machine has %llu "
                       "MiB of memory",
                       (unsigned long long)(total >> 20), (unsigned long long)(memory >> 20));
    }
    load->conf->shared_dicts = out;
    load->conf->shared_dicts_n = n;
}

void process_finish(struct load *load)
{
    struct conf *conf = load->conf;
    struct names seen[SEEN] = { 0 };
    read_prefix(load);
    read_paths(load);
    check_user(load);
    claim_control_socket(load, seen);
    read_listeners(load, seen);
    read_listener(load, seen, load->source->status_listen, "status_listen", &conf->status_listen);
    read_listener(load, seen, load->source->admin_listen, "admin_listen", &conf->admin_listen);
    if (conf->admin_listen.len && !endpoint_is_local(&conf->admin_listen))
        report_key(&load->report, load->root, "admin_listen",
                   "must be a loopback address: who reaches it may do everything");
    read_trusted(load);
    read_name_servers(load);
    read_dicts(load);
}
