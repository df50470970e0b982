/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: a service is shifted to another upstream, by a share of its requests that may grow by
 * itself. PUT begins a shift, PATCH changes the running one, DELETE undoes it; each begins a new
 * step, so that nothing that was counted before speaks for or against it.
 */
#include "master/control/api_shift.h"
#include "master/control/api_change.h"
#include "master/control/shifting.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTS_MAX = 1000000, STATUS_CLASS = 3, SLOW_MAX = 3600 * 1000 /* ms */ };

/* --- showing -------------------------------------------------------------------------------- */

static json_t *percent(int64_t part, int64_t whole)
{
    return json_real((double)part * 100.0 / (double)whole);
}

/* As it may be asked for: "10/30s". */
static json_t *step_json(const struct override_shift *plan)
{
    return plan->step > 0 ? json_sprintf("%.4g/%ds", plan->step * 100.0 / SHIFT_WHOLE, plan->every)
                          : json_null();
}

static json_t *limit_json(const struct override_shift *plan)
{
    double share = plan->limit * 100.0 / SHIFT_LIMIT_WHOLE;

    if (plan->limit < 0)
        return json_null();
    return plan->slow ? json_sprintf("p%.4g>%dms", 100 - share, plan->slow)
                      : json_sprintf("5xx>%.4g%%", share);
}

json_t *api_shift_json(const struct override *o)
{
    json_t *value = json_object();
    char why[128];

    json_object_set_new(value, "percent", percent(o->value, SHIFT_WHOLE));
    json_object_set_new(value, "state",
                        json_string(o->value == 0       ? "undone"
                                    : o->shift.step > 0 ? "stepping"
                                                        : "steady"));
    json_object_set_new(value, "step", step_json(&o->shift));
    json_object_set_new(value, "abort_if", limit_json(&o->shift));
    json_object_set_new(value, "requests", json_integer(o->shift.least));
    json_object_set_new(value, o->value > 0 ? "step_since" : "undone_since",
                        json_integer((json_int_t)o->shift.at));
    if (o->value == 0) {
        shifting_why(o, why, sizeof why);
        json_object_set_new(value, "undone_at", percent(o->shift.undone, SHIFT_WHOLE));
        json_object_set_new(value, "why", json_string(why));
        json_object_set_new(value, "answered", json_integer((json_int_t)o->shift.answered));
        json_object_set_new(value, "failed", json_integer((json_int_t)o->shift.failed));
    }
    return value;
}

/* What was counted in the step so far. */
static void add_counts(const struct api *api, const struct conf_service *service,
                       const struct override *o, json_t *value)
{
    const struct roster_tally *tally =
        roster_tally(&api->heritage->roster, override_identity(ROSTER_SERVICE, service->name));
    struct shift_counts counts = { 0, 0 };

    if (!tally || !shift_read(tally, o->shift.mark, &counts))
        counts = (struct shift_counts){ 0, 0 };
    json_object_set_new(value, "answered", json_integer((json_int_t)counts.answered));
    json_object_set_new(value, "failed", json_integer((json_int_t)counts.failed));
    if (shift_judge(o, &counts, api->now) == SHIFT_WAIT)
        json_object_set_new(value, "state", json_string("waiting"));
}

json_t *api_shift_of(const struct api *api, const struct conf_service *service)
{
    struct override_list list;
    json_t *value = json_null();

    bool read = override_read(&api->heritage->roster, ROSTER_SERVICE, service->name, &list, NULL);
    const struct override *o = read ? override_find_host(&list, service, OVERRIDE_SHIFT) : NULL;
    if (o) {
        value = api_shift_json(o);
        json_object_set_new(value, "service", api_conf_text(service->name));
        json_object_set_new(value, "from",
                            api_conf_text(peers_upstream(&api->peers, service)->name));
        json_object_set_new(value, "to", api_text(o->subject, strlen(o->subject)));
        json_object_set_new(value, "who", api_text(o->who, strlen(o->who)));
        json_object_set_new(value, "since", json_integer((json_int_t)o->since));
        json_object_set_new(value, "until",
                            o->until ? json_integer((json_int_t)o->until) : json_null());
        if (o->value > 0)
            add_counts(api, service, o, value);
    }
    override_free(&list);
    return value;
}

/* --- reading -------------------------------------------------------------------------------- */

/* A number of percent at *text, up to what follows it, as a part of `whole`; -1: it is none, or not
 * a multiple of 1/whole. */
static int32_t part_of(const char **text, int whole)
{
    char *end;
    if (**text < '0' || **text > '9')
        return -1;
    double part = strtod(*text, &end) * whole / 100;
    *text = end;
    return part <= whole && fabs(part - round(part)) < 1e-6 ? (int32_t)round(part) : -1;
}

/* 10, 0.5, "10" or "10%". */
static bool take_percent(const json_t *value, struct override *o)
{
    char number[64] = "";
    const char *text = json_is_string(value) ? json_string_value(value) : number;
    if (json_is_number(value))
        snprintf(number, sizeof number, "%.12g", json_number_value(value));
    o->value = part_of(&text, SHIFT_WHOLE);
    return o->value > 0 && (*text == '\0' || strcmp(text, "%") == 0);
}

/* "10/30s" */
static bool take_step(const json_t *value, struct override *o)
{
    const char *text = json_string_value(value);
    o->shift.step = o->shift.every = 0;
    if (json_is_null(value))
        return true;
    if (!text)
        return false;
    o->shift.step = part_of(&text, SHIFT_WHOLE);
    text += *text == '%';
    int64_t every = *text == '/' ? api_change_span(text + 1) : 0;
    o->shift.every = every <= INT32_MAX ? (int32_t)every : 0;
    return o->shift.step > 0 && o->shift.every > 0;
}

static const char *skip_spaces(const char *text)
{
    return text + strspn(text, " ");
}

/* " > ", with spaces or not; false: it is not there. */
static bool skip_above(const char **text)
{
    *text = skip_spaces(*text);
    if (**text != '>')
        return false;
    *text = skip_spaces(*text + 1);
    return true;
}

/* The rest of "5xx>1%" */
static bool take_failures(const char *text, struct override_shift *plan)
{
    if (!skip_above(&text))
        return false;
    plan->limit = part_of(&text, SHIFT_LIMIT_WHOLE);
    return plan->limit >= 0 && strcmp(skip_spaces(text), "%") == 0;
}

/* The rest of "p99>500ms": an answer in a hundred may be slower. */
static bool take_percentile(const char *text, struct override_shift *plan)
{
    char *end;
    int32_t within = part_of(&text, SHIFT_LIMIT_WHOLE);

    if (within <= 0 || within >= SHIFT_LIMIT_WHOLE || !skip_above(&text) || *text < '0' ||
        *text > '9')
        return false;
    long time = strtol(text, &end, 10);
    const char *unit = skip_spaces(end);
    bool seconds = strcmp(unit, "s") == 0;
    if ((!seconds && strcmp(unit, "ms") != 0) || time < 1 || time > SLOW_MAX / (seconds ? 1000 : 1))
        return false;
    plan->slow = (int32_t)time * (seconds ? 1000 : 1);
    plan->limit = SHIFT_LIMIT_WHOLE - within;
    return true;
}

static bool take_limit(const json_t *value, struct override *o)
{
    const char *text = json_string_value(value);

    o->shift.limit = -1;
    o->shift.slow = 0;
    if (json_is_null(value))
        return true;
    if (text && strncmp(text, "5xx", STATUS_CLASS) == 0)
        return take_failures(text + STATUS_CLASS, &o->shift);
    return text && *text == 'p' && take_percentile(text + 1, &o->shift);
}

static bool take_requests(const json_t *value, struct override *o)
{
    json_int_t n = json_integer_value(value);
    o->shift.least = (int32_t)(n > 0 && n <= REQUESTS_MAX ? n : 0);
    return o->shift.least > 0;
}

static const struct {
    const char *name;
    bool (*take)(const json_t *value, struct override *o);
    const char *wanted;
} fields[] = {
    { "percent", take_percent, "a share between 0.1 and 100, of at most one decimal" },
    { "step", take_step, "a share and how long it is kept, like \"10/30s\"" },
    { "abort_if", take_limit, "like \"5xx>1%\" or \"p99>500ms\"" },
    { "requests", take_requests, "how many answers it takes to judge a step, 1 to 1000000" },
};
enum { FIELDS = sizeof fields / sizeof *fields };

/* False: the reply says why. */
static bool take_fields(struct api_change *c, struct override *o)
{
    size_t known = json_object_get(c->body, "to") ? 1 : 0;
    known += json_object_get(c->body, "for") ? 1 : 0;
    for (size_t i = 0; i < FIELDS; i++) {
        const json_t *value = json_object_get(c->body, fields[i].name);
        if (!value)
            continue;
        known++;
        if (!fields[i].take(value, o)) {
            api_reply_message(c->reply, 400, "\"%s\" must be %s", fields[i].name, fields[i].wanted);
            return false;
        }
    }
    if (known == json_object_size(c->body))
        return true;
    api_reply_message(
        c->reply, 400,
        "A shift has \"to\", \"percent\", \"step\", \"abort_if\", \"requests\", \"for\"");
    return false;
}

static bool take_to(struct api_change *c, struct override *o)
{
    const char *to = json_string_value(json_object_get(c->body, "to"));
    if (!to) {
        api_reply_message(c->reply, 400, "\"to\" must name an upstream");
        return false;
    }
    if (strlen(to) >= sizeof o->subject || !api_change_is_upstream(c->api->heritage->conf, to)) {
        api_reply_message(c->reply, 400, "There is no upstream of that name");
        return false;
    }
    if (strcmp(peers_upstream(&c->api->peers, c->service)->name.s, to) == 0) {
        api_reply_message(c->reply, 400, "The service leads there already");
        return false;
    }
    snprintf(o->subject, sizeof o->subject, "%s", to);
    return true;
}

/* --- changing ------------------------------------------------------------------------------- */

/* There is one shift of a service at the most. */
static void drop_shifts(struct override_list *list)
{
    for (size_t i = list->n; i-- > 0;)
        if (list->v[i].thing == OVERRIDE_SHIFT)
            (void)override_drop(list, list->v[i].subject, OVERRIDE_SHIFT);
}

/* Its step begins when the record is written: by then there is one, with what is counted beside. */
static bool store(struct api_change *c, struct override *o)
{
    const struct heritage *h = c->api->heritage;
    uint64_t identity = override_identity(ROSTER_SERVICE, c->service->name);
    struct roster_tally *tally = roster_tally(&h->roster, identity);

    o->thing = OVERRIDE_SHIFT;
    o->base = override_base_host(c->service);
    o->shift.at = c->api->now;
    o->shift.mark = tally ? shift_mark(tally) : (uint32_t)c->api->now & UINT16_MAX;
    drop_shifts(&c->list);
    if (!api_change_put(c, o))
        return false;
    bool whole = o->value == SHIFT_WHOLE;
    if (whole && !shifting_finish(&c->list, c->service, c->api->now)) {
        api_reply_message(c->reply, 500, "No memory for the overrides");
        return false;
    }
    if (!api_change_write(c))
        return false;
    tally = roster_tally(&h->roster, identity);
    if (tally && !whole)
        shift_begin(tally, o->shift.mark);
    return true;
}

static void answer(struct api_change *c, const struct override *o)
{
    if (o->value < SHIFT_WHOLE) {
        api_audit(c->request, "service %s: %.4g %% go to %s", c->service->name.s,
                  o->value * 100.0 / SHIFT_WHOLE, o->subject);
        api_reply_json(c->reply, 200, api_shift_of(c->api, c->service));
        return;
    }
    api_audit(c->request, "service %s leads to %s", c->service->name.s, o->subject);
    api_reply_json(c->reply, 200,
                   json_pack("{ss, ss, sf, ss}", "service", c->service->name.s, "to", o->subject,
                             "percent", 100.0, "state", "finished"));
}

void api_shift_put(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    struct api_change c = { .api = api, .request = request, .reply = reply };
    struct override o = { .since = api->now, .shift = { .limit = -1, .least = SHIFT_LEAST } };

    snprintf(o.who, sizeof o.who, "%s", request->caller->text);
    if (api_change_begin_service(&c) && api_change_body(&c) && take_fields(&c, &o) &&
        take_to(&c, &o)) {
        o.until = c.until;
        if (o.value == 0)
            o.value = o.shift.step; /* the first step */
        if (o.value == 0)
            api_reply_message(reply, 400, "\"percent\" or \"step\" is missing");
        else if (store(&c, &o))
            answer(&c, &o);
    }
    api_change_end(&c);
}

void api_shift_patch(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    struct api_change c = { .api = api, .request = request, .reply = reply };
    const struct override *found = NULL;
    struct override o;

    if (api_change_begin_service(&c) && api_change_body(&c)) {
        found = override_find_host(&c.list, c.service, OVERRIDE_SHIFT);
        if (!found)
            api_reply_message(reply, 404, "The service is not being shifted");
        else if (found->value == 0)
            api_reply_message(reply, 409, "The shift was undone; PUT begins anew");
        else if (json_object_get(c.body, "to"))
            api_reply_message(reply, 400, "\"to\" is for PUT, which begins anew");
    }
    o = found ? *found : (struct override){ .value = 0 };
    if (reply->status == 0 && take_fields(&c, &o)) {
        if (c.until)
            o.until = c.until;
        if (store(&c, &o))
            answer(&c, &o);
    }
    api_change_end(&c);
}

void api_shift_delete(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    struct api_change c = { .api = api, .request = request, .reply = reply };

    if (api_change_begin_service(&c)) {
        if (!override_find_host(&c.list, c.service, OVERRIDE_SHIFT)) {
            api_reply_message(reply, 404, "The service is not being shifted");
        } else {
            drop_shifts(&c.list);
            if (api_change_write(&c)) {
                api_audit(request, "service %s: its shift is undone", c.service->name.s);
                reply->status = 204;
            }
        }
    }
    api_change_end(&c);
}

void api_shift_get(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    const struct conf_service *service = api_change_service(api, request->args[0], reply);
    json_t *value = service ? api_shift_of(api, service) : NULL;

    if (!service)
        return;
    if (!json_is_null(value))
        api_reply_json(reply, 200, value);
    else
        api_reply_message(reply, 404, "The service is not being shifted");
}
