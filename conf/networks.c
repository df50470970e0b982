/* SPDX-License-Identifier: Apache-2.0 */
/* Two networks are either disjoint or one holds the other, so sorting by address and then by size
 * puts each before all that it holds, and one pass drops those. */
#include "conf/networks.h"
#include "conf/endpoint.h"
#include "conf/load.h"
#include <stdlib.h>
#include <string.h>

static int by_address(const void *a, const void *b)
{
    const struct conf_cidr *x = a, *y = b;
    int order = memcmp(x->ip, y->ip, sizeof x->ip);
    return order ? order : (x->bits > y->bits) - (x->bits < y->bits);
}

static bool holds(const struct conf_cidr *net, const uint8_t ip[16])
{
    int bytes = net->bits / 8, rest = net->bits % 8;
    if (memcmp(net->ip, ip, (size_t)bytes) != 0)
        return false;
    return rest == 0 || ((net->ip[bytes] ^ ip[bytes]) >> (8 - rest)) == 0;
}

static size_t drop_held(struct conf_cidr *v, size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++)
        if (used == 0 || !holds(&v[used - 1], v[i].ip))
            v[used++] = v[i];
    return used;
}

struct conf_networks networks_read(struct load *load, const struct conf_texts *texts,
                                   const struct config_setting_t *at, const char *key)
{
    struct conf_cidr *v = memory_array(&load->memory, texts->n, sizeof *v);
    size_t n = 0;
    for (size_t i = 0; i < texts->n; i++) {
        const char *reason = endpoint_cidr(texts->v[i], &v[n]);
        if (reason)
            report_key(&load->report, at, key, "%s %s",
                       report_quote(&load->report, texts->v[i].s, texts->v[i].n), reason);
        else
            n++;
    }
    if (n)
        qsort(v, n, sizeof *v, by_address);
    return (struct conf_networks){ v, drop_held(v, n) };
}

bool networks_hold(const struct conf_networks *set, const uint8_t ip[16])
{
    size_t from = 0, to = set->n;
    while (from < to) { /* the last one whose first address is not above ip */
        size_t middle = from + (to - from) / 2;
        if (memcmp(set->v[middle].ip, ip, 16) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from > 0 && holds(&set->v[from - 1], ip);
}
