/* SPDX-License-Identifier: Apache-2.0 */
/* SRV records out of a DNS message (RFC 1035 section 4.1, RFC 2782), pure. */
#ifndef CHECKER_SRV_H
#define CHECKER_SRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SRV_RECORDS = 256, SRV_NAME = 254 };

struct srv_record {
    uint16_t priority, weight, port;
    uint32_t ttl;        /* s */
    char host[SRV_NAME]; /* without the dot at its end; "": there is no such service */
};

/* Reads the answers of type SRV and class IN; those past SRV_RECORDS are left out. Returns how many
 * there are in out, or -1: the message is malformed. */
int srv_parse(const uint8_t *message, size_t n, struct srv_record out[SRV_RECORDS]);

#endif
