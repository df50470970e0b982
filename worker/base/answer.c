/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record is the struct itself, cut behind the last place. Whoever reads it checks its size and
 * terminates its texts: it lies where other processes write.
 */
#include "worker/base/answer.h"
#include "worker/base/slice.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct answer_place) == 24, "layout");
_Static_assert(offsetof(struct answer, places) == ANSWER_NAME + ANSWER_ERROR + 2 + 40, "layout");

uint64_t answer_identity(struct conf_text name)
{
    return roster_identity(ROSTER_NAME, name.s, name.n);
}

static size_t record_size(const struct answer *a)
{
    return offsetof(struct answer, places) + a->n * sizeof(struct answer_place);
}

static bool sound(struct answer *a, size_t n)
{
    if (n < offsetof(struct answer, places) || n > sizeof *a || a->n > ANSWER_PLACES ||
        n != record_size(a))
        return false;
    a->name[ANSWER_NAME - 1] = a->error[ANSWER_ERROR - 1] = '\0';
    return true;
}

bool answer_read(const struct zone *roster, struct conf_text name, struct answer *out,
                 uint64_t *change)
{
    size_t n = roster_get(roster, answer_identity(name), out, sizeof *out, change);
    return sound(out, n) && strlen(out->name) == name.n && memcmp(out->name, name.s, name.n) == 0;
}

bool answer_read_record(const struct zone *roster, uint64_t identity, struct answer *out)
{
    size_t n = roster_get(roster, identity, out, sizeof *out, NULL);
    return sound(out, n) &&
           identity == answer_identity((struct conf_text){ out->name, strlen(out->name) });
}

bool answer_write(const struct zone *roster, uint32_t slot, const struct answer *answer,
                  const struct answer *before)
{
    struct conf_text name = { answer->name, strlen(answer->name) };
    bool same = before && before->n == answer->n && before->srv == answer->srv &&
                memcmp(before->places, answer->places, answer->n * sizeof *answer->places) == 0;
    return roster_put(roster, slot, answer_identity(name), answer, record_size(answer),
                      same ? ROSTER_QUIET : ROSTER_LOUD);
}

static int order(const void *a, const void *b)
{
    const struct answer_place *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    if (x->six != y->six)
        return x->six < y->six ? -1 : 1;
    int d = memcmp(x->ip, y->ip, sizeof x->ip);
    if (d)
        return d;
    return x->port != y->port ? (x->port < y->port ? -1 : 1) : (int)x->weight - (int)y->weight;
}

void answer_sort(struct answer *answer)
{
    uint32_t kept = 0;
    qsort(answer->places, answer->n, sizeof *answer->places, order);
    for (uint32_t i = 0; i < answer->n; i++)
        if (kept == 0 ||
            memcmp(&answer->places[kept - 1], &answer->places[i], sizeof *answer->places) != 0)
            answer->places[kept++] = answer->places[i];
    answer->n = kept;
}

void answer_address(const struct answer_place *place, int port, struct conf_address *out,
                    char text[64])
{
    char ip[INET6_ADDRSTRLEN] = "";
    uint16_t used = place->port ? place->port : (uint16_t)port;
    memset(out, 0, sizeof *out);
    if (place->six) {
        out->u.in6.sin6_family = AF_INET6;
        out->u.in6.sin6_port = htons(used);
        memcpy(&out->u.in6.sin6_addr, place->ip, 16);
        out->len = sizeof out->u.in6;
    } else {
        out->u.in.sin_family = AF_INET;
        out->u.in.sin_port = htons(used);
        memcpy(&out->u.in.sin_addr, place->ip, 4);
        out->len = sizeof out->u.in;
    }
    inet_ntop(place->six ? AF_INET6 : AF_INET, place->ip, ip, sizeof ip);
    int n = snprintf(text, 64, place->six ? "[%s]:%u" : "%s:%u", ip, used);
    out->text = (struct conf_text){ text, (size_t)n };
}

const char *answer_state_name(uint32_t state)
{
    static const char *const names[] = { [ANSWER_NONE] = "unresolved",
                                         [ANSWER_GOOD] = "resolved",
                                         [ANSWER_STALE] = "stale",
                                         [ANSWER_EMPTY] = "empty" };
    return state < sizeof names / sizeof *names ? names[state] : "unknown";
}
