/* SPDX-License-Identifier: Apache-2.0 */
/* The list of what is to be asked for: URLs, their fields, and what is wrong with a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/ctl/ctl_warm.h"

static const char *read_text(const char *text, struct ctl_warm_list *list)
{
    FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "r");

    *list = (struct ctl_warm_list){ 0 };
    assert_non_null(in);
    const char *wrong = ctl_warm_read(in, list);
    fclose(in);
    return wrong;
}

static void test_urls_and_fields(void **state)
{
    struct ctl_warm_list list;

    (void)state;
    assert_null(read_text("# a comment\n\nhttp://h.example/a?b\r\n  Accept-Language: de\n\tX: y\n"
                          "HTTPS://h.example:8443\n",
                          &list));
    assert_int_equal(list.n, 2);
    assert_false(list.v[0].url.https);
    assert_true(slice_equal(list.v[0].url.authority, SLICE("h.example")));
    assert_true(slice_equal(list.v[0].url.target, SLICE("/a?b")));
    assert_string_equal(list.v[0].lines, "Accept-Language: de\r\nX: y\r\n");
    assert_true(list.v[1].url.https);
    assert_true(slice_equal(list.v[1].url.authority, SLICE("h.example:8443")));
    assert_string_equal(list.v[1].lines, "");
    ctl_warm_free(&list);
    assert_int_equal(list.n, 0);
}

static void test_what_is_wrong(void **state)
{
    static const char *const texts[] = { "http://h/\nno url\n",      "http://h/\nhttp://\n",
                                         "http://h/\nhttp://u@h/\n", "http://h/\n Host: x\n",
                                         "http://h/\n no field\n",   "http://h/\nhttp://h/a b\n",
                                         "http://h/\n : x\n",        "#\n X: y\n" };
    struct ctl_warm_list list;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (read_text(texts[i], &list) == NULL)
            fail_msg("%s was taken", texts[i]);
        assert_int_equal(list.line, 2);
        ctl_warm_free(&list);
    }
}

static void test_nobody_listens(void **state)
{
    struct ctl_warm_list list;

    (void)state;
    assert_null(read_text("http://h/\nhttps://h/\n", &list));
    ctl_warm_run(&list, "unix:/nonexistent/socket", NULL, 4);
    assert_string_equal(list.v[0].wrong, "cannot connect");
    assert_string_equal(list.v[1].wrong, "the gateway does not listen for that");
    ctl_warm_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls_and_fields),
        cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
