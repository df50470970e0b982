/* SPDX-License-Identifier: Apache-2.0 */
/* What a list of named things says of itself; each kind of change is in test_form_edit.c and
 * test_multipart_edit.c, whose engines go through it. */
#include "worker/http/edit_list.h"

#include "editing.h"

/* Names without a case. What is made has a "<" behind it; "full" takes the last of the memory. */
static struct slice name(struct edit_list *l, struct slice text)
{
    l->starved |= slice_equal(text, SLICE("full"));
    l->refused |= slice_equal(text, SLICE("evil"));
    return text;
}

static struct edit_item make(struct edit_list *l, const struct edit *edit)
{
    return (struct edit_item){ SLICE("<"), name(l, edit->name), edit->value };
}

static struct slice write_names(struct edit_list *l)
{
    char *out = arena_take(l->arena, 100), *at = out;
    assert_non_null(out);
    for (size_t i = 0; i < l->n; i++) {
        if (!l->v[i].name.p)
            continue;
        memcpy(at, l->v[i].name.p, l->v[i].name.n);
        at += l->v[i].name.n;
        *at++ = l->v[i].before.p ? *l->v[i].before.p : '.';
    }
    return slice_of(out, (size_t)(at - out));
}

static const struct edit_list_form form = { slice_equal_nocase, name, make, write_names };

static enum edit_result apply(struct edits edits, struct arena *arena, struct slice *out)
{
    struct edit_item v[16] = { { .name = SLICE("a") },
                               { .name = SLICE("b") },
                               { .name = SLICE("A") } };
    struct edit_list l = { .form = &form, .arena = arena, .v = v, .n = 3 };
    return edit_list_apply(&l, &edits, out);
}

static void gives(struct edits edits, const char *wanted)
{
    struct arena arena;
    struct slice out = { NULL, 0 };
    arena_init(&arena, NULL, 0);
    assert_int_equal(apply(edits, &arena, &out), wanted ? EDIT_DONE : EDIT_SAME);
    if (wanted)
        assert_true(slice_equal(out, slice_of(wanted, strlen(wanted))));
    arena_reset(&arena);
}

/* By the form's own idea of what a name means, in the order in which things came. */
static void things_of_a_name(void **state)
{
    (void)state;
    gives(EDITS(false, REMOVE("A")), "b.");
    gives(EDITS(false, RENAME("A", "c")), "c.b.c.");
    gives(EDITS(false, RENAME("b", "A")), "A.");
    gives(EDITS(false, REPLACE("a", "v")), "a<b.");
    gives(EDITS(false, ADD("c", "v"), APPEND("b", "v")), "a.b.A.c<b<");
    gives(EDITS(false, ALLOW("a"), ADD("c", "v")), "a.A.");
    gives(EDITS(false, REMOVE("c"), RENAME("c", "d"), REPLACE("c", "v"), ADD("B", "v")), NULL);
    gives(EDITS(false, RENAME("a", "a"), ALLOW("a"), ALLOW("B")), NULL);
}

/* Nothing half-done comes out. */
static void what_cannot_be(void **state)
{
    struct arena arena;
    struct slice out = { NULL, 0 };
    (void)state;
    arena_init(&arena, NULL, 0);
    assert_int_equal(apply(EDITS(false, ADD("evil", "v"), REMOVE("a")), &arena, &out),
                     EDIT_REFUSED);
    assert_int_equal(apply(EDITS(false, RENAME("a", "evil")), &arena, &out), EDIT_REFUSED);
    assert_int_equal(apply(EDITS(false, REMOVE("a"), ADD("full", "v")), &arena, &out),
                     EDIT_NO_MEMORY);
    assert_int_equal(apply(EDITS(false, RENAME("b", "full")), &arena, &out), EDIT_NO_MEMORY);
    assert_int_equal(apply(EDITS(false, ADD("full", "v"), ADD("evil", "v")), &arena, &out),
                     EDIT_REFUSED);
    assert_null(out.p);
    arena_reset(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(things_of_a_name),
                                        cmocka_unit_test(what_cannot_be) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
