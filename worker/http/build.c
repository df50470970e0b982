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
    if (__builtin_expect(status == 200, 1))
        return build_slice(to, SLICE("HTTP/1.1 200 OK\r\n"));
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

static int digits_of(uint64_t n)
{
    for (int digits = 1;; digits += 4, n /= 10000) {
        if (n < 100)
            return digits + (n >= 10);
        if (n < 10000)
            return digits + 2 + (n >= 1000);
    }
}

char *build_number(char *to, uint64_t n)
{
    char *end = to + digits_of(n);
    for (char *p = end; n >= 100; n /= 100)
        memcpy(p -= 2, pairs + 2 * (n % 100), 2);
    if (n >= 10)
        memcpy(to, pairs + 2 * n, 2);
    else
        *to = (char)('0' + n);
    return end;
}

static const char digits[] = "0123456789abcdef";

char *build_hex(char *to, uint64_t n)
{
    int length = 1;
    while (length < BUILD_HEX_MAX && n >> (4 * length))
        length++;
    for (int i = length - 1; i >= 0; i--, n >>= 4)
        to[i] = digits[n & 15];
    return to + length;
}

typedef uint8_t sixteen __attribute__((vector_size(16)));

static void put_digits(char *to, sixteen half)
{
    half += '0' + ((sixteen)(half > 9) & ('a' - '9' - 1));
    memcpy(to, &half, sizeof half);
}

/* Ids have sixteen octets: the higher and the lower half of each become bytes beside each other. */
static void put_sixteen(char *to, const uint8_t *octets)
{
    sixteen all;
    memcpy(&all, octets, sizeof all);
    sixteen high = all >> 4, low = all & 15;
    put_digits(to, __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6,
                                           22, 7, 23));
    put_digits(to + 16, __builtin_shufflevector(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13,
                                                29, 14, 30, 15, 31));
}

char *build_octets(char *to, const uint8_t *octets, size_t n)
{
    for (; n >= 16; n -= 16, octets += 16, to += 32)
        put_sixteen(to, octets);
    for (; n > 0; n--, octets++) {
        *to++ = digits[*octets >> 4];
        *to++ = digits[*octets & 15];
    }
    return to;
}
