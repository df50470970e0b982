/* SPDX-License-Identifier: Apache-2.0 */
/* Internet addresses as text and back, in the 16-byte form that holds IPv4 as ::ffff:a.b.c.d. Pure.
 */
#ifndef WORKER_ADDRESS_H
#define WORKER_ADDRESS_H

#include "worker/base/slice.h"

enum { ADDRESS_TEXT = 48 };

/* "192.0.2.1" or "2001:db8::1"; returns the length (< ADDRESS_TEXT), not terminated. All zero
 * bytes: "unix:". */
size_t address_text(const uint8_t ip[16], char out[ADDRESS_TEXT]);

/* Reads what address_text() writes, an address with a port or in brackets as well; false: it is
 * none, or "::", which is nobody's. */
bool address_parse(struct slice text, uint8_t ip[16]);

#endif
