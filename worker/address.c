/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 is written by hand, since each proxied request carries the client's address as text. */
#include "worker/address.h"

#include <arpa/inet.h>

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
static const uint8_t none[16]; /* of a Unix socket */

static char *put_byte(char *p, unsigned n)
{
    if (n >= 100)
        *p++ = (char)('0' + n / 100);
    if (n >= 10)
        *p++ = (char)('0' + n / 10 % 10);
    *p++ = (char)('0' + n % 10);
    return p;
}

size_t address_text(const uint8_t ip[16], char out[ADDRESS_TEXT])
{
    char *p = out;

    if (memcmp(ip, mapped, 12) == 0) {
        for (int i = 12; i < 16; i++) {
            p = put_byte(p, ip[i]);
            if (i < 15)
                *p++ = '.';
        }
        return (size_t)(p - out);
    }
    if (memcmp(ip, none, 16) == 0) {
        memcpy(out, "unix:", 5);
        return 5;
    }
    if (!inet_ntop(AF_INET6, ip, out, ADDRESS_TEXT))
        return 0;
    return strlen(out);
}

static bool parse_v6(const char *text, uint8_t ip[16])
{
    return inet_pton(AF_INET6, text, ip) == 1 && memcmp(ip, none, sizeof none) != 0;
}

static bool parse_v4(const char *text, uint8_t ip[16])
{
    memcpy(ip, mapped, 12);
    return inet_pton(AF_INET, text, ip + 12) == 1;
}

bool address_parse(struct slice text, uint8_t ip[16])
{
    char copy[ADDRESS_TEXT + 8];

    if (text.n == 0 || text.n >= sizeof copy)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    if (copy[0] == '[') {
        char *end = strchr(copy, ']');
        if (!end || (end[1] && end[1] != ':'))
            return false;
        *end = '\0';
        return parse_v6(copy + 1, ip);
    }
    char *colon = strchr(copy, ':');
    if (colon && strchr(colon + 1, ':'))
        return parse_v6(copy, ip);
    if (strcmp(copy, "unix:") == 0) {
        memset(ip, 0, 16);
        return true;
    }
    if (colon)
        *colon = '\0';
    return parse_v4(copy, ip);
}
