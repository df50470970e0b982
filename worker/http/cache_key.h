/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stored response is known by: scope (route, and consumer when there is one), method, host,
 * path, query, and the chosen vary values. Pure. A key is a small table of lengths followed by the
 * parts, so no two lists of parts give the same bytes, whatever bytes a client puts into them, and
 * the parts can be read back out of it.
 */
#ifndef HTTP_CACHE_KEY_H
#define HTTP_CACHE_KEY_H

#include "conf/text.h"
#include "worker/base/slice.h"

enum { CACHE_KEY_VARY_MAX = 16, CACHE_KEY_VARIANT = 9 };

/* {NULL, 0} is absent, and differs from empty. */
struct cache_key_parts {
    struct slice route_id;                 /* UUID text */
    struct slice consumer_id;              /* UUID text; absent: nobody known */
    struct slice method;                   /* "GET" for GET and HEAD */
    struct slice host;                     /* lower case, without port */
    struct slice path;                     /* normalised */
    struct slice query;                    /* as received, or what cache_key_query() chose */
    struct slice vary[CACHE_KEY_VARY_MAX]; /* values of vary_headers, in the configured order */
    unsigned vary_n;
    bool query_chosen;    /* query holds the pairs named by vary_query_params, and those alone */
    bool case_folded;     /* ignore_uri_case: the path was lower-cased */
    struct slice variant; /* CACHE_KEY_VARIANT bytes: one of several responses; absent in the key of
                             the URL itself */
};

/* Writes the key to out[0..cap). Returns its length, or -1 when it does not fit, a part has 65535
 * bytes or more, or vary_n is above CACHE_KEY_VARY_MAX. */
ptrdiff_t cache_key_write(const struct cache_key_parts *parts, char *out, size_t cap);

/* The key of one of several responses to the URL that `key` stands for: out has room for key.n +
 * CACHE_KEY_VARIANT bytes. Returns its length. */
size_t cache_key_variant(struct slice key, uint64_t salt, uint8_t slot, char *out);

/* The key of the URL itself that a variant's key was made from: out has room for key.n bytes.
 * Returns its length. */
size_t cache_key_base(struct slice variant, char *out);

/* Reads a key back; the slices point into it. False: these bytes are no key. */
bool cache_key_read(const char *key, size_t n, struct cache_key_parts *out);

/* Keeps the pairs of `query` whose decoded name is in `names`, in the order of `names`, those of
 * one name as received, each once. Writes to out, for which cap = query.n is enough. Returns the
 * length, 0 when there are none, -1 when cap is too small. */
ptrdiff_t cache_key_query(struct slice query, const struct conf_texts *names, char *out,
                          size_t cap);

/* True when a request for host, path (normalised) and query could have stored `parts`, with any
 * method, consumer, route and vary value. With query_chosen: when each pair in the key is among the
 * query's. */
bool cache_key_matches(const struct cache_key_parts *parts, struct slice host, struct slice path,
                       struct slice query);

#endif
