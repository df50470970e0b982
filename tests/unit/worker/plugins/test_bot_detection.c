/* SPDX-License-Identifier: Apache-2.0 */
/* bot-detection: what is allowed passes, what is denied or known does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_bot_detection.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"

static struct stream s;

static struct conf_regex *pattern(const char *text)
{
    char why[64];
    struct conf_regex *re = regex_compile_search(text, strlen(text), why, sizeof why);
    assert_non_null(re);
    return re;
}

static int status_of(const struct conf_bot_detection *c, const char *request)
{
    fake_request(&s, request);
    enum stage_result r = bot_detection_ops.access(&s, c);
    assert_int_equal(r, s.status ? STAGE_DONE : STAGE_NEXT);
    return s.status;
}

static void agents(void **state)
{
    (void)state;
    struct conf_regex *own = pattern("mine"), *bad = pattern("wget|(x+x+)+y"),
                      *known = pattern("(?i)bot");
    const struct conf_regex *const allow[] = { own }, *const deny[] = { bad };
    struct conf_bot_detection c = {
        .allow = allow, .deny = deny, .allow_n = 1, .deny_n = 1, .known = known
    };
    assert_int_equal(status_of(&c, "GET /\n"), 0);
    assert_int_equal(status_of(&c, "GET /\nUser-Agent: Firefox\n"), 0);
    assert_int_equal(status_of(&c, "GET /\nUser-Agent: GNU wget\n"), 403);
    assert_true(slice_equal(s.message, SLICE("Forbidden")));
    assert_int_equal(status_of(&c, "GET /\nuser-agent: MegaBot/1\n"), 403);
    assert_int_equal(status_of(&c, "GET /\nUser-Agent: bot of mine\n"), 0);
    assert_int_equal(status_of(&c, "GET /\nUser-Agent: a\nUser-Agent: b\n"), 400);
    /* a pattern that gives up denies */
    assert_int_equal(
        status_of(&c, "GET /\nUser-Agent: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"), 403);
    regex_free(&own);
    regex_free(&bad);
    regex_free(&known);
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test_teardown(agents, teardown) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
