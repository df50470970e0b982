/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services as checked: the URL or its parts, the upstream that the host names or implies, and TLS
 * towards it. Routes are gathered from all services into one array in file order; what a route says
 * is checked in routes.c.
 */
#include "conf/endpoint.h"
#include "conf/ids.h"
#include "conf/load.h"
#include "conf/value.h"
#include <string.h>

static bool written(const config_setting_t *at, const char *key)
{
    return config_setting_get_member(at, key) != NULL;
}

/* The URL's parts, over those of protocol, host, port and path. */
static void read_url(struct load *load, struct source_service *from)
{
    static const char *const parts[] = { "protocol", "host", "port", "path" };
    struct conf_service *service = &from->as;
    struct endpoint_url url;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (written(from->at, parts[i]))
            report_key(&load->report, from->at, parts[i], "is said by the url already");
    const char *why = endpoint_url(from->url, &url);
    if (why && strchr(from->url.s, '@')) { /* errors are logged: a password is not repeated */
        report_key(&load->report, from->at, "url", "must not have a user or password");
        return;
    }
    if (why) {
        report_key(&load->report, from->at, "url", "%s %s",
                   report_quote(&load->report, from->url.s, from->url.n), why);
        return;
    }
    service->protocol = url.protocol;
    service->host = load_host(load, url.host);
    service->port = url.port;
    service->path = memory_text(&load->memory, url.path.s, url.path.n);
}

static void read_host(struct load *load, struct source_service *from)
{
    struct conf_service *service = &from->as;
    struct sockaddr_storage addr;
    socklen_t len;
    char why[128];
    if (from->as.host.n == 0) {
        if (!written(from->at, "host"))
            report_key(&load->report, from->at, "url", "is missing, and so is a host");
        else
            report_key(&load->report, from->at, "host", "must not be empty");
        return;
    }
    service->host = load_host(load, service->host);
    const char *lost = endpoint_of_a_link(service->host);
    if (lost) {
        report_key(&load->report, from->at, "host", "%s %s",
                   report_quote(&load->report, service->host.s, service->host.n), lost);
        service->host = (struct conf_text){ "", 0 };
        return;
    }
    if (endpoint_literal(service->host, 0, &addr, &len) ||
        value_is_host(service->host.s, service->host.n, why, 128))
        return;
    report_key(&load->report, from->at, "host", "%s %s",
               report_quote(&load->report, service->host.s, service->host.n), why);
    service->host = (struct conf_text){ "", 0 };
}

/* A configured upstream of the host's name, or one of its own. `at`, `key`: where the host is from.
 */
static void lead_to_upstream(struct load *load, struct conf_service *service,
                             const config_setting_t *at, const char *key)
{
    int usual = service->protocol == CONF_HTTPS ? 443 : 80;
    bool six = memchr(service->host.s, ':', service->host.n) != NULL;
    if (service->port == 0)
        service->port = usual;
    if (service->host.n == 0)
        return;
    service->upstream = load_find(&load->upstreams, service->host);
    service->authority = service->host;
    if (service->upstream)
        return;
    service->upstream =
        upstreams_implied(load, memory_lower(&load->memory, service->host), service->port, at, key);
    if (six)
        service->authority = memory_format(&load->memory, "[%s]", service->host.s);
    if (service->port != usual)
        service->authority =
            memory_format(&load->memory, "%s:%d", service->authority.s, service->port);
}

static void bind_upstream(struct load *load, struct source_service *from)
{
    const char *key = from->url.n ? "url" : "host";
    if (from->url.n)
        read_url(load, from);
    else
        read_host(load, from);
    lead_to_upstream(load, &from->as, from->at, key);
}

/* Read here, once for all services that name the file: a worker that starts later has no rights to
 * read it, and must not depend on its still being there. */
static void read_authorities(struct load *load, struct source_service *from, struct names *files)
{
    struct conf_text path = load_path(load, from->ca_certificates);
    from->as.ca_certificates = path;
    from->as.authorities = names_get(files, path.s, path.n);
    if (from->as.authorities)
        return;
    from->as.authorities = certificates_list(load, path, from->at, "ca_certificates");
    if (from->as.authorities)
        (void)names_put(files, &load->scratch, path, from->as.authorities);
}

static void read_tls(struct load *load, struct source_service *from, struct names *files)
{
    const struct source_certificate *client = &from->client_certificate;
    if (from->ca_certificates.n)
        read_authorities(load, from, files);
    if (client->cert.n == 0 && client->key.n == 0)
        return;
    if (client->cert.n == 0 || client->key.n == 0) {
        report_key(&load->report, from->at, "client_certificate", "needs both cert and key");
        return;
    }
    struct conf_certificate *made = memory_alloc(&load->memory, sizeof *made);
    certificates_read(load, client, made);
    from->as.client_certificate = made;
}

void services_finish(struct load *load)
{
    struct source_service *from = load->source->services.v;
    size_t n = load->source->services.n;
    struct conf_service *out =
        memory_array(&load->memory, n + plugin_count(load->source), sizeof *out);
    struct names files = { 0 };
    load->conf->services = out;
    load->conf->services_n = n;
    for (size_t i = 0; i < n; i++) {
        struct conf_service *service = &from[i].as;
        struct load_claim claim = { &load->services, "service", "name",
                                    service->name,   &out[i],   from[i].at };
        load_claim(load, &claim);
        load_id(load, &claim, &service->id);
        service->ca_certificates = (struct conf_text){ "", 0 };
        bind_upstream(load, &from[i]);
        read_tls(load, &from[i], &files);
        service->index = (uint32_t)i;
        out[i] = *service;
    }
}

/* ---- those that plugins ask ---- */

static bool own_url(struct load *load, const struct services_own *own, struct endpoint_url *url)
{
    const char *why = endpoint_url(own->url, url);
    if (why && strchr(own->url.s, '@'))
        report_key(&load->report, own->at, own->key, "must not have a user or password");
    else if (why)
        report_key(&load->report, own->at, own->key, "%s %s",
                   report_quote(&load->report, own->url.s, own->url.n), why);
    return !why;
}

const struct conf_service *services_own(struct load *load, const struct services_own *own)
{
    struct endpoint_url url;
    size_t index = load->conf->services_n + load->conf->asked_n;
    struct conf_service *service = (struct conf_service *)&load->conf->services[index];
    const struct source_service *defaults = reader_preset(&load->reader, &service_fields_table);
    if (!own_url(load, own, &url))
        return NULL;
    load->conf->asked_n++;
    *service = defaults->as;
    service->name = own->name;
    service->id = ids_uuid(&load->memory, "asked\n%s", own->name.s);
    service->index = (uint32_t)index;
    service->enabled = true;
    service->protocol = url.protocol;
    service->host = load_host(load, url.host);
    service->port = url.port;
    service->path = memory_text(&load->memory, url.path.s, url.path.n);
    service->connect_timeout = service->write_timeout = service->read_timeout = own->timeout;
    service->tls_verify = own->tls_verify;
    service->ca_certificates = load_path(load, own->ca_certificates);
    if (service->ca_certificates.n)
        service->authorities =
            certificates_list(load, service->ca_certificates, own->at, "ca_certificates");
    lead_to_upstream(load, service, own->at, own->key);
    if (service->upstream && service->upstream->implied)
        ((struct conf_upstream *)service->upstream)->keepalive_idle_timeout =
            own->keepalive / 1000.0;
    return service;
}
