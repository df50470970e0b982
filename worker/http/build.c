/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and status lines of heads. Known status lines are whole constants, so that the common
 * ones are one copy. */
#include "worker/http/build.h"
#include "shm/assert.h"

/* status, reason: RFC 9110 section 15 and the registry's additions. */
#define REASONS(X)                                                                                 \
    X(100, "Continue")                                                                             \
    X(101, "Switching Protocols")                                                                  \
    X(102, "Processing")                                                                           \
    X(103, "Early Hints")                                                                          \
    X(200, "OK")                                                                                   \
    X(201, "Created")                                                                              \
    X(202, "Accepted")                                                                             \
    X(203, "Non-Authoritative Information")                                                        \
    X(204, "No Content")                                                                           \
    X(205, "Reset Content")                                                                        \
    X(206, "Partial Content")                                                                      \
    X(207, "Multi-Status")                                                                         \
    X(208, "Already Reported")                                                                     \
    X(226, "IM Used")                                                                              \
    X(300, "Multiple Choices")                                                                     \
    X(301, "Moved Permanently")                                                                    \
    X(302, "Found")                                                                                \
    X(303, "See Other")                                                                            \
    X(304, "Not Modified")                                                                         \
    X(305, "Use Proxy")                                                                            \
    X(307, "Temporary Redirect")                                                                   \
    X(308, "Permanent Redirect")                                                                   \
    X(400, "Bad Request")                                                                          \
    X(401, "Unauthorized")                                                                         \
    X(402, "Payment Required")                                                                     \
    X(403, "Forbidden")                                                                            \
    X(404, "Not Found")                                                                            \
    X(405, "Method Not Allowed")                                                                   \
    X(406, "Not Acceptable")                                                                       \
    X(407, "Proxy Authentication Required")                                                        \
    X(408, "Request Timeout")                                                                      \
    X(409, "Conflict")                                                                             \
    X(410, "Gone")                                                                                 \
    X(411, "Length Required")                                                                      \
    X(412, "Precondition Failed")                                                                  \
    X(413, "Content Too Large")                                                                    \
    X(414, "URI Too Long")                                                                         \
    X(415, "Unsupported Media Type")                                                               \
    X(416, "Range Not Satisfiable")                                                                \
    X(417, "Expectation Failed")                                                                   \
    X(421, "Misdirected Request")                                                                  \
    X(422, "Unprocessable Content")                                                                \
    X(423, "Locked")                                                                               \
    X(424, "Failed Dependency")                                                                    \
    X(425, "Too Early")                                                                            \
    X(426, "Upgrade Required")                                                                     \
    X(428, "Precondition Required")                                                                \
    X(429, "Too Many Requests")                                                                    \
    X(431, "Request Header Fields Too Large")                                                      \
    X(451, "Unavailable For Legal Reasons")                                                        \
    X(500, "Internal Server Error")                                                                \
    X(501, "Not Implemented")                                                                      \
    X(502, "Bad Gateway")                                                                          \
    X(503, "Service Unavailable")                                                                  \
    X(504, "Gateway Timeout")                                                                      \
    X(505, "HTTP Version Not Supported")                                                           \
    X(506, "Variant Also Negotiates")                                                              \
    X(507, "Insufficient Storage")                                                                 \
    X(508, "Loop Detected")                                                                        \
    X(511, "Network Authentication Required")

enum { PREFIX = sizeof("HTTP/1.1 200 ") - 1 };

static struct slice known_line(int status)
{
    switch (status) {
#define LINE(status, reason)                                                                       \
    case status:                                                                                   \
        return SLICE("HTTP/1.1 " #status " " reason "\r\n");
        REASONS(LINE)
#undef LINE
    default:
        return slice_of(NULL, 0);
    }
}

char *build_status_line(char *to, int status)
{
    struct slice line = known_line(status);
    if (line.n)
        return build_slice(to, line);
    must(status >= 100 && status <= 999);
    to = build_slice(to, SLICE("HTTP/1.1 "));
    to = build_number(to, (uint64_t)status);
    return build_slice(to, SLICE(" \r\n"));
}

struct slice build_reason(int status)
{
    struct slice line = known_line(status);
    return line.n ? slice_of(line.p + PREFIX, line.n - PREFIX - 2) : line;
}

static const char pairs[] = "0001020304050607080910111213141516171819202122232425262728293031323334"
                            "3536373839404142434445464748495051525354555657585960616263646566676869"
                            "707172737475767778798081828384858687888990919293949596979899";

char *build_number(char *to, uint64_t n)
{
    char digits[BUILD_NUMBER_MAX], *end = digits + sizeof(digits), *p = end;
    for (; n >= 100; n /= 100)
        memcpy(p -= 2, pairs + 2 * (n % 100), 2);
    if (n >= 10)
        memcpy(p -= 2, pairs + 2 * n, 2);
    else
        *--p = (char)('0' + n);
    return build_slice(to, slice_of(p, (size_t)(end - p)));
}

char *build_hex(char *to, uint64_t n)
{
    int digits = 1;
    while (digits < BUILD_HEX_MAX && n >> (4 * digits))
        digits++;
    for (int i = digits - 1; i >= 0; i--, n >>= 4)
        to[i] = "0123456789abcdef"[n & 15];
    return to + digits;
}

/* Pairs of digits, 00 to ff. */
static const char octets_text[513] = "000102030405060708090a0b0c0d0e0f"
                                     "101112131415161718191a1b1c1d1e1f"
                                     "202122232425262728292a2b2c2d2e2f"
                                     "303132333435363738393a3b3c3d3e3f"
                                     "404142434445464748494a4b4c4d4e4f"
                                     "505152535455565758595a5b5c5d5e5f"
                                     "606162636465666768696a6b6c6d6e6f"
                                     "707172737475767778797a7b7c7d7e7f"
                                     "808182838485868788898a8b8c8d8e8f"
                                     "909192939495969798999a9b9c9d9e9f"
                                     "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
                                     "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
                                     "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
                                     "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
                                     "e0e1e2e3e4e5e6e7e8e9eaebecedeeef"
                                     "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";

char *build_octets(char *to, const uint8_t *octets, size_t n)
{
    for (size_t i = 0; i < n; i++)
        memcpy(to + 2 * i, octets_text + 2 * octets[i], 2);
    return to + 2 * n;
}
