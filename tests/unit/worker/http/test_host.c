/* SPDX-License-Identifier: Apache-2.0 */
/* Well-formed and ill-formed authorities, name and port of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/http/host.h"

static const struct good {
    const char *text, *name;
    int port;
} good[] = {
    { "a", "a", 0 },
    { "Example.COM", "Example.COM", 0 },
    { "example.com.", "example.com.", 0 },
    { "under_score-x~y.example:8080", "under_score-x~y.example", 8080 },
    { "127.0.0.1:1", "127.0.0.1", 1 },
    { "h:65535", "h", 65535 },
    { "h:", "h", 0 },
    { "[::1]:", "[::1]", 0 },
    { "h:00080", "h", 80 },
    { "[::]", "[::]", 0 },
    { "[::1]:443", "[::1]", 443 },
    { "[1::]", "[1::]", 0 },
    { "[2001:DB8::a:b]", "[2001:DB8::a:b]", 0 },
    { "[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:8]", 0 },
    { "[1:2:3:4:5:6:7::]", "[1:2:3:4:5:6:7::]", 0 },
    { "[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]", 0 },
    { "[1:2:3:4:5:6:192.0.2.1]", "[1:2:3:4:5:6:192.0.2.1]", 0 },
    { "a-name-that-is-longer-than-one-vector-block.example.com:81",
      "a-name-that-is-longer-than-one-vector-block.example.com", 81 },
};

static const char *const bad[] = {
    "",
    ":80",
    "u@h",
    "u:p@h",
    "h#x",
    "h/x",
    "h?x",
    "h x",
    "h\\x",
    "h,g",
    ":",
    "h::",
    "h:0",
    "h:65536",
    "h:123456",
    "h:8a",
    "h:+80",
    "h:-1",
    "h: 80",
    "h:80:81",
    ".",
    ".a",
    "a..b",
    "a..",
    "..",
    "a%62",
    "h\x80",
    "h\x7f",
    "h\t",
    "[",
    "[]",
    "[::1",
    "::1",
    "[::1]x",
    "[::1]80",
    "[:::]",
    "[1::2::3]",
    "[1:2]",
    "[12345::]",
    "[g::]",
    "[1:2:3:4:5:6:7:8:9]",
    "[1:2:3:4:5:6:7:8::]",
    "[1:]",
    "[:1]",
    "[::1%25eth0]",
    "[::1.2.3]",
    "[::1.2.3.256]",
    "[::1.2.3.04]",
    "[::1.2.3.4.5]",
    "[1:2:3:4:5:6:7:1.2.3.4]",
    "[1:1.2.3.4]",
    "[v1.x]",
    "[::1.2.3.4:5]",
    "a-name-that-is-longer-than-one-vector-block..example.com",
};

static void well_formed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct slice name;
        int port = -1;
        if (!host_split(slice_of(good[i].text, strlen(good[i].text)), &name, &port))
            fail_msg("refused: %s", good[i].text);
        assert_true(slice_equal(name, slice_of(good[i].name, strlen(good[i].name))));
        assert_int_equal(port, good[i].port);
    }
}

static void ill_formed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct slice name;
        int port;
        if (host_split(slice_of(bad[i], strlen(bad[i])), &name, &port))
            fail_msg("accepted: %s", bad[i]);
    }
}

static void inside_a_buffer(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: a.example:8080\r\nX: behind it\r\n\r\n";
    const char *host = strstr(text, "a.example");
    struct slice name;
    int port;
    assert_true(host_split_in(scan_engine(sizeof(text)), text, slice_of(host, 14), &name, &port));
    assert_true(slice_equal(name, SLICE("a.example")));
    assert_int_equal(port, 8080);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed),
        cmocka_unit_test(ill_formed),
        cmocka_unit_test(inside_a_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
