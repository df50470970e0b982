/* SPDX-License-Identifier: Apache-2.0 */
/* Each family is a row: what of an issuer's state it shows. An issuer that nothing is known of yet
 * has zeros. */
#include "master/control/metrics_jwks.h"
#include "conf/issuer.h"
#include "master/control/metrics.h"
#include "shm/jwks.h"
#include <inttypes.h>
#include <stdlib.h>

struct issuer_facts {
    struct jwks_state state;
    struct jwks_set set;
};

static uint64_t valid_keys(const struct issuer_facts *f)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < f->set.n; i++)
        n += f->set.keys[i].gone == 0;
    return n;
}

static uint64_t is_good(const struct issuer_facts *f)
{
    return f->state.health == JWKS_GOOD;
}

static uint64_t fetched(const struct issuer_facts *f)
{
    return f->state.fetched > 0 ? (uint64_t)f->state.fetched : 0;
}

static uint64_t fetches(const struct issuer_facts *f)
{
    return f->state.fetches;
}

static uint64_t failures(const struct issuer_facts *f)
{
    return f->state.failures;
}

static const struct {
    const char *name, *type, *help;
    uint64_t (*value)(const struct issuer_facts *f);
} families[] = {
    { "gateway_jwks_up", "gauge", "1: the last fetch of the issuer's keys was good.", is_good },
    { "gateway_jwks_keys", "gauge", "Keys that the issuer has.", valid_keys },
    { "gateway_jwks_fetched_timestamp_seconds", "gauge", "When they were fetched last.", fetched },
    { "gateway_jwks_fetches_total", "counter", "Fetches, good or not.", fetches },
    { "gateway_jwks_failures_total", "counter", "Of them, those that failed.", failures },
};

static void read_facts(const struct api *api, const struct conf_issuer *i, struct issuer_facts *f)
{
    const struct zone *zone = &api->heritage->jwks;
    int row = jwks_find(zone, i->identity);

    f->set.n = 0;
    if (row >= 0)
        (void)jwks_get(zone, row, &f->set);
    if (row < 0 || !jwks_get_state(zone, row, &f->state))
        f->state = (struct jwks_state){ 0 };
}

void metrics_jwks_write(const struct api *api, FILE *out)
{
    const struct conf_issuer *issuers = api->heritage->conf->issuers;
    struct issuer_facts *f = issuers ? malloc(sizeof *f) : NULL;

    for (size_t k = 0; f && k < sizeof families / sizeof families[0]; k++) {
        fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", families[k].name, families[k].help,
                families[k].name, families[k].type);
        for (const struct conf_issuer *i = issuers; i; i = i->next) {
            read_facts(api, i, f);
            fprintf(out, "%s{", families[k].name);
            metrics_label(out, "uri", i->uri.s);
            fprintf(out, ",tls_verify=\"%s\"", i->tls_verify ? "true" : "false");
            if (i->ca_certificates.n) {
                fputc(',', out);
                metrics_label(out, "ca_certificates", i->ca_certificates.s);
            }
            fprintf(out, "} %" PRIu64 "\n", families[k].value(f));
        }
    }
    free(f);
}
