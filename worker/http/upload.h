/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clocks of a request's body: how long the client may be waited for. They run only while
 * somebody waits for it and it has nothing there; time that a slow upstream takes is never the
 * client's. Pure: times are arguments, microseconds of one monotonic clock, never 0.
 */
#ifndef HTTP_UPLOAD_H
#define HTTP_UPLOAD_H

#include "conf/entities.h"

struct upload {
    const struct conf_client_body *limits;
    int64_t since;  /* it is waited for since then; 0: it is not */
    int64_t waited; /* us, earlier waits together */
    int64_t spare;  /* us that it may still be below the least rate: never more than the grace */
};

void upload_begin(struct upload *u, const struct conf_client_body *limits);

/* It is waited for, from now on if it was not before. Returns ms after which to look again, at
 * least 1. */
int upload_wait(struct upload *u, int64_t now);
/* Nobody waits any more: something has come, or somebody else has to move first. */
void upload_pause(struct upload *u, int64_t now);
/* So many bytes have come. */
void upload_got(struct upload *u, uint64_t bytes);

/* The setting whose time is over, or NULL. */
const char *upload_late(const struct upload *u, int64_t now);

#endif
