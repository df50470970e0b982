/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The labels of stored objects, by which they are purged and listed. Pure.
 */
#ifndef HTTP_LABELS_H
#define HTTP_LABELS_H

#include "worker/base/slice.h"

/* The short form of the id of a plugin instance or a service, as cache_meta has it; any case, with
 * dashes or without, is the same. Never 0. */
uint32_t labels_id(struct slice uuid);

#endif
