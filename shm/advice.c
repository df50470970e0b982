/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table of sampled objects; in each model an object is on a list (small, main), or a ghost
 * (evicted from the small one, remembered), or nowhere. An object that was a hit when it was first
 * heard of is put into all models and not counted, since nobody knows for how long it had been
 * there. Counters are kept for groups of ids: how much those differ says how far the whole can be
 * trusted. All counters are halved now and then, so that the past fades.
 */
#include "shm/advice.h"
#include "shm/queue.h"
#include <stdlib.h>

enum { OBJECTS = 16384, INDEX = 32768, GROUPS = 16, FADE_AT = 1 << 19 };
enum { IDLE_WEIGHT = 64, OFTEN = 4 };

const unsigned advice_percent[ADVICE_SIZES] = { 75, 100, 125, 150, 200 };

enum list { NOWHERE, GHOST, SMALL, MAIN, LISTS };

struct place { /* of an object in a model */
    uint32_t prev, next;
    uint64_t ghost_at; /* bytes that had left the small list when it did */
    uint8_t list, heat;
};

struct object {
    uint64_t id; /* 0: free */
    uint64_t bytes;
    int64_t until, seen;
    uint32_t chain; /* the next one of the index's slot, or of the free ones; + 1 */
    struct place at[ADVICE_SIZES];
};

struct queue {
    uint32_t head, tail; /* + 1 */
    uint64_t bytes;
};

struct model {
    struct queue lists[LISTS];
    uint64_t room, ghost_clock;
    double missed[GROUPS];
    bool full;
};

struct advice {
    struct model models[ADVICE_SIZES];
    struct object objects[OBJECTS];
    uint32_t index[INDEX]; /* + 1 */
    uint32_t free, objects_n, hand, below;
    uint64_t room, lost;
    double accesses[GROUPS], real_missed;
    double idle;
    int64_t since;
};

/* --- the table ------------------------------------------------------------------------------ */

static unsigned group_of(uint64_t id)
{
    return (unsigned)(id * UINT64_C(0x9e3779b97f4a7c15) >> 60) % GROUPS;
}

static uint32_t *slot_of(struct advice *a, uint64_t id)
{
    return &a->index[(uint32_t)(id ^ id >> 40) % INDEX];
}

static struct object *find(struct advice *a, uint64_t id)
{
    for (uint32_t i = *slot_of(a, id); i != 0; i = a->objects[i - 1].chain)
        if (a->objects[i - 1].id == id)
            return &a->objects[i - 1];
    return NULL;
}

static uint32_t number_of(const struct advice *a, const struct object *o)
{
    return (uint32_t)(o - a->objects) + 1;
}

static void drop(struct advice *a, struct model *m, size_t size, struct object *o)
{
    struct place *p = &o->at[size];
    struct queue *q = &m->lists[p->list];
    if (p->list < SMALL) {
        p->list = NOWHERE;
        return;
    }
    if (p->prev)
        a->objects[p->prev - 1].at[size].next = p->next;
    else
        q->head = p->next;
    if (p->next)
        a->objects[p->next - 1].at[size].prev = p->prev;
    else
        q->tail = p->prev;
    q->bytes -= o->bytes;
    p->list = NOWHERE;
}

static void push(struct advice *a, struct model *m, size_t size, struct object *o, enum list list)
{
    struct place *p = &o->at[size];
    struct queue *q = &m->lists[list];
    p->list = (uint8_t)list;
    p->prev = 0;
    p->next = q->head;
    if (q->head)
        a->objects[q->head - 1].at[size].prev = number_of(a, o);
    else
        q->tail = number_of(a, o);
    q->head = number_of(a, o);
    q->bytes += o->bytes;
}

static void forget(struct advice *a, struct object *o)
{
    uint32_t *link = slot_of(a, o->id), number = number_of(a, o);
    for (size_t i = 0; i < ADVICE_SIZES; i++)
        drop(a, &a->models[i], i, o);
    while (*link != number)
        link = &a->objects[*link - 1].chain;
    *link = o->chain;
    o->id = 0;
    o->chain = a->free;
    a->free = number;
    a->objects_n--;
}

static bool resident(const struct object *o)
{
    for (size_t i = 0; i < ADVICE_SIZES; i++)
        if (o->at[i].list >= SMALL)
            return true;
    return false;
}

static bool remembered(const struct model *m, const struct place *p)
{
    return p->list == GHOST && m->ghost_clock - p->ghost_at <= m->lists[MAIN].bytes;
}

static bool is_ghost(const struct advice *a, const struct object *o)
{
    for (size_t i = 0; i < ADVICE_SIZES; i++)
        if (remembered(&a->models[i], &o->at[i]))
            return true;
    return false;
}

/* Makes a place in the table free: of one that no model has, if possible none that a model
 * remembers. */
static bool make_free(struct advice *a)
{
    for (uint32_t i = 0; i < 2 * OBJECTS; i++) {
        struct object *o = &a->objects[a->hand++ % OBJECTS];
        if (o->id == 0 || resident(o) || (i < OBJECTS && is_ghost(a, o)))
            continue;
        forget(a, o);
        return true;
    }
    return false;
}

static struct object *add(struct advice *a, uint64_t id)
{
    if (a->free == 0 && !make_free(a))
        return NULL;
    struct object *o = &a->objects[a->free - 1];
    a->free = o->chain;
    *o = (struct object){ .id = id, .chain = *slot_of(a, id) };
    *slot_of(a, id) = number_of(a, o);
    a->objects_n++;
    return o;
}

/* --- the models ----------------------------------------------------------------------------- */

static void move(struct advice *a, struct model *m, size_t size, struct object *o, uint8_t heat)
{
    drop(a, m, size, o);
    o->at[size].heat = heat;
    push(a, m, size, o, MAIN);
}

/* Whether it goes; else it has moved on. */
static bool leaves_small(struct advice *a, struct model *m, size_t size, struct object *o,
                         int64_t now)
{
    struct place *p = &o->at[size];
    bool expired = o->until < now;
    m->ghost_clock += o->bytes;
    if (!expired && p->heat >= QUEUE_PROMOTE) {
        move(a, m, size, o, 0);
        return false;
    }
    drop(a, m, size, o);
    if (!expired) {
        p->list = GHOST;
        p->ghost_at = m->ghost_clock;
    }
    return true;
}

static bool leaves_main(struct advice *a, struct model *m, size_t size, struct object *o,
                        int64_t now, bool stay)
{
    struct place *p = &o->at[size];
    if (stay && p->heat > 0 && o->until >= now) {
        move(a, m, size, o, (uint8_t)(p->heat - 1));
        return false;
    }
    drop(a, m, size, o);
    return true;
}

static uint64_t bytes_of(const struct model *m)
{
    return m->lists[SMALL].bytes + m->lists[MAIN].bytes;
}

static void evict(struct advice *a, struct model *m, size_t size, int64_t now)
{
    for (uint32_t round = 0; bytes_of(m) > m->room; round++) {
        const struct queue *small = &m->lists[SMALL], *main = &m->lists[MAIN];
        bool from_small =
            small->tail && (!main->tail || small->bytes * QUEUE_SMALL_SHARE >= bytes_of(m));
        uint32_t number = from_small ? small->tail : main->tail;
        if (number == 0)
            return;
        struct object *o = &a->objects[number - 1];
        bool gone = from_small ? leaves_small(a, m, size, o, now)
                               : leaves_main(a, m, size, o, now, round < QUEUE_ROUNDS);
        if (gone)
            round = 0;
        m->full = true;
    }
}

static void admit(struct advice *a, struct model *m, size_t size, struct object *o, int64_t now)
{
    bool again = remembered(m, &o->at[size]);
    drop(a, m, size, o);
    o->at[size].heat = 0;
    if (o->bytes > m->room)
        return;
    push(a, m, size, o, again ? MAIN : SMALL);
    evict(a, m, size, now);
}

/* An access: hits count as heat, misses are counted and bring it in. */
static void access_model(struct advice *a, size_t size, struct object *o, bool expired, int64_t now)
{
    struct model *m = &a->models[size];
    struct place *p = &o->at[size];
    if (p->list >= SMALL && !expired) {
        p->heat = p->heat < QUEUE_HEAT ? (uint8_t)(p->heat + 1) : QUEUE_HEAT;
        return;
    }
    m->missed[group_of(o->id)]++;
    admit(a, m, size, o, now);
}

static void resize(struct advice *a, struct object *o, uint64_t bytes)
{
    for (size_t i = 0; i < ADVICE_SIZES; i++)
        if (o->at[i].list >= SMALL)
            a->models[i].lists[o->at[i].list].bytes += bytes - o->bytes;
    o->bytes = bytes;
}

/* --- events --------------------------------------------------------------------------------- */

static void fade(struct advice *a)
{
    double all = 0;
    for (size_t g = 0; g < GROUPS; g++)
        all += a->accesses[g];
    if (all < FADE_AT)
        return;
    a->real_missed /= 2;
    for (size_t g = 0; g < GROUPS; g++) {
        a->accesses[g] /= 2;
        for (size_t i = 0; i < ADVICE_SIZES; i++)
            a->models[i].missed[g] /= 2;
    }
}

static void set_rooms(struct advice *a)
{
    for (size_t i = 0; i < ADVICE_SIZES; i++)
        a->models[i].room =
            (uint64_t)((double)a->room * advice_percent[i] / 100 * ((double)a->below / 0x1p32));
}

void advice_room(struct advice *a, uint64_t bytes)
{
    a->room = bytes;
    set_rooms(a);
}

void advice_sample(struct advice *a, uint32_t below)
{
    if (below >= a->below && a->below != 0)
        return;
    a->below = below;
    for (uint32_t i = 0; i < OBJECTS; i++)
        if (a->objects[i].id != 0 && samples_hash(a->objects[i].id) >= below)
            forget(a, &a->objects[i]);
    set_rooms(a);
}

/* For the first time: what was a hit has been in the dictionary, for how long nobody knows. */
static void meet(struct advice *a, const struct samples_event *e, int64_t now)
{
    struct object *o = add(a, e->id);
    if (!o) {
        advice_sample(a, a->below / 2);
        return;
    }
    o->bytes = e->bytes;
    o->until = e->until;
    o->seen = now;
    a->accesses[group_of(o->id)] += e->kind == SAMPLES_STORED;
    a->real_missed += e->kind == SAMPLES_STORED;
    for (size_t i = 0; i < ADVICE_SIZES; i++) {
        if (e->kind == SAMPLES_STORED)
            access_model(a, i, o, false, now);
        else
            admit(a, &a->models[i], i, o, now);
    }
}

static void meet_again(struct advice *a, struct object *o, const struct samples_event *e,
                       int64_t now)
{
    bool expired = o->until < now;
    if (o->bytes != e->bytes)
        resize(a, o, e->bytes);
    o->until = e->until;
    o->seen = now;
    a->accesses[group_of(o->id)]++;
    a->real_missed += e->kind == SAMPLES_STORED;
    for (size_t i = 0; i < ADVICE_SIZES; i++)
        access_model(a, i, o, expired, now);
}

static void note_idle(struct advice *a, const struct object *o, int64_t now)
{
    double idle = (double)(now - o->seen);
    a->idle = a->idle < 0 ? idle : a->idle + (idle - a->idle) / IDLE_WEIGHT;
}

uint32_t advice_take(struct advice *a, const struct samples_event *events, uint32_t n, int64_t now)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct samples_event *e = &events[i];
        if (e->id == 0 || samples_hash(e->id) >= a->below)
            continue;
        struct object *o = find(a, e->id);
        if (a->since == 0)
            a->since = now;
        if (e->kind == SAMPLES_EVICTED && o)
            note_idle(a, o, now);
        else if (e->kind != SAMPLES_EVICTED && o)
            meet_again(a, o, e, now);
        else if (e->kind != SAMPLES_EVICTED)
            meet(a, e, now);
    }
    fade(a);
    return a->below;
}

void advice_lost(struct advice *a, uint64_t n)
{
    a->lost += n;
}

/* --- the report ----------------------------------------------------------------------------- */

static double sum(const double *v)
{
    double all = 0;
    for (size_t g = 0; g < GROUPS; g++)
        all += v[g];
    return all;
}

/* By Newton's method: the only root here, not worth a library. */
static double root(double x)
{
    double r = x > 1 ? x : 1;
    for (int i = 0; i < 64 && x > 0; i++)
        r = (r + x / r) / 2;
    return x > 0 ? r : 0;
}

/* Standard deviation of the sum over groups of what is gained. */
static double deviation(const struct model *now, const struct model *then)
{
    double mean = (sum(now->missed) - sum(then->missed)) / GROUPS, squares = 0;
    for (size_t g = 0; g < GROUPS; g++) {
        double off = now->missed[g] - then->missed[g] - mean;
        squares += off * off;
    }
    return root(squares / (GROUPS - 1) * GROUPS);
}

void advice_report(const struct advice *a, struct advice_report *out)
{
    double all = sum(a->accesses), now = sum(a->models[ADVICE_NOW].missed);
    *out = (struct advice_report){ .rate = (double)a->below / 0x1p32,
                                   .accesses = (uint64_t)all,
                                   .objects = a->objects_n,
                                   .lost = a->lost,
                                   .since = a->since,
                                   .idle = a->idle,
                                   .real = all > 0 ? a->real_missed / all : 0 };
    for (size_t i = 0; i < ADVICE_SIZES; i++) {
        const struct model *m = &a->models[i];
        out->size[i].ready = m->full || all > OFTEN * (double)a->objects_n;
        out->size[i].missed = all > 0 ? sum(m->missed) / all : 0;
        out->size[i].gained = now > 0 ? (now - sum(m->missed)) / now : 0;
        out->size[i].error = now > 0 ? 2 * deviation(&a->models[ADVICE_NOW], m) / now : 0;
    }
}

struct advice *advice_make(void)
{
    struct advice *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->idle = -1;
    for (uint32_t i = OBJECTS; i > 0; i--) {
        a->objects[i - 1].chain = a->free;
        a->free = i;
    }
    return a;
}

void advice_free(struct advice **advice)
{
    free(*advice);
    *advice = NULL;
}
