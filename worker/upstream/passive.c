/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A success is counted when the whole response has come, so that a target which always breaks off
 * is found out; a failing status and the verdict of a trial count at once, since a body may take
 * long. While nothing has failed, a success is one load of the peer's word.
 *
 * An answer may be read late: it had come before the target died, and lay in the socket while other
 * workers were refused. So each observation says when it came about at the earliest.
 */
#include "worker/upstream/passive.h"
#include "worker/base/checks.h"
#include "worker/upstream/upstream.h"
#include <stdio.h>

enum { TRIAL_SPARE = 1000 /* ms */ };

static struct health_now present(const struct worker *w)
{
    return (struct health_now){ &w->heritage->health, w->loop.now.ms, w->loop.now.real_ms };
}

/* The loop's clock stands since the turn began, and other workers have seen more since. */
static struct clock this_moment(void)
{
    struct clock clock;

    clock_read(&clock);
    return clock;
}

/* retry_after runs from the failure on, not from when the turn began. A success brings a peer back
 * as of then: who was sent there later in the same turn is not from before. */
static struct health_now moment_of(const struct worker *w, enum verdict_event event)
{
    struct clock now = event < VERDICT_FAILURES ? this_moment() : w->loop.now;

    return (struct health_now){ &w->heritage->health, now.ms, now.real_ms };
}

static const struct verdict_limits *limits_of(const struct stream *s)
{
    return &s->w->upstreams[s->peer->upstream->index].limits;
}

static void tell(struct stream *s, const struct health_seen *seen)
{
    struct health_peer_shm *row = s->peer->row;
    const struct verdict_limits *limits = limits_of(s);
    struct health_now now = moment_of(s->w, seen->event);
    char name[128];
    enum health_change change =
        s->trial ? health_state_conclude(row, s->w->heritage->slot, seen, limits, &now)
                 : health_state_count(row, seen, limits, &now);

    s->trial = false;
    if (change == HEALTH_SAME)
        return;
    snprintf(name, sizeof name, "%s/%s", s->peer->upstream->name.s, s->peer->text.s);
    checks_log(change, name, seen);
}

/* Whether anything could come of it. */
static bool matters(const struct stream *s, enum verdict_event event)
{
    const struct health_peer_shm *row = s->peer ? s->peer->row : NULL;

    if (!row)
        return false;
    if (s->trial)
        return true;
    if (event == VERDICT_SUCCESS)
        return !health_spotless(row);
    return event < VERDICT_FAILURES &&
           (limits_of(s)->failures[VERDICT_PASSIVE][event] > 0 || health_state(row) != HEALTH_UP);
}

static void answered(struct stream *s, enum verdict_event event, int status)
{
    struct health_seen seen = { .since = s->up ? s->up->after : 0,
                                .source = VERDICT_PASSIVE,
                                .event = event,
                                .cause = event == VERDICT_HTTP_FAILURE ? HEALTH_CAUSE_STATUS
                                                                       : HEALTH_CAUSE_OK,
                                .status = status };

    if (matters(s, event))
        tell(s, &seen);
}

static enum verdict_event event_of(const struct stream *s, int status)
{
    const struct conf_passive *passive = &s->peer->upstream->healthchecks.passive;

    return checks_status(&passive->healthy, &passive->unhealthy, status);
}

void passive_head(struct stream *s, int status)
{
    s->up_status = status;
    if (!s->peer || !s->peer->row ||
        (!s->trial && !s->w->upstreams[s->peer->upstream->index].counts))
        return;
    enum verdict_event event = event_of(s, status);
    if (s->trial || event == VERDICT_HTTP_FAILURE)
        answered(s, event, status);
}

void passive_end(struct stream *s)
{
    if (!s->peer || !s->peer->row || health_spotless(s->peer->row))
        return;
    if (event_of(s, s->up_status) == VERDICT_SUCCESS)
        answered(s, VERDICT_SUCCESS, s->up_status);
}

void passive_failed(struct stream *s, bool timeout, const char *cause, const char *more)
{
    struct health_seen seen = { .since = s->up_began,
                                .source = VERDICT_PASSIVE,
                                .event = timeout ? VERDICT_TIMEOUT : VERDICT_TCP_FAILURE,
                                .cause = health_cause_of(cause),
                                .text = more };

    s->up_status = timeout ? 504 : 502;
    if (!matters(s, seen.event))
        return;
    if (seen.cause == HEALTH_CAUSE_OTHER && !more)
        seen.text = cause;
    seen.until = this_moment().us;
    tell(s, &seen);
}

bool passive_enter(struct stream *s, struct peer *peer)
{
    const struct conf_service *service = s->service;
    struct health_now now = present(s->w);
    int64_t patience = (int64_t)service->connect_timeout + service->write_timeout +
                       service->read_timeout + TRIAL_SPARE;

    if (!peer->row || peer->spared || health_state(peer->row) == HEALTH_UP)
        return true;
    s->trial = health_state_try(peer->row, s->w->heritage->slot, patience, &now);
    return s->trial || health_state(peer->row) == HEALTH_UP;
}

void passive_leave(struct stream *s)
{
    struct health_now now = present(s->w);

    if (s->trial)
        health_state_abandon(s->peer->row, s->w->heritage->slot, &now);
    s->trial = false;
}
