/* SPDX-License-Identifier: Apache-2.0 */
/* Templates filled in: values stay values, whatever a client writes into them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/render.h"

static struct stream s;
static struct memory memory;
static jmp_buf no_memory;

static enum render_result render(const char *text, enum render_for what, struct slice *out)
{
    char why[128];
    const struct conf_template *t = template_read(&memory, fake_text(text), why, sizeof why);
    assert_non_null(t);
    return render_text(&s, t, what, out);
}

static void gives(const char *text, enum render_for what, const char *wanted)
{
    struct slice out = { NULL, 0 };
    assert_int_equal(render(text, what, &out), RENDER_DONE);
    assert_int_equal(out.n, strlen(wanted));
    assert_memory_equal(out.p, wanted, out.n);
}

static void refuses(const char *text, enum render_for what)
{
    struct slice out;
    assert_int_equal(render(text, what, &out), RENDER_REFUSED);
}

static void values(void **state)
{
    (void)state;
    fake_request(&s, "GET /a?q=x%20y&e=&n\nX-A: one\nX-A: two\n");
    s.captures[1] = SLICE("42");
    gives("", RENDER_FIELD, "");
    gives("<$(headers.x_a)>", RENDER_FIELD, "<one>");
    gives("$(query_params.q)$(query_params.e)$(query_params.n)$(query_params.none)", RENDER_FIELD,
          "x y");
    gives("$(uri_captures.id)$(uri_captures[1])$(uri_captures[0])$(uri_captures.none)",
          RENDER_FIELD, "4242");
    gives("$(headers.none or query_params.q or \"d\")!", RENDER_FIELD, "x y!");
    gives("$(headers.none or query_params.none or \"d\")!", RENDER_FIELD, "d!");
    gives("$(query_params.e or \"d\")", RENDER_FIELD, ""); /* is there */
}

/* What a plugin said of who asks, and never what the client says of it. */
static void what_plugins_said(void **state)
{
    (void)state;
    fake_request(&s, "GET /\nX-Consumer-Username: root\nX-Key: k\nX-Tenant: forged\nX-A: one\n");
    gives("<$(headers.x_consumer_username)>", RENDER_FIELD, "<>");
    stream_set_upstream(&s, SLICE("X-Consumer-Username"), SLICE("alice"));
    stream_set_upstream(&s, SLICE("X-Tenant"), SLICE("told"));
    stream_drop_upstream(&s, SLICE("X-Key"));
    gives("<$(headers.x_consumer_username)>", RENDER_FIELD, "<alice>");
    gives("<$(headers.x_key)$(headers.x_tenant)$(headers.x_a)>", RENDER_FIELD, "<toldone>");
    static const struct extra_field before = { .name = { "X-Tenant", 8 }, .value = { "was", 3 } };
    s.request.told = &before;
    gives("<$(headers.x_tenant)>", RENDER_FIELD, "<was>");
}

static void injections(void **state)
{
    (void)state;
    fake_request(&s,
                 "GET /?crlf=a%0D%0AX:y&nul=%00&amp=a%26b=c%23&up=..&slash=a/b%3Fc\nX-A: a b\n");
    refuses("$(query_params.crlf)", RENDER_FIELD);
    refuses("$(query_params.nul)", RENDER_FIELD);
    gives("$(query_params.crlf)", RENDER_PLAIN, "a\r\nX:y");
    gives("$(query_params.amp)", RENDER_PLAIN, "a&b=c#");
    gives("/$(query_params.slash)/$(headers.x_a)", RENDER_PATH, "/a%2Fb%3Fc/a%20b");
    gives("/$(query_params.crlf)", RENDER_PATH, "/a%0D%0AX%3Ay");
    refuses("/x/$(query_params.up)", RENDER_PATH);
    refuses("/x/$(query_params.up)/y", RENDER_PATH);
    refuses("/x/.$(headers.none)/y", RENDER_PATH);
    gives("/x/$(query_params.up).", RENDER_PATH, "/x/...");
    s.captures[1] = SLICE("b/c%2Fd");
    gives("/x?/$(uri_captures.id)", RENDER_PATH, "/x%3F/b/c%2Fd");
}

static int setup(void **state)
{
    (void)state;
    memory.no_memory = &no_memory;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    memory_free(&memory);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(values),
                                        cmocka_unit_test(what_plugins_said),
                                        cmocka_unit_test(injections) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
