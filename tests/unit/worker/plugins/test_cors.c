/* SPDX-License-Identifier: Apache-2.0 */
/* cors: preflights answered, responses marked, by origin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/plugins/plugin_cors.h"
#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/plugins.h"

static struct stream s;

static struct conf_cors config;
static struct conf_cors_origin origins[3];

static void given(const char *request, bool preflight)
{
    fake_request(&s, request);
    assert_int_equal(cors_ops.access(&s, &config), preflight ? STAGE_DONE : STAGE_NEXT);
    cors_ops.header_filter(&s, &config);
    assert_int_equal(s.status, preflight ? 200 : 0);
}

static void expect(const char *name, const char *value)
{
    const struct slice *found = fake_response(&s, name);
    if (value) {
        assert_non_null(found);
        assert_true(slice_equal(*found, slice_of(value, strlen(value))));
    } else {
        assert_true(!found || !found->p);
    }
}

static void any_origin(void **state)
{
    (void)state;
    config = (struct conf_cors){ .any_origin = true,
                                 .methods = fake_text("GET,PUT"),
                                 .headers = fake_text(""),
                                 .exposed_headers = fake_text("X-E"),
                                 .max_age = -1,
                                 .allow_origin_absent = true };
    given("GET /\n", false);
    expect("Access-Control-Allow-Origin", "*");
    expect("Access-Control-Expose-Headers", "X-E");
    expect("Vary", NULL);
    given("OPTIONS /\nOrigin: https://a.example\nAccess-Control-Request-Method: "
          "PUT\nAccess-Control-Request-Headers: x-a, x-b\n",
          true);
    expect("Access-Control-Allow-Origin", "*");
    expect("Access-Control-Allow-Methods", "GET,PUT");
    expect("Access-Control-Allow-Headers", "x-a, x-b");
    expect("Access-Control-Max-Age", NULL);
    expect("Access-Control-Expose-Headers", NULL);
    given("OPTIONS /\nOrigin: https://a.example\n", false);
    config.allow_origin_absent = false;
    given("GET /\n", false);
    expect("Access-Control-Allow-Origin", NULL);
    expect("Vary", "Origin");
    config.allow_origin_absent = config.credentials = true;
    given("GET /\n", false); /* a cache that has this one must not give it to the next one */
    expect("Access-Control-Allow-Origin", "*");
    expect("Access-Control-Allow-Credentials", NULL);
    expect("Vary", "Origin");
    config.allow_origin_absent = false;
    given("GET /\nOrigin: https://a.example\n", false);
    expect("Access-Control-Allow-Origin", "https://a.example");
    expect("Access-Control-Allow-Credentials", "true");
    expect("Vary", "Origin");
}

static void some_origins(void **state)
{
    (void)state;
    char why[64];
    struct conf_regex *re = regex_compile("(?:.*\\.c\\.example)$", 19, why, sizeof why);
    assert_non_null(re);
    origins[0] = (struct conf_cors_origin){ fake_text("https://a.example:443"), NULL, false };
    origins[1] = (struct conf_cors_origin){ fake_text("b.example"), NULL, true };
    origins[2] = (struct conf_cors_origin){ fake_text(".*\\.c\\.example"), re, true };
    config = (struct conf_cors){ .origins = origins,
                                 .origins_n = 3,
                                 .methods = fake_text("GET"),
                                 .headers = fake_text("X-A"),
                                 .exposed_headers = fake_text(""),
                                 .max_age = 60,
                                 .allow_origin_absent = true,
                                 .private_network = true };
    static const struct {
        const char *origin, *answer;
    } cases[] = {
        { "https://a.example", "https://a.example" },
        { "https://a.example:443", "https://a.example" },
        { "http://a.example", NULL },
        { "https://a.example:8443", NULL },
        { "https://b.example:1", "https://b.example:1" },
        { "http://x.c.example", "http://x.c.example" },
        { "http://x.c.example.evil", NULL },
        { "https://evil/x.c.example", NULL },
        { "null", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char request[256];
        snprintf(request, sizeof request, "GET /\nOrigin: %s\n", cases[i].origin);
        given(request, false);
        expect("Access-Control-Allow-Origin", cases[i].answer);
        expect("Vary", "Origin");
        expect("Access-Control-Allow-Credentials", NULL);
    }
    given("GET /\nOrigin: https://a.example\nOrigin: https://a.example\n", false);
    expect("Access-Control-Allow-Origin", NULL);
    given("OPTIONS /\nOrigin: https://a.example\nAccess-Control-Request-Method: "
          "GET\nAccess-Control-Request-Private-Network: true\n",
          true);
    expect("Access-Control-Allow-Headers", "X-A");
    expect("Access-Control-Max-Age", "60");
    expect("Access-Control-Allow-Private-Network", "true");
    config.origins_n = 1; /* one text is told to everybody */
    given("GET /\nOrigin: https://x.example\n", false);
    expect("Access-Control-Allow-Origin", "https://a.example:443");
    config.preflight_continue = true;
    given("OPTIONS /\nOrigin: https://a.example\nAccess-Control-Request-Method: GET\n", false);
    expect("Access-Control-Allow-Origin", NULL);
    regex_free(&re);
}

static int teardown(void **state)
{
    (void)state;
    fake_free(&s);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test_teardown(any_origin, teardown),
                                               cmocka_unit_test_teardown(some_origins, teardown) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
