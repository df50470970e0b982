/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of responses and of stored heads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "heads.h"
#include "worker/http/tags.h"

/* All tags of a stored head, "a|b|". */
static const char *listed(const char *head)
{
    static char text[256];
    struct tags tags = tags_of(slice_of(head, strlen(head)));
    struct slice tag;
    size_t n = 0;

    text[0] = '\0';
    while (tags_next(&tags, &tag))
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*s|", (int)tag.n, tag.p);
    return text;
}

static void both_fields_with_both_separators(void **state)
{
    (void)state;
    assert_string_equal(listed("Cache-Tag: a, b,c\r\n"), "a|b|c|");
    assert_string_equal(listed("X: 1\r\nsurrogate-key: a  b\tc \r\nY: 2\r\n"), "a|b|c|");
    assert_string_equal(listed("Cache-Tag: a\r\nX: q\r\nSurrogate-Key: b\r\nCache-Tag: c\r\n"),
                        "a|b|c|");
    assert_string_equal(listed("@Cache-Tag: a\r\n:x: y\r\nCache-Tags: no\r\n"), "a|");
}

static void there_may_be_none(void **state)
{
    (void)state;
    assert_string_equal(listed(""), "");
    assert_string_equal(listed("Cache-Tag: \r\n"), "");
    assert_string_equal(listed("Cache-Tag: , ,\r\nSurrogate-Key: z\r\n"), "z|");
    assert_string_equal(listed("X-Cache-Tag: a\r\n"), "");
    struct slice list = slice_of(NULL, 0), tag;
    assert_false(tags_cut(&list, &tag));
}

static void tags_are_kept_among_the_own_lines(void **state)
{
    const struct head *h = heads_response(200, "Surrogate-Key: s\r\nA: 1\r\nCache-Tag: t,u\r\n");
    char text[128];
    (void)state;
    assert_true(tags_any(h));
    char *end = tags_keep(text, text + sizeof text, h);
    assert_non_null(end);
    memcpy(end, ":a: b\r\n", 8);
    assert_string_equal(text, "@Cache-Tag: t,u\r\n@Surrogate-Key: s\r\n:a: b\r\n");
    assert_string_equal(listed(text), "t|u|s|");
    struct slice rest = tags_behind(slice_of(text, strlen(text)));
    assert_string_equal(rest.p, ":a: b\r\n");
    assert_int_equal(tags_behind(slice_of(text, 0)).n, 0);
    assert_false(tags_any(heads_response(200, "A: 1\r\n")));
}

static void room_is_respected(void **state)
{
    const struct head *h = heads_response(200, "Cache-Tag: t\r\n");
    char text[16];
    (void)state;
    assert_null(tags_keep(text, text + 14, h));
    assert_ptr_equal(tags_keep(text, text + 15, h), text + 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_fields_with_both_separators),
        cmocka_unit_test(there_may_be_none),
        cmocka_unit_test(tags_are_kept_among_the_own_lines),
        cmocka_unit_test(room_is_respected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
