/* SPDX-License-Identifier: Apache-2.0 */
/* Responses and the verdicts on them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "heads.h"
#include "worker/http/storable.h"

enum { NOW = 1700000000 };
static const struct storable_rules rfc = { .obey = true, .cookies = true };
static struct storable out;

static bool stored(int status, const char *fields, const struct storable_rules *rules)
{
    storable_judge(heads_response(status, fields), rules, NOW, NOW, &out);
    return !out.refusal;
}

static void statuses(void **state)
{
    (void)state;
    assert_true(stored(200, "Cache-Control: max-age=60\r\n", &rfc));
    assert_true(out.lifetime == 60 && out.age == 0 && out.keep >= 60);
    assert_true(stored(599, "Cache-Control: max-age=60\r\n", &rfc));
    assert_false(stored(206, "Cache-Control: max-age=60\r\n", &rfc));
    assert_false(stored(304, "Cache-Control: max-age=60\r\n", &rfc));
    assert_true(stored(200, "Cache-Control: max-age=60, no-store, must-understand\r\n", &rfc));
    assert_false(stored(599, "Cache-Control: max-age=60, must-understand\r\n", &rfc));
    assert_false(stored(200, "Cache-Control: max-age=60, no-store\r\n", &rfc));
}

static void whose_it_is(void **state)
{
    struct storable_rules rules = { .obey = true, .authorization = true };
    (void)state;
    assert_false(stored(200, "Cache-Control: max-age=60\r\n", &rules));
    assert_true(stored(200, "Cache-Control: s-maxage=60\r\n", &rules));
    assert_int_equal(out.flags, REUSE_AUTHORIZED | REUSE_SHARED);
    assert_true(stored(200, "Cache-Control: max-age=60, must-revalidate\r\n", &rules));
    assert_int_equal(out.flags, REUSE_AUTHORIZED | REUSE_STRICT);
    rules.obey = false;
    assert_false(stored(200, "Cache-Control: public, s-maxage=60\r\n", &rules));
    rules = (struct storable_rules){ .obey = true };
    assert_false(stored(200, "Cache-Control: max-age=60\r\nSet-Cookie: a=b\r\n", &rules));
    assert_true(stored(
        200, "Cache-Control: max-age=60, private=\"Set-Cookie\"\r\nSet-Cookie: a\r\n", &rules));
    assert_false(stored(200, "Cache-Control: max-age=60, private\r\n", &rfc));
    assert_false(stored(200, "Cache-Control: max-age=60\r\nVary: a\r\nVary: b,*\r\n", &rfc));
    assert_false(stored(200, "Cache-Control: max-age=60\r\nVary: x-real-ip\r\n", &rfc));
    assert_true(stored(200, "Cache-Control: max-age=60\r\nVary: Host\r\n", &rfc));
    assert_false(stored(200, "Cache-Control: max-age=60\r\nVary: \"a, b\"\r\n", &rfc));
}

static void guesses(void **state)
{
    struct storable_rules ttl = { .obey = true, .ttl = 30 };
    (void)state;
    /* NOW is Tue, 14 Nov 2023 22:13:20 GMT */
#define CHANGED                                                                                    \
    "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\nLast-Modified: Tue, 14 Nov 2023 22:03:20 GMT\r\n"
    assert_true(stored(200, CHANGED, &rfc));
    assert_true(out.lifetime == 60 && out.flags == (REUSE_HEURISTIC | REUSE_MODIFIED));
    assert_int_equal(out.modified, NOW - 600);
    assert_false(stored(403, CHANGED, &rfc));
    assert_true(stored(403, CHANGED "Cache-Control: public\r\n", &rfc));
    assert_true(stored(200, "Last-Modified: Mon, 14 Nov 2005 22:03:20 GMT\r\n", &rfc));
    assert_int_equal(out.lifetime, 86400);
    assert_true(stored(200, "Last-Modified: Tue, 14 Nov 2023 22:13:21 GMT\r\n", &rfc));
    assert_int_equal(out.lifetime, 0);
    assert_true(stored(403, "Age: 5\r\n", &ttl));
    assert_true(out.lifetime == 35 && out.age == 5);
    assert_false(stored(200, "", &rfc));
    assert_true(stored(200, "ETag: \"a\"\r\n", &rfc));
    assert_true(out.lifetime == 0 && out.keep >= 3600);
}

static enum reuse_from source(const char *fields, const struct storable_rules *rules)
{
    struct cache_meta meta;

    assert_true(stored(200, fields, rules));
    storable_meta(&out, NOW, &meta);
    assert_int_equal(meta.flags & ~((uint32_t)REUSE_FROM_MASK << REUSE_FROM_SHIFT), out.flags);
    return (enum reuse_from)(meta.flags >> REUSE_FROM_SHIFT & REUSE_FROM_MASK);
}

static void sources(void **state)
{
    const struct storable_rules ttl = { .obey = true, .ttl = 30 }, kong = { .ttl = 30 };
    (void)state;
    assert_int_equal(source("Cache-Control: max-age=5, s-maxage=6\r\n", &rfc), REUSE_FROM_S_MAXAGE);
    assert_int_equal(source("Cache-Control: max-age=5\r\nExpires: 0\r\n", &rfc),
                     REUSE_FROM_MAX_AGE);
    assert_int_equal(source("Expires: Tue, 14 Nov 2033 22:13:20 GMT\r\n", &rfc),
                     REUSE_FROM_EXPIRES);
    assert_int_equal(source("CDN-Cache-Control: max-age=5\r\nCache-Control: no-store\r\n", &rfc),
                     REUSE_FROM_TARGETED);
    assert_int_equal(source("X: y\r\n", &ttl), REUSE_FROM_TTL);
    assert_int_equal(source("Cache-Control: max-age=5\r\n", &kong), REUSE_FROM_TTL);
    assert_int_equal(source(CHANGED, &rfc), REUSE_FROM_GUESS);
}

static void stale_on_arrival(void **state)
{
    (void)state;
    assert_false(stored(200, "Cache-Control: max-age=60\r\nAge: 60\r\n", &rfc));
    assert_true(stored(200, "Cache-Control: max-age=60\r\nAge: 60\r\nETag: \"a\"\r\n", &rfc));
    assert_true(stored(200, "Cache-Control: max-age=0, stale-if-error=9\r\n", &rfc));
    assert_int_equal(out.stale_error, 9);
    assert_false(stored(200, "Cache-Control: max-age=60, no-cache\r\n", &rfc));
    assert_true(stored(200, "Cache-Control: max-age=60, no-cache\r\nETag: \"a\"\r\n", &rfc));
    assert_int_equal(out.flags, REUSE_VALIDATE | REUSE_ETAG);
}

static void targeted_field_comes_first(void **state)
{
    (void)state;
    assert_true(stored(
        200, "Cache-Control: no-store\r\nExpires: 0\r\nCDN-Cache-Control: max-age=9\r\n", &rfc));
    assert_int_equal(out.lifetime, 9);
    assert_false(
        stored(200, "Cache-Control: no-store\r\nCDN-Cache-Control: max-age=9,&\r\n", &rfc));
    assert_false(stored(200, "Cache-Control: max-age=9\r\nCDN-Cache-Control: no-store\r\n", &rfc));
}

static void kongs_way(void **state)
{
    struct storable_rules kong = { .ttl = 300 };
    (void)state;
    assert_true(stored(200, "Cache-Control: max-age=0, no-cache\r\nAge: 50\r\n", &kong));
    assert_true(out.lifetime == 300 && out.age == 0 && out.keep == 300 && out.flags == 0);
    assert_false(stored(200, "Cache-Control: no-store\r\n", &kong));
    assert_false(stored(200, "Cache-Control: private=\"a\"\r\n", &kong));
    assert_false(stored(200, "Set-Cookie: a\r\n", &kong));
    kong.keep = 900;
    assert_true(stored(200, "CDN-Cache-Control: max-age=1\r\n", &kong));
    assert_true(out.lifetime == 300 && out.keep == 900);
}

static bool kept(const char *name)
{
    struct field f = { .name = name, .name_n = (uint16_t)strlen(name) };
    f.id = (uint8_t)field_lookup(name, strlen(name));
    return storable_field(&out, &f);
}

static void fields(void **state)
{
    (void)state;
    assert_true(
        stored(200, "Cache-Control: max-age=9, no-cache=\"a, B\", private=\"c\"\r\n", &rfc));
    assert_false(kept("A") || kept("b") || kept("C"));
    assert_true(kept("D") && kept("ETag") && kept("Set-Cookie"));
    assert_false(kept("Connection") || kept("Transfer-Encoding") || kept("Age"));
    assert_false(kept("Content-Length") || kept("Keep-Alive"));
}

static void meta(void **state)
{
    struct cache_meta m = { .status = 200, .private_n = 7 };
    (void)state;
    assert_true(stored(
        200, "Cache-Control: max-age=99999999999, stale-while-revalidate=5\r\nAge: 3\r\n", &rfc));
    storable_meta(&out, NOW, &m);
    assert_int_equal(m.stored, NOW);
    assert_int_equal(m.fresh_for, (uint32_t)1 << 31);
    assert_int_equal(m.initial_age, 3);
    assert_int_equal(m.stale_while, 5);
    assert_true(m.keep_until > NOW + m.fresh_for - 4 && m.status == 200 && m.private_n == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses),
        cmocka_unit_test(whose_it_is),
        cmocka_unit_test(guesses),
        cmocka_unit_test(sources),
        cmocka_unit_test(stale_on_arrival),
        cmocka_unit_test(targeted_field_comes_first),
        cmocka_unit_test(kongs_way),
        cmocka_unit_test(fields),
        cmocka_unit_test(meta),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
