/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two plugins that name one URL share its keys, unless they believe it for different reasons: what
 * came without a certificate's check is never used by who asked for one.
 */
#include "conf/issuer.h"
#include "conf/endpoint.h"
#include "conf/fnv.h"
#include "conf/load.h"
#include "conf/value.h"
#include <string.h>

static uint64_t identity_of(const struct conf_issuer *i)
{
    uint64_t h = fnv_bytes(FNV_BEGIN, i->uri.s, i->uri.n + 1); /* with its end */
    h = fnv_text(h, i->tls_verify ? "1" : "0");
    h = fnv_bytes(h, i->ca_certificates.s, i->ca_certificates.n);
    return h ? h : 1;
}

/* NULL, or the reason. */
static const char *read_url(struct load *load, struct conf_issuer *i)
{
    char why[256];
    struct endpoint_url url;
    const char *query = strchr(i->uri.s, '?');
    size_t n = query ? (size_t)(query - i->uri.s) : i->uri.n;
    const char *wrong = endpoint_url(memory_text(&load->memory, i->uri.s, n), &url);
    if (wrong)
        return wrong;
    const char *begin = strstr(i->uri.s, "://") + 3, *path = i->uri.s + n - url.path.n;
    i->protocol = url.protocol;
    i->host = memory_lower(&load->memory, url.host);
    i->port = url.port;
    i->authority = memory_text(&load->memory, begin, (size_t)(path - begin));
    i->target = memory_format(&load->memory, "%s%s", *path == '/' ? "" : "/", path);
    return value_is_target(i->target.s, i->target.n, why, sizeof why)
               ? NULL
               : "has a path or query with a character that none can contain";
}

const struct conf_issuer *issuer_claim(struct load *load, const struct issuer_named *named)
{
    struct conf_issuer made = { .uri = named->uri, .tls_verify = named->tls_verify };
    made.ca_certificates =
        named->ca_certificates.n ? load_path(load, named->ca_certificates) : named->ca_certificates;
    const char *wrong = read_url(load, &made);
    if (wrong) {
        report_key(&load->report, named->config, "jwks_uri", "%s %s",
                   report_quote(&load->report, named->uri.s, named->uri.n), wrong);
        return NULL;
    }
    made.identity = identity_of(&made);
    for (const struct conf_issuer *i = load->conf->issuers; i; i = i->next)
        if (i->identity == made.identity)
            return i;
    if (made.ca_certificates.n && made.protocol == CONF_HTTPS) {
        made.authorities =
            certificates_list(load, made.ca_certificates, named->config, "jwks_ca_certificates");
        if (!made.authorities)
            return NULL;
    }
    struct conf_issuer *out = memory_alloc(&load->memory, sizeof *out);
    *out = made;
    out->index = issuer_count(load->conf->issuers);
    out->next = load->conf->issuers;
    load->conf->issuers = out;
    return out;
}
