/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's keys: found by name and algorithm, followed when they change, gone after their grace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "worker/base/keyring.h"
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

enum { SLOT = 1, NOW = 1700000000, IDENTITY = 77, KEYS = 3 };

static struct zone zone;
static struct conf_issuer issuer = { .identity = IDENTITY };
static struct conf conf = { .issuers = &issuer, .jwks_grace = 60, .jwks_refresh_interval = 30 };
static struct keyring ring;
static EVP_PKEY *keys[KEYS];
static struct jwks_set set;

static int make_keys(void **state)
{
    (void)state;
    for (int i = 0; i < KEYS; i++)
        if (!(keys[i] = EVP_EC_gen("P-256")))
            return -1;
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    for (int i = 0; i < KEYS; i++)
        EVP_PKEY_free(keys[i]);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    set.n = 0;
    return jwks_make(&zone) && keyring_open(&ring, &zone, &conf) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    keyring_close(&ring);
    region_drop(&zone);
    return 0;
}

static struct jwks_key *add(int i, const char *kid)
{
    struct jwks_key *k = &set.keys[set.n++];
    unsigned char *at = k->der;
    *k = (struct jwks_key){ .algorithms = 1U << CONF_ES256, .has_kid = kid != NULL };
    at = k->der;
    k->der_n = (uint16_t)i2d_PUBKEY(keys[i], &at);
    k->kid_n = (uint16_t)(kid ? strlen(kid) : 0);
    memcpy(k->kid, kid ? kid : "", k->kid_n);
    return k;
}

static void publish(void)
{
    jwks_put(&zone, SLOT, jwks_claim(&zone, SLOT, IDENTITY, 1), IDENTITY, &set);
}

static struct keyring_found find(const char *kid, int algorithm, int64_t now)
{
    return keyring_find(&ring, &issuer, slice_of(kid, kid ? strlen(kid) : 0), algorithm, now);
}

static void by_name(void **state)
{
    (void)state;
    add(0, "a");
    add(1, "b");
    add(2, NULL);
    publish();
    struct keyring_found f = find("b", CONF_ES256, NOW);
    assert_int_equal(f.n, 1);
    assert_int_equal(EVP_PKEY_eq(f.keys[0], keys[1]), 1);
    assert_true(f.version == keyring_version(&ring, &issuer) && f.version != 0);
    assert_int_equal(find("c", CONF_ES256, NOW).n, 0);
    assert_false(find("c", CONF_ES256, NOW).other);
    assert_int_equal(find("", CONF_ES256, NOW).n, 0);
    assert_int_equal(find(NULL, CONF_ES256, NOW).n, 3);
    f = find("a", CONF_ES384, NOW);
    assert_int_equal(f.n, 0);
    assert_true(f.other);
    assert_int_equal(find(NULL, CONF_HS256, NOW).n, 0);
}

static void as_they_change(void **state)
{
    (void)state;
    assert_int_equal(find("a", CONF_ES256, NOW).n, 0);
    assert_int_equal(keyring_version(&ring, &issuer), 0);
    add(0, "a");
    publish();
    uint64_t version = keyring_version(&ring, &issuer);
    assert_int_equal(find("a", CONF_ES256, NOW).n, 1);
    set.n = 0;
    add(1, "b");
    publish();
    assert_int_equal(find("a", CONF_ES256, NOW).n, 0);
    assert_int_equal(find("b", CONF_ES256, NOW).n, 1);
    assert_true(keyring_version(&ring, &issuer) != version);
}

static void for_their_grace(void **state)
{
    (void)state;
    add(0, "a")->gone = NOW;
    publish();
    struct keyring_found f = find("a", CONF_ES256, NOW + 59);
    assert_int_equal(f.n, 1);
    assert_true(f.until == NOW + 60);
    assert_int_equal(find("a", CONF_ES256, NOW + 60).n, 0);
}

static void what_is_no_key(void **state)
{
    (void)state;
    add(0, "a")->der_n = 5;
    add(1, "b");
    publish();
    assert_int_equal(find("a", CONF_ES256, NOW).n, 0);
    assert_int_equal(find("b", CONF_ES256, NOW).n, 1);
}

static void many_without_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < KEYRING_TRIES + 3; i++)
        add(0, NULL);
    publish();
    assert_int_equal(find(NULL, CONF_ES256, NOW).n, KEYRING_TRIES);
}

/* The row is another issuer's now: none of its keys count. */
static void a_row_that_changed_hands(void **state)
{
    (void)state;
    add(0, "a");
    publish();
    assert_int_equal(find("a", CONF_ES256, NOW).n, 1);
    int row = jwks_find(&zone, IDENTITY);
    uint64_t other = 1000;
    while (jwks_claim(&zone, SLOT, other, 2 + JWKS_KEEP) != row)
        other++;
    assert_true(jwks_put(&zone, SLOT, row, other, &set));
    assert_int_equal(find("a", CONF_ES256, NOW).n, 0);
    assert_int_equal(keyring_version(&ring, &issuer), 0);
}

/* The issuer has another row by now, which was published as often as the one before. */
static void another_row(void **state)
{
    (void)state;
    add(0, "a");
    publish();
    assert_int_equal(find("a", CONF_ES256, NOW).n, 1);
    int row = jwks_find(&zone, IDENTITY);
    uint64_t version = keyring_version(&ring, &issuer);
    for (uint64_t i = 0; jwks_is(&zone, row, IDENTITY); i++)
        (void)jwks_claim(&zone, SLOT, 1000 + i, 2 + JWKS_KEEP);
    int other = jwks_claim(&zone, SLOT, IDENTITY, 2 + JWKS_KEEP);
    assert_int_not_equal(other, row);
    set.n = 0;
    add(1, "b");
    jwks_put(&zone, SLOT, other, IDENTITY, &set);
    assert_int_equal(find("a", CONF_ES256, NOW).n, 0);
    assert_int_equal(find("b", CONF_ES256, NOW).n, 1);
    assert_true(keyring_version(&ring, &issuer) != version);
}

static void wishes(void **state)
{
    (void)state;
    assert_true(keyring_wish(&ring, &issuer, 1000) == UINT64_MAX);
    assert_false(keyring_over(&ring, &issuer, UINT64_MAX));
    assert_false(keyring_fetching(&ring, &issuer));
    publish();
    int row = jwks_find(&zone, IDENTITY);
    assert_false(keyring_over(&ring, &issuer, UINT64_MAX));
    uint64_t wish = keyring_wish(&ring, &issuer, 1000);
    assert_true(wish != 0 && wish != UINT64_MAX);
    assert_false(keyring_fetching(&ring, &issuer));
    jwks_begin(&zone, row, 1001, true);
    assert_true(keyring_fetching(&ring, &issuer));
    assert_false(keyring_over(&ring, &issuer, wish));
    jwks_end(&zone, row, 1002);
    assert_false(keyring_fetching(&ring, &issuer));
    assert_true(keyring_over(&ring, &issuer, wish) && keyring_over(&ring, &issuer, UINT64_MAX));
    assert_int_equal(keyring_wish(&ring, &issuer, 31000), 0);
    assert_true(keyring_wish(&ring, &issuer, 31001) != 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(as_they_change, setup, teardown),
        cmocka_unit_test_setup_teardown(for_their_grace, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_key, setup, teardown),
        cmocka_unit_test_setup_teardown(many_without_a_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_that_changed_hands, setup, teardown),
        cmocka_unit_test_setup_teardown(another_row, setup, teardown),
        cmocka_unit_test_setup_teardown(wishes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
