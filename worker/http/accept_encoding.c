/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of names with weights. "*" stands for the codings that are not named; for identity, which
 * is always acceptable, it counts only where it refuses.
 */
#include "worker/http/accept_encoding.h"
#include "worker/http/field.h"

enum { WEIGHT_FULL = 1000 };

/* "0", "0.5", "1.000": thousandths, -1: it is no weight (RFC 9110 section 12.4.2). */
static int read_weight(struct slice text)
{
    int weight = 0, unit = WEIGHT_FULL;

    if (text.n == 0 || text.n > 5 || (text.p[0] != '0' && text.p[0] != '1') ||
        (text.n > 1 && text.p[1] != '.'))
        return -1;
    weight = (text.p[0] - '0') * WEIGHT_FULL;
    for (size_t i = 2; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return -1;
        unit /= 10;
        weight += (text.p[i] - '0') * unit;
    }
    return weight <= WEIGHT_FULL ? weight : -1;
}

/* The weight among a member's parameters; -1: malformed. */
static int weight_of(struct slice parameters)
{
    int weight = WEIGHT_FULL;

    while (parameters.n && weight >= 0) {
        struct slice value = field_trim(field_cut(&parameters, ';'));
        struct slice name = field_trim(field_cut(&value, '='));
        if (slice_equal_nocase(name, SLICE("q")))
            weight = read_weight(field_trim(value));
    }
    return weight;
}

static int16_t *place_of(struct accept_encoding *a, struct slice name)
{
    static const struct {
        struct slice name;
        enum conf_coding coding;
    } names[] = {
        { { "gzip", 4 }, CONF_CODING_GZIP },
        { { "x-gzip", 6 }, CONF_CODING_GZIP },
        { { "br", 2 }, CONF_CODING_BROTLI },
        { { "identity", 8 }, CONF_CODING_IDENTITY },
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_equal_nocase(names[i].name, name))
            return &a->weight[names[i].coding];
    return slice_equal(name, SLICE("*")) ? &a->others : NULL;
}

void accept_encoding_begin(struct accept_encoding *a)
{
    for (int i = 0; i < CONF_CODINGS; i++)
        a->weight[i] = -1;
    a->others = -1;
}

void accept_encoding_add(struct accept_encoding *a, struct slice line)
{
    struct slice member;

    while (field_list_next(&line, &member)) {
        int16_t *place = place_of(a, field_trim(field_cut(&member, ';')));
        int weight = weight_of(member);
        if (place && weight >= 0 && (*place < 0 || weight < *place))
            *place = (int16_t)weight;
    }
}

enum conf_coding accept_encoding_pick(const struct accept_encoding *a,
                                      const enum conf_coding *order, size_t n)
{
    enum conf_coding best = CONF_CODING_IDENTITY;
    int most = 0;

    for (size_t i = 0; i < n; i++) {
        int weight = a->weight[order[i]] >= 0 ? a->weight[order[i]] : a->others;
        if (weight > most) {
            most = weight;
            best = order[i];
        }
    }
    return a->weight[CONF_CODING_IDENTITY] > most ? CONF_CODING_IDENTITY : best;
}

bool accept_encoding_refuses_identity(const struct accept_encoding *a)
{
    int weight = a->weight[CONF_CODING_IDENTITY];

    return weight == 0 || (weight < 0 && a->others == 0);
}
