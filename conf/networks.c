/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two networks are either disjoint or one holds the other, so sorting by address and then by size
 * puts each before all that it holds, and one pass drops those. IPv4 lies within IPv6's space only
 * because addresses are kept mapped: a network of IPv6 around that place, "::/0" above all, is cut
 * into those that are left without it.
 */
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

enum { MAPPED_BITS = 96 }; /* ::ffff:0:0/96 */

static const struct conf_cidr mapped = { .ip = { [10] = 0xff, [11] = 0xff }, .bits = MAPPED_BITS };

static bool is_around_mapped(const struct conf_cidr *net)
{
    return net->bits < MAPPED_BITS && holds(net, mapped.ip);
}

/* The halves that the way from `net` down to the mapped addresses leaves aside. Returns how many.
 */
static size_t cut_mapped(const struct conf_cidr *net, struct conf_cidr *out)
{
    size_t n = 0;
    for (int bit = net->bits; bit < MAPPED_BITS; bit++) {
        struct conf_cidr *half = &out[n++];
        memset(half->ip, 0, sizeof half->ip);
        half->bits = bit + 1;
        for (int i = 0; i < bit; i++)
            half->ip[i / 8] |= (uint8_t)(mapped.ip[i / 8] & 0x80 >> i % 8);
        half->ip[bit / 8] |= (uint8_t)(~mapped.ip[bit / 8] & 0x80 >> bit % 8);
    }
    return n;
}

struct conf_networks networks_read(struct load *load, const struct conf_texts *texts,
                                   const struct config_setting_t *at, const char *key)
{
    struct conf_cidr *v = memory_array(&load->memory, texts->n, sizeof *v), wide = { .bits = 128 };
    size_t n = 0;
    for (size_t i = 0; i < texts->n; i++) {
        const char *reason = endpoint_cidr(texts->v[i], &v[n]);
        if (reason)
            report_key(&load->report, at, key, "%s %s",
                       report_quote(&load->report, texts->v[i].s, texts->v[i].n), reason);
        else if (!is_around_mapped(&v[n]))
            n++;
        else if (v[n].bits < wide.bits) /* of those the widest holds the others */
            wide = v[n];
    }
    if (wide.bits < MAPPED_BITS) {
        struct conf_cidr *more = memory_array(&load->memory, n + MAPPED_BITS, sizeof *v);
        memcpy(more, v, n * sizeof *v);
        v = more;
        n += cut_mapped(&wide, v + n);
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
