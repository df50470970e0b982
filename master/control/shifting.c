/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A step is two writes: first the record, with the share and the mark of the step, then the words
 * that are counted in get the mark. Who dies between has left words of another mark: whoever looks
 * next begins to count anew, and judges by nothing but answers of the step.
 */
#include "master/control/shifting.h"
#include "shm/board.h"
#include "worker/base/log.h"
#include <stdio.h>
#include <string.h>

/* --- what changes in a list ----------------------------------------------------------------- */

bool shifting_finish(struct override_list *list, const struct conf_service *service, int64_t now)
{
    const struct override *shift = override_find_host(list, service, OVERRIDE_SHIFT);
    const struct override *host = override_find_host(list, service, OVERRIDE_HOST);
    if (!shift)
        return true;
    struct override o = *shift, old = host ? *host : o;
    (void)override_drop(list, o.subject, OVERRIDE_SHIFT);
    (void)override_drop(list, old.subject, OVERRIDE_HOST);
    if (strcmp(o.subject, service->host.s) == 0)
        return true; /* the file says so */
    o.thing = OVERRIDE_HOST;
    o.value = 1;
    o.since = now;
    memset(&o.shift, 0, sizeof o.shift);
    return override_set(list, &o);
}

static void undo(struct override *o, const struct shift_counts *counts, int64_t now)
{
    o->shift.undone = o->value;
    o->shift.answered = (int64_t)counts->answered;
    o->shift.failed = (int64_t)counts->failed;
    o->shift.at = now;
    o->value = 0;
}

static void step(struct override *o, const struct roster_tally *tally, int64_t now)
{
    o->value = o->value + o->shift.step < SHIFT_WHOLE ? o->value + o->shift.step : SHIFT_WHOLE;
    o->shift.at = now;
    o->shift.mark = shift_mark(tally);
}

void shifting_why(const struct override *o, char *out, size_t cap)
{
    double share =
        o->shift.answered > 0 ? 100.0 * (double)o->shift.failed / (double)o->shift.answered : 0;
    char over[32] = "";
    if (o->shift.slow)
        snprintf(over, sizeof over, " or over %d ms", o->shift.slow);
    snprintf(out, cap, "5xx%s: %lld of %lld (%.4g %%) are more than %.4g %%", over,
             (long long)o->shift.failed, (long long)o->shift.answered, share,
             o->shift.limit * 100.0 / SHIFT_LIMIT_WHOLE);
}

/* --- one service ---------------------------------------------------------------------------- */

static void say(enum shift_verdict verdict, const struct conf_service *service,
                const struct override *o)
{
    char why[128];
    if (verdict == SHIFT_STEP)
        log_write(LOG_LEVEL_NOTICE, "service %s: %.4g %% go to %s now", service->name.s,
                  o->value * 100.0 / SHIFT_WHOLE, o->subject);
    if (verdict == SHIFT_FINISH)
        log_write(LOG_LEVEL_NOTICE, "service %s: the shift to %s is complete", service->name.s,
                  o->subject);
    if (verdict != SHIFT_UNDO)
        return;
    shifting_why(o, why, sizeof why);
    log_write(LOG_LEVEL_WARN, "service %s: the shift to %s was undone at %.4g %%, %s",
              service->name.s, o->subject, o->shift.undone * 100.0 / SHIFT_WHOLE, why);
}

/* Carries out what is to be done, and writes it. Without room it is tried again at the next look.
 */
static void act(struct api *api, const struct conf_service *service, struct override_list *list,
                struct override *o, const struct shift_counts *counts)
{
    const struct heritage *h = api->heritage;
    struct roster_tally *tally =
        roster_tally(&h->roster, override_identity(ROSTER_SERVICE, service->name));
    enum shift_verdict verdict = shift_judge(o, counts, api->now);
    struct override after = *o;
    bool ready = true;

    if (!tally || verdict == SHIFT_STAY || verdict == SHIFT_WAIT)
        return;
    if (verdict == SHIFT_UNDO)
        undo(&after, counts, api->now);
    if (verdict == SHIFT_STEP)
        step(&after, tally, api->now);
    ready = verdict == SHIFT_FINISH ? shifting_finish(list, service, api->now)
                                    : override_set(list, &after);
    if (!ready || !override_write(&h->roster, h->slot, ROSTER_SERVICE, list))
        return;
    if (verdict == SHIFT_STEP)
        shift_begin(tally, after.shift.mark);
    say(verdict, service, &after);
}

static void look_at(struct api *api, const struct conf_service *service)
{
    const struct zone *roster = &api->heritage->roster;
    const struct peers_shift *shift = peers_shift(&api->peers, service);
    struct override_list list;
    struct shift_counts counts;

    bool read = override_read(roster, ROSTER_SERVICE, service->name, &list, NULL);
    const struct override *o = read ? override_find_host(&list, service, OVERRIDE_SHIFT) : NULL;
    if (o && o->value > 0) {
        struct override running = *o;
        if (!shift_read(shift->tally, running.shift.mark, &counts)) {
            shift_begin(shift->tally, running.shift.mark); /* somebody died before he could */
            counts = (struct shift_counts){ 0, 0 };
        }
        act(api, service, &list, &running, &counts);
    }
    override_free(&list);
}

void shifting_look(struct api *api)
{
    const struct heritage *h = api->heritage;
    const struct conf *conf = h->conf;
    if (peers_stale(&api->peers))
        peers_renew(&api->peers);
    if (api->peers.shifts == 0 || board_of(&h->board)->generation != h->generation)
        return;
    for (size_t i = 0; i < conf->services_n; i++)
        if (peers_shift(&api->peers, &conf->services[i]))
            look_at(api, &conf->services[i]);
}
