/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One close says little: a peer that is restarted closes connections of every age at one moment.
 * So a limit is believed when three closes, at three different moments, came at about the same age;
 * and it is forgotten after a while, in case the peer keeps connections longer by now: what it then
 * closes is seen again. What the peer says itself is believed at once, and holds until it says
 * something else.
 */
#include "worker/upstream/ageing.h"
#include "worker/http/field.h"

enum {
    CLOSES = 3,                /* at the same age, to be believed */
    APART = 20,                /* ms between two that count as two */
    FORGET = 10 * 60 * 1000,   /* ms */
    YOUNGEST = 100,            /* ms: who closes earlier than that does so for other reasons */
    TIMEOUT_MAX = 24 * 60 * 60 /* s */
};

/* Clocks, timers and the network are not exact: a tenth, a second at the most. */
static int64_t about(int64_t age)
{
    return age / 10 < 1000 ? age / 10 : 1000;
}

void ageing_closed(struct peer_ageing *a, int64_t age, int64_t now)
{
    if (age < YOUNGEST)
        return;
    bool same = a->closes > 0 && age >= a->age - about(a->age) && age <= a->age + about(a->age);
    if (!same) {
        /* one that is believed is not given up for a restart's sake */
        if (a->closes < CLOSES || now - a->at > FORGET)
            *a = (struct peer_ageing){ .said = a->said, .age = age, .at = now, .closes = 1 };
        return;
    }
    if (now - a->at < APART)
        return;
    a->at = now;
    a->age = age < a->age ? age : a->age;
    a->closes += a->closes < CLOSES;
}

void ageing_said(struct peer_ageing *a, struct slice keep_alive)
{
    struct slice rest = keep_alive, element;
    int64_t said = 0;

    while (field_list_next(&rest, &element)) {
        struct slice name = field_trim(field_cut(&element, '='));
        if (!slice_equal_nocase(name, SLICE("timeout")))
            continue;
        element = field_trim(element);
        for (size_t i = 0; i < element.n && element.p[i] >= '0' && element.p[i] <= '9'; i++)
            if (said <= TIMEOUT_MAX)
                said = said * 10 + (element.p[i] - '0');
    }
    a->said = said > 0 && said <= TIMEOUT_MAX ? said * 1000 : 0;
}

int64_t ageing_limit(const struct peer_ageing *a, int64_t now)
{
    int64_t limit = a->said ? a->said - about(a->said) : INT64_MAX;

    if (a->closes == CLOSES && now - a->at <= FORGET && a->age - about(a->age) < limit)
        limit = a->age - about(a->age);
    return limit;
}
