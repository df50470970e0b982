/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a name resolves to, as a record of the roster: written by the checker, read by everybody.
 * Addresses are in the order of their priority, then by value, so that a name server which turns
 * its answer around says nothing new.
 */
#ifndef BASE_ANSWER_H
#define BASE_ANSWER_H

#include "conf/conf.h"
#include "shm/roster.h"

enum { ANSWER_PLACES = 1024, ANSWER_NAME = 254, ANSWER_ERROR = 96 };

enum answer_state {
    ANSWER_NONE,  /* it was asked for, and there never was a good answer */
    ANSWER_GOOD,  /* the last answer was good */
    ANSWER_STALE, /* the last question failed; the places are those of the last good answer */
    ANSWER_EMPTY, /* the last answer was that there is nothing (any more) */
};

struct answer_place {
    uint8_t ip[16]; /* IPv4: the first four bytes */
    uint8_t six;
    uint8_t spare;
    uint16_t port;     /* host order; 0: the target's own */
    uint16_t priority; /* SRV; 0 otherwise */
    uint16_t weight;   /* the same */
};

struct answer {
    char name[ANSWER_NAME];   /* lower case */
    char error[ANSWER_ERROR]; /* of the last question; "" = none */
    uint32_t state;           /* enum answer_state */
    uint32_t srv;             /* places have ports, priorities and weights */
    int64_t asked, answered;  /* the last question, the last good answer; seconds since 1970 */
    int64_t expires;          /* when it is asked again */
    uint32_t n;
    uint32_t spare;
    struct answer_place places[ANSWER_PLACES];
};

uint64_t answer_identity(struct conf_text name);

/* Reads the record of a name, which need not be terminated. False: it was never asked for. *change:
 * see roster_get(). */
bool answer_read(const struct zone *roster, struct conf_text name, struct answer *out,
                 uint64_t *change);
/* The same by identity of the record; false also when it is no name's. */
bool answer_read_record(const struct zone *roster, uint64_t identity, struct answer *out);

/* Writes it; loud when the places are others than in `before` (NULL: there was no record). False:
 * no room. */
bool answer_write(const struct zone *roster, uint32_t slot, const struct answer *answer,
                  const struct answer *before);

/* Into the order of records; what is there twice goes. */
void answer_sort(struct answer *answer);

/* The address of a place with its text, which is written to out; `port` where the place has none.
 */
void answer_address(const struct answer_place *place, int port, struct conf_address *out,
                    char text[64]);

const char *answer_state_name(uint32_t state);

#endif
