/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request-size-limiting: what Content-Length says is judged here, before anything of the body is
 * asked for; a chunked body is counted where it is read. Statuses and texts are Kong's. A request
 * without a body needs no Content-Length (RFC 9110 section 8.6).
 */
#include "conf/plugins/plugin_request_size_limiting.h"
#include "worker/plugins/plugins.h"
#include "worker/stream.h"

static const char refusal[] = "Request size limit exceeded";

static enum stage_result request_size_limiting_access(struct stream *s, const void *config)
{
    const struct conf_request_size_limiting *c = config;
    const struct head *head = stream_request(s)->head;
    if (head->framing == FRAMING_LENGTH && head->content_length > c->allowed)
        return stream_answer(s, head->expect_continue ? 417 : 413, refusal);
    if (head->framing == FRAMING_CHUNKED && c->require_content_length)
        return stream_answer(s, 411, "A valid Content-Length header is required");
    stream_limit_body(s, c->allowed, refusal);
    return STAGE_NEXT;
}

const struct plugin_ops request_size_limiting_ops = {
    .kind = CONF_PLUGIN_REQUEST_SIZE_LIMITING,
    .access = request_size_limiting_access,
};
