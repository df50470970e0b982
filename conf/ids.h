/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers that are the same after each load: UUIDs of entities, hashes of peers. */
#ifndef CONF_IDS_H
#define CONF_IDS_H

#include "conf/memory.h"
#include <stdint.h>

/* A UUID in text, derived from what is formatted: kind and names, one a line. */
struct conf_text ids_uuid(struct memory *memory, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A hash of both texts, never 0. */
uint64_t ids_peer(struct conf_text upstream, const char *address);

#endif
