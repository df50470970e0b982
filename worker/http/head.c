/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked of a parsed head, the methods, and the errors' texts and statuses. */
#include "worker/http/head.h"
#include "shm/assert.h"

struct error {
    const char *text;
    int status;
};

static const struct error errors[] = { { "incomplete head", 400 },
#define HEAD_ERROR_ROW(id, status, text) { text, status },
                                       HEAD_ERRORS(HEAD_ERROR_ROW)
#undef HEAD_ERROR_ROW
};

enum { ERRORS = sizeof(errors) / sizeof(errors[0]) };

static const struct error *row(int error)
{
    unsigned i = error < 0 ? 0u - (unsigned)error : (unsigned)error;
    must(i < ERRORS);
    return &errors[i];
}

int head_error_status(int error)
{
    return row(error)->status;
}

const char *head_error_text(int error)
{
    return row(error)->text;
}

const struct field *head_next(const struct head *h, const struct field *f)
{
    const struct field *end = h->fields + h->fields_n;
    must(f >= h->fields && f < end);
    for (const struct field *g = f + 1; g < end; g++)
        if (g->id == f->id &&
            (f->id != FIELD_OTHER ||
             slice_equal_nocase(slice_of(g->name, g->name_n), slice_of(f->name, f->name_n))))
            return g;
    return NULL;
}

const struct field *head_find(const struct head *h, struct slice name)
{
    enum field_id id = field_lookup(name.p, name.n);
    if (id != FIELD_OTHER)
        return head_field(h, id);
    for (const struct field *f = h->fields; f < h->fields + h->fields_n; f++)
        if (f->id == FIELD_OTHER && slice_equal_nocase(slice_of(f->name, f->name_n), name))
            return f;
    return NULL;
}

static bool is(const char *p, const char *method, size_t n)
{
    return memcmp(p, method, n) == 0;
}

enum head_method head_method(const char *p, size_t n)
{
    switch (n) {
    case 3:
        return is(p, "GET", n) ? METHOD_GET : is(p, "PUT", n) ? METHOD_PUT : METHOD_OTHER;
    case 4:
        return is(p, "HEAD", n) ? METHOD_HEAD : is(p, "POST", n) ? METHOD_POST : METHOD_OTHER;
    case 5:
        return is(p, "PATCH", n) ? METHOD_PATCH : is(p, "TRACE", n) ? METHOD_TRACE : METHOD_OTHER;
    case 6:
        return is(p, "DELETE", n) ? METHOD_DELETE : METHOD_OTHER;
    case 7:
        return is(p, "OPTIONS", n)   ? METHOD_OPTIONS
               : is(p, "CONNECT", n) ? METHOD_CONNECT
                                     : METHOD_OTHER;
    default:
        return METHOD_OTHER;
    }
}
