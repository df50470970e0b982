/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any changes of any body. JSON: what is JSON stays so, and where another library reads it too, it
 * says of the result what a slow twin over its trees says. Forms: what was taken out is gone, what
 * was set is there. Multipart: what was well-formed stays so.
 *
 * The input: one byte of flags, changes (kind, type, length and name, length and value) up to a
 * kind of 0xff, then the body.
 */
#include "worker/http/form_edit.h"
#include "worker/http/json_edit.h"
#include "worker/http/json_text.h"
#include "worker/http/multipart_edit.h"
#include "worker/http/uri.h"
#include <jansson.h>
#include <stdlib.h>

enum { EDITS_MAX = 6 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool expression)
{
    if (!expression)
        abort();
}

/* --- the input ------------------------------------------------------------------------------ */

static struct slice take_text(struct slice *in)
{
    size_t n = in->n ? (uint8_t)*in->p : 0;
    if (n >= in->n)
        n = in->n ? in->n - 1 : 0;
    struct slice text = slice_of(in->p + (in->n > 0), n);
    size_t used = n + (in->n > 0);
    *in = slice_of(in->p + used, in->n - used);
    return text;
}

static int by_kind(const void *a, const void *b)
{
    const struct edit *x = a, *y = b;
    return (x->kind > y->kind) - (x->kind < y->kind);
}

static size_t take_edits(struct slice *in, struct edit edits[EDITS_MAX])
{
    size_t n = 0;
    while (n < EDITS_MAX && in->n >= 2 && (uint8_t)*in->p != 0xff) {
        struct edit *e = &edits[n++];
        e->kind = (enum conf_change_kind)((uint8_t)in->p[0] % CONF_CHANGE_KINDS);
        e->type = (enum conf_json_type)((uint8_t)in->p[1] % 3);
        *in = slice_of(in->p + 2, in->n - 2);
        e->name = take_text(in);
        e->value = take_text(in);
    }
    if (in->n)
        *in = slice_of(in->p + 1, in->n - 1);
    qsort(edits, n, sizeof *edits, by_kind);
    return n;
}

/* --- JSON ----------------------------------------------------------------------------------- */

static json_t *parse(struct slice text)
{
    return json_loadb(text.p ? text.p : "", text.n, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
}

/* NULL: not to be had in that library: no UTF-8, no number. */
static json_t *value_of(const struct edit *e)
{
    if (e->type == CONF_JSON_NUMBER)
        return json_text_is_number(e->value) ? parse(e->value) : NULL;
    if (e->type == CONF_JSON_BOOLEAN)
        return json_boolean(slice_equal(e->value, SLICE("true")));
    return json_stringn(e->value.p, e->value.n);
}

static void set(json_t *tree, struct slice name, json_t *value)
{
    check(json_object_setn_new(tree, name.p, name.n, value) == 0);
}

static void append(json_t *tree, struct slice name, json_t *value)
{
    json_t *old = json_object_getn(tree, name.p, name.n);
    if (json_is_array(old)) {
        check(json_array_append_new(old, value) == 0);
        return;
    }
    json_t *array = json_array();
    if (old)
        check(json_array_append(array, old) == 0);
    check(json_array_append_new(array, value) == 0);
    set(tree, name, array);
}

static void change(json_t *tree, const struct edit *e, json_t *value)
{
    json_t *old = json_object_getn(tree, e->name.p, e->name.n);
    if (e->kind == CONF_CHANGE_REMOVE && old)
        json_object_deln(tree, e->name.p, e->name.n);
    if (e->kind == CONF_CHANGE_RENAME && old && !slice_equal(e->name, e->value)) {
        json_incref(old);
        json_object_deln(tree, e->name.p, e->name.n);
        set(tree, e->value, old);
    }
    if (e->kind == CONF_CHANGE_APPEND)
        append(tree, e->name, json_incref(value));
    if ((e->kind == CONF_CHANGE_REPLACE && old) || (e->kind == CONF_CHANGE_ADD && !old))
        set(tree, e->name, json_incref(value));
}

static bool is_allowed(const struct edits *edits, struct slice name)
{
    bool any = false, named = false;
    for (size_t i = 0; i < edits->n; i++) {
        any |= edits->v[i].kind == CONF_CHANGE_ALLOW;
        named |= edits->v[i].kind == CONF_CHANGE_ALLOW && slice_equal(edits->v[i].name, name);
    }
    return !any || named;
}

/* UTF-8 without a NUL: what a name may be in that library. */
static bool is_name(struct slice text)
{
    json_t *string = json_stringn(text.p, text.n);
    bool is = string && !(text.n && memchr(text.p, 0, text.n));
    json_decref(string);
    return is;
}

/* False: a name or a value cannot be had in that library. */
static bool twin(json_t *tree, const struct edits *edits)
{
    const char *name;
    size_t n;
    void *next;
    json_t *value;
    for (size_t i = 0; i < edits->n; i++) {
        const struct edit *e = &edits->v[i];
        bool named = is_name(e->name) && (e->kind != CONF_CHANGE_RENAME || is_name(e->value));
        value = value_of(e);
        bool valued = e->kind >= CONF_CHANGE_REPLACE && e->kind <= CONF_CHANGE_APPEND;
        if (named && valued && !value && e->type == CONF_JSON_NUMBER &&
            !json_text_is_number(e->value))
            continue; /* it is not set */
        if (!named || (valued && !value)) {
            json_decref(value);
            return false;
        }
        change(tree, e, value);
        json_decref(value);
    }
    json_object_keylen_foreach_safe(tree, next, name, n, value)
    {
        if (!is_allowed(edits, slice_of(name, n)))
            json_object_deln(tree, name, n);
    }
    return true;
}

static void check_json(struct slice body, const struct edits *edits)
{
    struct arena arena;
    struct slice out = { NULL, 0 }, value;
    arena_init(&arena, NULL, 0);
    enum edit_result r = json_edit(body, edits, &arena, &out);
    json_t *tree = parse(body), *changed;
    check(r != EDIT_NO_MEMORY);
    if (r == EDIT_DONE)
        check(json_text_check(out, &value) && value.n == out.n && *value.p == '{');
    changed = r == EDIT_DONE ? parse(out) : json_incref(tree);
    if (tree && !edits->nested && json_is_object(tree) && twin(tree, edits))
        check(json_equal(tree, changed));
    else if (tree && r == EDIT_DONE)
        check(changed || edits->n > 0);
    json_decref(tree);
    json_decref(changed);
    arena_reset(&arena);
}

/* --- forms ---------------------------------------------------------------------------------- */

static bool is_there(struct slice form, const struct edit *e, struct slice name, bool with_value)
{
    struct slice raw, value;
    char wanted[3 * 256];
    while (uri_query_next(&form, &raw, &value)) {
        size_t n = (size_t)(form_edit_encode(wanted, e->value) - wanted);
        if (form_edit_means(raw, name) && (!with_value || slice_equal(value, slice_of(wanted, n))))
            return true;
    }
    return false;
}

/* Each change alone. */
static void check_form(struct slice body, const struct edit *e)
{
    const struct edits edits = { .v = e, .n = 1 };
    struct arena arena;
    struct slice out = body, again;
    arena_init(&arena, NULL, 0);
    bool was = is_there(body, e, e->name, false);
    enum edit_result r = form_edit(body, &edits, &arena, &out);
    check(r != EDIT_NO_MEMORY);
    bool is = is_there(out, e, e->name, false);
    switch (e->kind) {
    case CONF_CHANGE_REMOVE:
        check(!is && was == (r == EDIT_DONE));
        break;
    case CONF_CHANGE_RENAME:
        check(!was || !e->value.n || is_there(out, e, e->value, false));
        check(!is || slice_equal(e->name, e->value));
        break;
    case CONF_CHANGE_REPLACE:
        check(was == is && was == (r == EDIT_DONE) && (!was || is_there(out, e, e->name, true)));
        break;
    case CONF_CHANGE_ADD:
        check(is && (was || is_there(out, e, e->name, true)));
        break;
    case CONF_CHANGE_APPEND:
        check(is_there(out, e, e->name, true));
        break;
    default:
        check(form_edit(out, &edits, &arena, &again) == EDIT_SAME && was == is);
    }
    arena_reset(&arena);
}

/* A form in a query is what it was as a body, and nothing that ends a request line. */
static void check_join(struct slice form)
{
    struct arena arena;
    struct slice name, value, was_name, was_value, was = form;
    arena_init(&arena, NULL, 0);
    struct slice out = form_edit_join(SLICE(""), form, &arena);
    check((out.p != NULL) == (form.n > 0));
    for (size_t i = 0; i < out.n; i++)
        check(out.p[i] > ' ' && out.p[i] < 0x7f && !memchr("#?/\"<>\\", out.p[i], 7));
    while (uri_query_next(&was, &was_name, &was_value)) {
        check(uri_query_next(&out, &name, &value) && !was_value.p == !value.p);
        check(slice_equal(name, was_name) || memchr(name.p, '%', name.n));
    }
    check(!uri_query_next(&out, &name, &value));
    arena_reset(&arena);
}

/* --- multipart ------------------------------------------------------------------------------ */

/* What was well-formed stays so, and a second time nothing is left to take out. */
static void check_multipart(struct slice body, const struct edits *edits)
{
    const struct edit nothing = { .kind = CONF_CHANGE_APPEND,
                                  .name = SLICE("n"),
                                  .value = SLICE("") };
    struct arena arena;
    struct slice out = { NULL, 0 }, again;
    arena_init(&arena, NULL, 0);
    enum edit_result r = multipart_edit(body, SLICE("B"), edits, &arena, &out);
    check(r != EDIT_NO_MEMORY);
    if (r == EDIT_DONE) {
        check(out.n >= 7 && memcmp(out.p + out.n - 7, "--B--\r\n", 7) == 0);
        check(multipart_edit(out, SLICE("B"), &(struct edits){ &nothing, 1, false }, &arena,
                             &again) == EDIT_DONE);
    }
    if (r == EDIT_DONE && edits->n == 1 &&
        (edits->v[0].kind == CONF_CHANGE_REMOVE || edits->v[0].kind == CONF_CHANGE_ALLOW))
        check(multipart_edit(out, SLICE("B"), edits, &arena, &again) == EDIT_SAME);
    arena_reset(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct edit list[EDITS_MAX];
    struct slice in = slice_of((const char *)data, size);
    if (size == 0 || size > 1 << 13)
        return 0;
    bool nested = *in.p & 1;
    in = slice_of(in.p + 1, in.n - 1);
    size_t n = take_edits(&in, list);
    char *copy = malloc(in.n + 1); /* its end is watched over */
    if (!copy)
        return 0;
    memcpy(copy, in.p, in.n);
    char *body = realloc(copy, in.n ? in.n : 1);
    check(body != NULL);
    check_json(slice_of(body, in.n), &(struct edits){ list, n, nested });
    check_multipart(slice_of(body, in.n), &(struct edits){ list, n, false });
    check_join(slice_of(body, in.n));
    for (size_t i = 0; i < n; i++)
        check_form(slice_of(body, in.n), &list[i]);
    free(body);
    return 0;
}
