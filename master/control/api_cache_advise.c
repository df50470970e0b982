/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API: what another size of a dictionary would bring. The models tell which share of the misses
 * would become hits; counted with all misses that really were, that is hits an hour.
 */
#include "master/control/api.h"

static void put(json_t *o, const char *name, double value)
{
    json_object_set_new(o, name, json_real(value));
}

static json_t *size_json(const struct advisor *a, const struct advice_report *report, size_t i,
                         uint64_t now_bytes)
{
    json_t *o = json_object();
    double gained = a->seen_missed * report->size[i].gained;
    double all = a->seen_hits + a->seen_missed;

    json_object_set_new(o, "percent", json_integer(advice_percent[i]));
    json_object_set_new(o, "bytes",
                        json_integer((json_int_t)(now_bytes * advice_percent[i] / 100)));
    json_object_set_new(o, "ready", json_boolean(report->size[i].ready));
    put(o, "hit_ratio", all > 0 ? (a->seen_hits + gained) / all : 0);
    put(o, "fewer_misses", report->size[i].gained);
    put(o, "error", report->size[i].error);
    put(o, "hits_per_hour", a->seconds > 0 ? gained / a->seconds * 3600 : 0);
    return o;
}

static json_t *dict_json(struct api *api, size_t dict)
{
    struct advisor *a = &api->advisors[dict];
    const struct conf_dict *conf = &api->heritage->conf->shared_dicts[dict];
    json_t *o = json_object(), *sizes = json_array();
    struct advice_report report = { 0 };
    bool some = advisor_ask(a, api->now, &report);

    json_object_set_new(o, "name", api_conf_text(conf->name));
    json_object_set_new(o, "size", json_integer((json_int_t)conf->size));
    put(o, "sampled", report.rate);
    json_object_set_new(o, "events", json_integer((json_int_t)report.accesses));
    json_object_set_new(o, "objects", json_integer((json_int_t)report.objects));
    json_object_set_new(o, "lost", json_integer((json_int_t)report.lost));
    json_object_set_new(o, "seconds", json_integer(some ? api->now - report.since : 0));
    put(o, "hits", a->seen_hits);
    put(o, "misses", a->seen_missed);
    for (size_t i = 0; some && i < ADVICE_SIZES; i++)
        json_array_append_new(sizes, size_json(a, &report, i, conf->size));
    json_object_set_new(o, "sizes", sizes);
    return o;
}

void api_cache_advise(struct api *api, const struct api_request *request, struct api_reply *reply)
{
    const struct conf *conf = api->heritage->conf;
    json_t *list = json_array(), *value = json_object();
    char dict[256] = "";

    if (!api_parameter_fits(request, "dict", sizeof dict)) {
        json_decref(list);
        json_decref(value);
        api_reply_message(reply, 400, "dict is too long");
        return;
    }
    (void)api_parameter(request, "dict", dict, sizeof dict);
    for (size_t i = 0; i < conf->shared_dicts_n; i++)
        if (api_dict_is(api, i, dict))
            json_array_append_new(list, dict_json(api, i));
    json_object_set_new(value, "dicts", list);
    api_reply_json(reply, 200, value);
}
