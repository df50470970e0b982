/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a request head. The first byte says where they are cut in two: arriving in parts
 * must not change the verdict, the engines must agree, and what was accepted must read the same
 * when written anew from what was parsed.
 */
#include "worker/http/build.h"
#include "worker/http/scan.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool expression)
{
    if (!expression)
        abort();
}

static void check_inside(struct slice s, const char *buf, size_t n)
{
    if (s.n && !slice_equal(s, SLICE("/")) && !slice_equal(s, SLICE("*")))
        check(s.p >= buf && s.p + s.n <= buf + n);
}

static void check_parts(const char *buf, size_t n, size_t cut, int whole)
{
    static struct head h;
    int verdict = head_request(buf, cut, 0, &h);
    if (verdict > 0)
        check(verdict == whole);
    if (verdict == HEAD_MORE)
        verdict = head_request(buf, n, cut, &h);
    check(verdict == whole || (verdict == HEAD_MORE && whole < 0));
}

static void check_engines(const char *buf, size_t n)
{
    static struct head fast, slow;
    const struct scan_engine *e = scan_engine(n);
    check(e->target(buf, buf, buf + n) == scan_portable.target(buf, buf, buf + n));
    check(e->value(buf, buf, buf + n) == scan_portable.value(buf, buf, buf + n));
    check(e->host(buf, buf, buf + n) == scan_portable.host(buf, buf, buf + n));
    int verdict = e->lines(buf, buf, buf + n, &fast);
    check(verdict == scan_portable.lines(buf, buf, buf + n, &slow));
    for (unsigned i = 0; verdict > 0 && i < fast.fields_n; i++)
        check(fast.fields[i].name_n == slow.fields[i].name_n &&
              fast.fields[i].value == slow.fields[i].value &&
              fast.fields[i].value_n == slow.fields[i].value_n);
}

static void check_rewritten(const struct head *h)
{
    static struct head again;
    static char out[1 << 17];
    char *to = build_slice(out, h->method_text);
    to = build_slice(to, SLICE(" "));
    to = build_slice(to, h->target);
    to = build_slice(to, h->minor ? SLICE(" HTTP/1.1\r\n") : SLICE(" HTTP/1.0\r\n"));
    for (const struct field *f = h->fields; f < h->fields + h->fields_n; f++)
        to = build_field(to, slice_of(f->name, f->name_n), field_value(f));
    to = build_slice(to, SLICE("\r\n"));
    check(head_request(out, (size_t)(to - out), 0, &again) == to - out);
    check(again.framing == h->framing && again.content_length == h->content_length);
    check(again.keep_alive == h->keep_alive && again.fields_n == h->fields_n);
    check(slice_equal(again.path, h->path) && slice_equal(again.host, h->host));
    check(memcmp(again.first, h->first, sizeof(h->first)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct head h;
    if (size < 1 || size > 1 << 15)
        return 0;
    size_t n = size - 1;
    char *buf = malloc(n ? n : 1); /* of its exact size, for the sanitizer */
    if (!buf)
        return 0;
    memcpy(buf, data + 1, n);
    int verdict = head_request(buf, n, 0, &h);
    check(verdict <= (int)n && verdict > -HEAD_POS_CODING_SYNTAX - 1);
    if (verdict > 0) {
        check_inside(h.path, buf, n);
        check_inside(h.host, buf, n);
        check_inside(h.host_name, buf, n);
        check(!(h.first[FIELD_CONTENT_LENGTH] && h.first[FIELD_TRANSFER_ENCODING]));
        check_rewritten(&h);
    }
    check_parts(buf, n, data[0] % (n + 1), verdict);
    check_engines(buf, n);
    free(buf);
    return 0;
}
