/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was asked for by hand, beside the file: one record of the roster for each upstream, and for
 * each service, that has any. An override is one thing about one target (or about the service),
 * with what the file said when it was made: it holds while the file says that still. So a
 * generation with another file does not heed it, and one with the same file does, at the same time.
 */
#ifndef BASE_OVERRIDE_H
#define BASE_OVERRIDE_H

#include "conf/conf.h"
#include "shm/roster.h"

enum override_thing {
    OVERRIDE_ADDED = 1,       /* the target is not in the file */
    OVERRIDE_DELETED,         /* it is, and takes no part */
    OVERRIDE_WEIGHT,          /* value */
    OVERRIDE_MAX_CONNECTIONS, /* value */
    OVERRIDE_DRAIN,           /* takes no new requests */
    OVERRIDE_DOWN,            /* the same, for another reason */
    OVERRIDE_HOST,            /* of a service: the upstream named in subject */
    OVERRIDE_SHIFT,           /* the same, for a part of its requests: value, of SHIFT_WHOLE */
    OVERRIDE_THINGS
};

enum { OVERRIDE_SUBJECT = 272, OVERRIDE_WHO = 64, OVERRIDE_MAX = 4096, OVERRIDE_OWNER = 256 };

/* How a shift goes on by itself; of other things all zero. */
struct override_shift {
    int64_t at;               /* when the step began, or the shift was undone */
    int64_t answered, failed; /* undone: what was counted in its last step */
    int32_t step, every;      /* so much more each time, after so many seconds; 0: it stays */
    int32_t limit;            /* failed of answered, of SHIFT_LIMIT_WHOLE; -1: whatever they are */
    int32_t least;            /* no verdict on fewer answers */
    int32_t undone;           /* the share that it was undone at; 0: it was not */
    uint32_t mark;            /* of the step, in what is counted: worker/base/shift.h */
    int32_t slow;             /* an answer that took so many ms has failed; 0: never for that */
    int32_t spare;
};

struct override {
    char subject[OVERRIDE_SUBJECT]; /* the target: "host:port", "[ip6]:port", "unix:/path" */
    char who[OVERRIDE_WHO];
    int64_t since, until; /* seconds since 1970; until 0: for good */
    int64_t base;         /* what the file said: override_base() */
    int32_t value;
    uint32_t thing; /* enum override_thing */
    struct override_shift shift;
};

struct override_list {
    char owner[OVERRIDE_OWNER]; /* the upstream's or the service's name */
    size_t n;
    struct override *v; /* by subject, then by thing; none twice */
};

/* The record's identity: kind is ROSTER_UPSTREAM or ROSTER_SERVICE. */
uint64_t override_identity(enum roster_kind kind, struct conf_text owner);

/* Reads the overrides of an upstream or a service; none is an empty list. False: no memory.
 * override_free() ends it, in any case. *change: see roster_get(). */
bool override_read(const struct zone *roster, enum roster_kind kind, struct conf_text owner,
                   struct override_list *out, uint64_t *change);
/* The same for any record; false also when it holds no overrides. */
bool override_read_record(const struct zone *roster, uint64_t identity, enum roster_kind *kind,
                          struct override_list *out);
void override_free(struct override_list *list);

/* Writes it; an empty one removes the record. False: no room. */
bool override_write(const struct zone *roster, uint32_t slot, enum roster_kind kind,
                    const struct override_list *list);

/* NULL: there is none. */
const struct override *override_find(const struct override_list *list, const char *subject,
                                     enum override_thing thing);
/* The one about a service (OVERRIDE_HOST, OVERRIDE_SHIFT) that counts, by the file; NULL: none. */
const struct override *override_find_host(const struct override_list *list,
                                          const struct conf_service *service,
                                          enum override_thing thing);
/* Adds it or puts it in the place of the one about the same thing. False: no memory, or too many.
 */
bool override_set(struct override_list *list, const struct override *o);
/* True: there was one. */
bool override_drop(struct override_list *list, const char *subject, enum override_thing thing);

/* A target's name in overrides, as its text may be written in several ways. */
void override_subject(const struct conf_target *target, char out[OVERRIDE_SUBJECT]);
/* The same for a text from outside; false: it is not a target. */
bool override_parse(const char *text, size_t n, char out[OVERRIDE_SUBJECT]);

/* What the file says about a thing of a target (NULL: it has no such target) or of a service. */
int64_t override_base(const struct conf_target *target, enum override_thing thing);
int64_t override_base_host(const struct conf_service *service);
/* Whether it counts, by the file. */
static inline bool override_holds(const struct override *o, const struct conf_target *target)
{
    return o->base == override_base(target, (enum override_thing)o->thing);
}

/* What it is by hand; `value` where no override holds. */
int override_value(const struct override_list *list, const char *subject,
                   const struct conf_target *target, enum override_thing thing, int value);

/* Whether it is about a target that neither the file (by what it said) nor the list adds. */
bool override_is_orphan(const struct override_list *list, const struct override *o);

/* "weight", "max_connections", "drain", "down", "added", "deleted", "host", "shift". */
const char *override_name(uint32_t thing);
/* 0: no such thing. */
enum override_thing override_thing_of(const char *name);

#endif
