/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request-termination: an answer instead of the upstream's, for every request or for those that
 * carry the trigger as a header or an argument.
 */
#include "conf/plugins/plugin_request_termination.h"
#include "worker/plugins/lookup.h"
#include "worker/plugins/plugins.h"
#include "worker/plugins/request_echo.h"

static const struct {
    int status;
    const char *text;
} default_messages[] = {
    { 401, "Unauthorized" },       { 404, "Not found" },
    { 405, "Method not allowed" }, { 500, "An unexpected error occurred" },
    { 502, "Bad Gateway" },        { 503, "Service unavailable" },
};

/* NULL: there is nothing to say. */
static const char *message_for(const struct conf_request_termination *c)
{
    if (c->message.n > 0)
        return c->message.s;
    for (size_t i = 0; i < sizeof(default_messages) / sizeof(*default_messages); i++)
        if (default_messages[i].status == c->status_code)
            return default_messages[i].text;
    return NULL;
}

static bool triggered(struct stream *s, const struct conf_text *trigger)
{
    const struct request *r = stream_request(s);
    struct slice rest = r->uri.query, value;
    if (trigger->n == 0 || lookup_header(s, trigger).p)
        return true;
    return rest.p && lookup_argument(s, &rest, trigger, &value);
}

static enum stage_result answer_echo(struct stream *s, const struct conf_request_termination *c)
{
    struct slice body = request_echo(s, message_for(c));
    if (!body.p)
        return stream_answer(s, 500, "An unexpected error occurred");
    return stream_answer_with(s, c->status_code, SLICE("application/json; charset=utf-8"), body);
}

static enum stage_result answer_body(struct stream *s, const struct conf_request_termination *c)
{
    struct slice type = slice_text(c->content_type);
    if (type.n == 0)
        type = SLICE("application/json; charset=utf-8");
    return stream_answer_with(s, c->status_code, type, slice_text(c->body));
}

static enum stage_result request_termination_access(struct stream *s, const void *config)
{
    const struct conf_request_termination *c = config;
    if (!triggered(s, &c->trigger))
        return STAGE_NEXT;
    if (c->echo)
        return answer_echo(s, c);
    if (c->body.n > 0)
        return answer_body(s, c);
    const char *message = message_for(c);
    if (message)
        return stream_answer(s, c->status_code, message);
    return stream_answer_with(s, c->status_code, slice_of(NULL, 0), slice_of(NULL, 0));
}

const struct plugin_ops request_termination_ops = {
    .kind = CONF_PLUGIN_REQUEST_TERMINATION,
    .access = request_termination_access,
};
