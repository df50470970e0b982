/* SPDX-License-Identifier: Apache-2.0 */
/* Each form of a stored password, right, wrong and almost right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/plugins/password.h"
#include <crypt.h>
#include <dlfcn.h>
#include <unistd.h>

static struct memo memo;
static useconds_t nap; /* how long a hash stands still */

/* Before libcrypt's, which nothing else in here asks the linker for. */
char *crypt_rn(const char *phrase, const char *setting, void *data, int size)
{
    static __typeof__(crypt_rn) *real;

    if (!real)
        real = (__typeof__(real))dlsym(dlopen("libcrypt.so.1", RTLD_NOW), "crypt_rn");
    usleep(nap);
    return real(phrase, setting, data, size);
}

static const struct conf_consumer alice = { .id = { "a1", 2 } };

static struct conf_basic stored(const char *text, enum conf_password_format format)
{
    return (struct conf_basic){ .password = { text, strlen(text) },
                                .format = format,
                                .consumer = &alice };
}

static bool holds(const struct conf_basic *basic, const char *given)
{
    return password_check(&memo, basic, slice_of(given, strlen(given))) == PASSWORD_RIGHT;
}

static void only_the_right_one(const struct conf_basic *basic)
{
    for (int i = 0; i < 2; i++) { /* the second time it may be remembered */
        memo.debt_until = 0;
        assert_true(holds(basic, "open sesame"));
        assert_false(holds(basic, "open sesam"));
        assert_false(holds(basic, "open sesame!"));
        assert_false(holds(basic, "open sesameopen sesame"));
        assert_false(holds(basic, ""));
        assert_false(holds(basic, basic->format == CONF_PASSWORD_PLAIN ? "x" : basic->password.s));
        assert_int_equal(password_check(&memo, basic, SLICE("open sesame\0")), PASSWORD_WRONG);
    }
}

static void plain(void **state)
{
    struct conf_basic basic = stored("open sesame", CONF_PASSWORD_PLAIN);
    (void)state;
    only_the_right_one(&basic);
}

static void kong(void **state)
{
    struct conf_basic basic =
        stored("057bf4db45d5f191e3fb13cf5ec6ebf4b96400f0", CONF_PASSWORD_KONG);
    (void)state;
    only_the_right_one(&basic);
}

static void libcrypt(void **state)
{
    struct conf_basic basic = stored(
        "$5$rounds=1000$saltsalt$nKsyTQBmKz4GdCft0Sv/FbzLiu0y3wFdEXOzudLQLJ5", CONF_PASSWORD_CRYPT);
    char longest[1024];
    (void)state;
    only_the_right_one(&basic);
    memset(longest, 'x', sizeof longest);
    assert_int_equal(password_check(&memo, &basic, slice_of(longest, sizeof longest)),
                     PASSWORD_WRONG);
}

static void remembers_by_credential(void **state)
{
    struct conf_basic basic = stored("$5$no hash at all", CONF_PASSWORD_CRYPT), other = basic;
    struct memo_mark mark;
    (void)state;
    assert_false(holds(&basic, "trust me"));
    assert_true(memo_mark(&memo, (uint64_t)(uintptr_t)&basic, SLICE("trust me"), &mark));
    memo_add(&memo, &mark);
    assert_true(holds(&basic, "trust me")); /* no hash was computed */
    assert_false(holds(&other, "trust me"));
    assert_false(holds(&basic, "trust m"));
}

static void wrong_guesses_are_bounded(void **state)
{
    struct conf_basic basic = stored(
                          "$5$rounds=1000$saltsalt$nKsyTQBmKz4GdCft0Sv/FbzLiu0y3wFdEXOzudLQLJ5",
                          CONF_PASSWORD_CRYPT),
                      plain_one = stored("p", CONF_PASSWORD_PLAIN);
    (void)state;
    memo_free(&memo);
    assert_false(holds(&basic, "wrong"));
    assert_true(memo.debt_until > 0);
    assert_true(holds(&basic, "open sesame")); /* a cheap hash leaves time for others */
    memo.debt_until = INT64_MAX / 2;
    assert_int_equal(password_check(&memo, &basic, SLICE("wrong")), PASSWORD_LATER);
    assert_int_equal(password_check(&memo, &basic, SLICE("open sesame")), PASSWORD_RIGHT);
    assert_true(holds(&plain_one, "p"));
    basic.consumer = NULL;
    struct conf_basic other = basic;
    assert_int_equal(password_check(&memo, &other, SLICE("open sesame")), PASSWORD_LATER);
}

/* Who got no processor has not worked: it is nobody's debt. */
static void standing_still_costs_nothing(void **state)
{
    struct conf_basic basic = stored(
        "$5$rounds=1000$saltsalt$nKsyTQBmKz4GdCft0Sv/FbzLiu0y3wFdEXOzudLQLJ5", CONF_PASSWORD_CRYPT);
    (void)state;
    memo_free(&memo);
    nap = 2 * MEMO_CREDIT_US / MEMO_CHARGE;
    assert_int_equal(password_check(&memo, &basic, SLICE("wrong")), PASSWORD_WRONG);
    nap = 0;
    assert_int_equal(password_check(&memo, &basic, SLICE("open sesame")), PASSWORD_RIGHT);
}

/* Of a name that is not there: paid like a wrong one, never right, never remembered. */
static void refuses_nobody_as_slowly(void **state)
{
    struct conf_basic like = stored(
        "$5$rounds=1000$saltsalt$nKsyTQBmKz4GdCft0Sv/FbzLiu0y3wFdEXOzudLQLJ5", CONF_PASSWORD_CRYPT);
    (void)state;
    memo_free(&memo);
    assert_int_equal(password_refuse(&memo, NULL, SLICE("x")), PASSWORD_WRONG);
    assert_int_equal(memo.debt_until, 0);
    assert_int_equal(password_refuse(&memo, &like, SLICE("open sesame")), PASSWORD_WRONG);
    assert_true(memo.debt_until > 0);
    assert_null(memo.marks);
    assert_true(holds(&like, "open sesame"));
    assert_int_equal(password_refuse(&memo, &like, SLICE("open sesame")), PASSWORD_WRONG);
    memo.debt_until = INT64_MAX / 2;
    assert_int_equal(password_refuse(&memo, &like, SLICE("x")), PASSWORD_LATER);
}

static int teardown(void **state)
{
    (void)state;
    memo_free(&memo);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(plain),
                                        cmocka_unit_test(kong),
                                        cmocka_unit_test(libcrypt),
                                        cmocka_unit_test(remembers_by_credential),
                                        cmocka_unit_test(wrong_guesses_are_bounded),
                                        cmocka_unit_test(standing_still_costs_nothing),
                                        cmocka_unit_test(refuses_nobody_as_slowly) };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
