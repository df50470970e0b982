/* SPDX-License-Identifier: Apache-2.0 */
/* Templates (conf/template.h) filled in from a request as it came. */
#ifndef PLUGINS_RENDER_H
#define PLUGINS_RENDER_H

#include "conf/template.h"
#include "worker/stream.h"

/* What the text is for decides how a value from the request is written. */
enum render_for {
    RENDER_FIELD, /* as it is; without control characters */
    RENDER_PLAIN, /* as it is, any bytes: who puts it into a query or a body encodes it */
    RENDER_PATH,  /* percent-encoded, slashes too; captures are in their normal form already */
};

enum render_result {
    RENDER_DONE,
    RENDER_REFUSED, /* it would break out of its place: a control character, a dot segment */
    RENDER_NO_MEMORY,
};

/* Into the arena, or the template itself. What is not there is empty. */
enum render_result render_text(struct stream *s, const struct conf_template *t,
                               enum render_for what, struct slice *out);

#endif
