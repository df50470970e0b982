/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which route takes a request: Kong's rules (rows R2-R10). A pure engine: compiled once a process
 * from the checked configuration, then read only. Cost does not grow with the number of routes for
 * exact hosts and prefix paths: hash tables by host, and by path prefix length.
 */
#ifndef WORKER_ROUTER_H
#define WORKER_ROUTER_H

#include "conf/conf.h"
#include "conf/regex.h"
#include "worker/base/slice.h"
#include "worker/http/head.h"

enum { ROUTER_CAPTURES = 16 };

struct router;

struct router_query {
    struct slice method;
    struct slice host; /* lower case, without port */
    struct slice path; /* normalised */
    struct slice sni;  /* lower case; absent for plain HTTP */
    enum conf_protocol protocol;
    const struct head *head; /* for header conditions */
};

struct router_match {
    const struct conf_route *route;
    const struct conf_path *path; /* what matched, NULL when the route has no paths */
    size_t stripped;              /* bytes of the path that the match covers (strip_path) */
    struct regex_span captures[ROUTER_CAPTURES]; /* of a regex path */
    int captures_n;
    bool wrong_protocol; /* the only routes that fit are https-only and this is plain HTTP: answer
                            426 or redirect */
    bool undecided; /* a better route's pattern reached its limits, so that nobody knows whether the
                       request is that route's: refuse it, whatever else would take it */
};

/* NULL: no memory. */
struct router *router_make(const struct conf *conf);
void router_free(struct router **router);

/* True with *match set when a route takes it; also with wrong_protocol, and with undecided (route
 * and path are then those whose pattern gave up). */
bool router_find(const struct router *router, const struct router_query *query,
                 struct router_match *match);

/* All routes in the order in which they would be tried for a request that fits several, for
 * `gatewayctl routes`: calls each(arg, route) from first to last. */
void router_order(const struct router *router,
                  void (*each)(void *arg, const struct conf_route *route), void *arg);

#endif
