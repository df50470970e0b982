/* SPDX-License-Identifier: Apache-2.0 */
/* Zones: made, sealed, adopted by descriptor, refused when they are something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shm/region.h"
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void makes_a_zeroed_zone(void **state)
{
    struct zone zone;
    const char *body;

    (void)state;
    assert_true(region_make(&zone, ZONE_CACHE, 7, "gateway_cache", 10000));
    assert_int_equal(zone.size, 12288);
    assert_int_equal(zone.shm->size, 12288);
    assert_int_equal(zone.shm->version, 7);
    assert_string_equal(zone.shm->name, "gateway_cache");
    body = region_body(&zone);
    assert_int_equal((uintptr_t)body % 64, 0);
    for (size_t i = 0; i < zone.size - 128; i++)
        assert_int_equal(body[i], 0);
    region_drop(&zone);
    assert_null(zone.shm);
    assert_int_equal(zone.fd, -1);
    region_drop(&zone);
}

static void size_is_sealed(void **state)
{
    struct zone zone;

    (void)state;
    assert_true(region_make(&zone, ZONE_STATS, 1, "stats", 4096));
    assert_int_equal(ftruncate(zone.fd, 0), -1);
    assert_int_equal(ftruncate(zone.fd, 1 << 20), -1);
    assert_int_equal(fcntl(zone.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    region_drop(&zone);
}

static void refuses_an_absurd_size(void **state)
{
    struct zone zone;

    (void)state;
    assert_false(region_make(&zone, ZONE_CACHE, 1, "huge", UINT64_MAX));
    assert_null(zone.shm);
    assert_int_equal(zone.fd, -1);
}

static void is_shared_over_fork(void **state)
{
    struct zone zone;
    int status;
    pid_t pid;

    (void)state;
    assert_true(region_make(&zone, ZONE_BOARD, 1, "board", 4096));
    pid = fork();
    if (pid == 0) {
        strcpy(region_body(&zone), "from the child");
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_string_equal((const char *)region_body(&zone), "from the child");
    region_drop(&zone);
}

static void adopts_what_it_knows(void **state)
{
    struct zone zone, other;
    int fd;

    (void)state;
    assert_true(region_make(&zone, ZONE_HEALTH, 3, "health", 4096));
    strcpy(region_body(&zone), "kept");
    fd = dup(zone.fd);
    region_drop(&zone);
    assert_false(region_adopt(&other, ZONE_HEALTH, 4, fd));
    assert_false(region_adopt(&other, ZONE_BOARD, 3, fd));
    assert_null(other.shm);
    assert_true(region_adopt(&other, ZONE_HEALTH, 3, fd));
    assert_string_equal((const char *)region_body(&other), "kept");
    region_drop(&other);
}

static void refuses_what_is_no_zone(void **state)
{
    struct zone zone;
    int plain = memfd_create("plain", MFD_CLOEXEC | MFD_ALLOW_SEALING),
        null = open("/dev/null", O_RDWR);

    (void)state;
    assert_false(region_adopt(&zone, ZONE_BOARD, 1, plain));
    assert_int_equal(ftruncate(plain, 4096), 0);
    assert_int_equal(fcntl(plain, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_false(region_adopt(&zone, ZONE_BOARD, 1, plain));
    assert_false(region_adopt(&zone, ZONE_BOARD, 1, null));
    assert_false(region_adopt(&zone, ZONE_BOARD, 1, -1));
    close(plain);
    close(null);
}

static void refuses_a_header_that_lies_about_its_size(void **state)
{
    struct zone zone, other;

    (void)state;
    assert_true(region_make(&zone, ZONE_BOARD, 1, "board", 4096));
    zone.shm->size = 1 << 30;
    assert_false(region_adopt(&other, ZONE_BOARD, 1, zone.fd));
    zone.shm->size = 4096;
    memset(zone.shm->name, 'x', sizeof zone.shm->name);
    assert_false(region_adopt(&other, ZONE_BOARD, 1, zone.fd));
    region_drop(&zone);
}

static void a_name_can_be_read_of_any_descriptor(void **state)
{
    char name[REGION_NAME_MAX];
    struct zone zone;

    (void)state;
    assert_true(region_make(&zone, ZONE_BOARD, 99, "from another time", 5000));
    assert_int_equal(zone.size, region_size(5000));
    region_name(zone.fd, name);
    assert_string_equal(name, "from another time");
    memset(zone.shm->name, 'x', sizeof zone.shm->name);
    region_name(zone.fd, name);
    assert_int_equal(strlen(name), REGION_NAME_MAX - 1);
    region_drop(&zone);
    region_name(-1, name);
    assert_string_equal(name, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_a_zeroed_zone),
        cmocka_unit_test(size_is_sealed),
        cmocka_unit_test(refuses_an_absurd_size),
        cmocka_unit_test(is_shared_over_fork),
        cmocka_unit_test(adopts_what_it_knows),
        cmocka_unit_test(refuses_what_is_no_zone),
        cmocka_unit_test(refuses_a_header_that_lies_about_its_size),
        cmocka_unit_test(a_name_can_be_read_of_any_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
