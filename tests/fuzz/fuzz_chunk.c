/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a chunked body, whole and in pieces of the size that the first byte says: the same
 * payload, trailers and verdict. Kept trailers are well-formed lines.
 */
#include "worker/http/chunk.h"
#include "worker/http/scan.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_IN = 1 << 14 };

struct result {
    enum chunk_verdict verdict;
    size_t payload_n, left, trailers_n;
    char payload[SIZE_MAX_IN], trailers[CHUNK_TRAILERS_KEPT];
};

static void check(bool expression)
{
    if (!expression)
        abort();
}

static void feed(const char *p, size_t n, size_t piece, struct result *r)
{
    struct chunk c;
    struct slice in, out;
    chunk_init(&c, r->trailers);
    r->payload_n = 0;
    r->verdict = CHUNK_MORE;
    while (n && r->verdict == CHUNK_MORE) {
        in = slice_of(p, n < piece ? n : piece);
        const char *end = p + in.n;
        while ((r->verdict = chunk_next(&c, &in, &out)) == CHUNK_DATA) {
            check(out.n > 0 && out.p >= p && out.p + out.n <= end);
            memcpy(r->payload + r->payload_n, out.p, out.n);
            r->payload_n += out.n;
        }
        check(in.p + in.n == end);
        n -= (size_t)(in.p - p);
        p = in.p;
    }
    r->left = n;
    r->trailers_n = c.trailers_n;
}

static void check_trailers(struct slice rest)
{
    while (rest.n) {
        const char *colon = memchr(rest.p, ':', rest.n);
        const char *cr = memchr(rest.p, '\r', rest.n), *end = rest.p + rest.n;
        check(colon && cr && colon + 1 < cr && colon[1] == ' ' && cr + 1 < end && cr[1] == '\n');
        check(colon > rest.p && scan_all(slice_of(rest.p, (size_t)(colon - rest.p)), SCAN_TOKEN));
        check(scan_all(slice_of(colon + 2, (size_t)(cr - colon - 2)), SCAN_VALUE));
        check(field_lookup(rest.p, (size_t)(colon - rest.p)) == FIELD_OTHER);
        rest = slice_of(cr + 2, (size_t)(end - cr - 2));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct result whole, pieces;
    if (size < 2 || size > SIZE_MAX_IN)
        return 0;
    feed((const char *)data + 1, size - 1, size, &whole);
    feed((const char *)data + 1, size - 1, data[0] % 16 + 1u, &pieces);
    check(whole.verdict == pieces.verdict && whole.payload_n == pieces.payload_n);
    check(memcmp(whole.payload, pieces.payload, whole.payload_n) == 0);
    check(whole.trailers_n == pieces.trailers_n && whole.trailers_n <= CHUNK_TRAILERS_KEPT);
    check(memcmp(whole.trailers, pieces.trailers, whole.trailers_n) == 0);
    check(whole.left == pieces.left);
    check_trailers(slice_of(whole.trailers, whole.trailers_n));
    return 0;
}
