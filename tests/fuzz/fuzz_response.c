/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a response head to a method that the first byte chooses, whole and cut in two. */
#include "worker/http/head.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool expression)
{
    if (!expression)
        abort();
}

static void check_head(const struct head *h, enum head_method to)
{
    bool none = to == METHOD_HEAD || h->status < 200 || h->status == 204 || h->status == 304;
    check(h->status >= 100 && h->status <= 999);
    check((h->framing == FRAMING_NONE) == none);
    check(h->framing != FRAMING_CLOSE || !h->keep_alive);
    check(h->framing != FRAMING_CHUNKED || h->minor == 1);
    check(!(h->first[FIELD_CONTENT_LENGTH] && h->first[FIELD_TRANSFER_ENCODING]));
    for (const struct field *f = h->fields; f < h->fields + h->fields_n; f++) {
        check(f->name_n > 0 && f->id < FIELD_IDS);
        check(!memchr(f->value, '\r', f->value_n) && !memchr(f->value, '\n', f->value_n));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct head h, part;
    if (size < 2 || size > 1 << 15)
        return 0;
    size_t n = size - 2, cut = data[1] % (n + 1);
    enum head_method to = data[0] % 2 ? METHOD_GET : METHOD_HEAD;
    char *buf = malloc(n ? n : 1);
    if (!buf)
        return 0;
    memcpy(buf, data + 2, n);
    int whole = head_response(buf, n, 0, to, &h);
    check(whole <= (int)n);
    if (whole > 0)
        check_head(&h, to);
    int verdict = head_response(buf, cut, 0, to, &part);
    if (verdict > 0)
        check(verdict == whole);
    if (verdict == HEAD_MORE)
        verdict = head_response(buf, n, cut, to, &part);
    check(verdict == whole || (verdict == HEAD_MORE && whole < 0));
    free(buf);
    return 0;
}
