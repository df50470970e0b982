/* SPDX-License-Identifier: Apache-2.0 */
/* limit_by: each name, and the address where there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/worker/fake_stream.c"
#include "worker/plugins/counted.h"

static struct stream s;
static struct conf_consumer alice;

static void expect(enum conf_limit_by by, const char *name)
{
    struct conf_counted c = { by, fake_text("X-Key"), fake_text("/p") };
    struct counted who = counted_as(&s, &c);

    assert_int_equal(who.by_address, name == NULL);
    if (name)
        assert_true(slice_equal(who.who, slice_of(name, strlen(name))));
    else
        assert_memory_equal(who.who.p, s.request.client_ip, 16);
    assert_int_equal(who.who.n, name ? strlen(name) : 16);
    assert_int_equal(counted_scope(6, who), name ? 6 : 7);
}

static void known(void **state)
{
    (void)state;
    alice.id = fake_text("a");
    s.service.id = fake_text("s1");
    s.route.id = fake_text("r1");
    fake_request(&s, "GET /p\nX-Key: 42\n");
    stream_authenticate(&s, &alice, SLICE("key-7"), false);
    expect(CONF_LIMIT_BY_CONSUMER, "a");
    expect(CONF_LIMIT_BY_CREDENTIAL, "key-7");
    expect(CONF_LIMIT_BY_SERVICE, "s1");
    expect(CONF_LIMIT_BY_ROUTE, "r1");
    expect(CONF_LIMIT_BY_HEADER, "42");
    expect(CONF_LIMIT_BY_PATH, "/p");
    expect(CONF_LIMIT_BY_IP, NULL);
    fake_free(&s);
}

/* A token's, whose bearer is no consumer of the file. */
static void known_by_a_credential_alone(void **state)
{
    (void)state;
    fake_request(&s, "GET /p\n");
    stream_authenticate(&s, NULL, SLICE("joe"), false);
    expect(CONF_LIMIT_BY_CONSUMER, "credential:joe");
    expect(CONF_LIMIT_BY_CREDENTIAL, "joe");
    fake_free(&s);
}

static void ambiguous(void **state)
{
    (void)state;
    fake_request(&s, "GET /p\nX-Key: 1\nx-key: 1\n");
    expect(CONF_LIMIT_BY_HEADER, "1");
    fake_request(&s, "GET /p\nX-Key: 1\nx-key: 2\n");
    expect(CONF_LIMIT_BY_HEADER, NULL);
    stream_set_upstream(&s, SLICE("X-Key"), SLICE("set")); /* the client's are not sent */
    expect(CONF_LIMIT_BY_HEADER, "set");
    fake_free(&s);
}

static void unknown(void **state)
{
    (void)state;
    fake_request(&s, "GET /p/q\nX-Key:\nX-Credential-Identifier: forged\n");
    expect(CONF_LIMIT_BY_CONSUMER, NULL);
    expect(CONF_LIMIT_BY_CREDENTIAL, NULL);
    expect(CONF_LIMIT_BY_HEADER, NULL);
    expect(CONF_LIMIT_BY_PATH, NULL);
    fake_free(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(known),
                                               cmocka_unit_test(known_by_a_credential_alone),
                                               cmocka_unit_test(ambiguous),
                                               cmocka_unit_test(unknown) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
