/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small gateway in memory for tests of the control API: one service with two routes, one upstream
 * with two targets, one dictionary, real zones. fixture_call() makes a call as the control process
 * does.
 */
#ifndef TESTS_API_FIXTURE_H
#define TESTS_API_FIXTURE_H

#include "conf/plugin.h"
#include "master/control/api.h"
#include "master/control/control_http.h"
#include "shm/board.h"
#include "shm/health.h"
#include "shm/stats.h"
#include "worker/http/cache_key.h"
#include "worker/http/labels.h"
#include "worker/http/reuse.h"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
#define FIXTURE_ROUTE_ID "11111111-1111-4111-8111-111111111111"
#define FIXTURE_NOW      1800000000

struct fixture {
    struct conf conf;
    struct heritage heritage;
    struct api api;
    struct cache *filler; /* another process's handle */
    enum channel_op asked;
    char asked_with[128];
    uint64_t questions;
};

static struct conf_text fixture_hosts[] = { TEXT("api.example.com") };
static struct conf_text fixture_methods[] = { TEXT("GET") };
static struct conf_path fixture_paths[] = { { TEXT("/orders"), NULL } };
static struct conf_link fixture_links[] = { { CONF_PLUGIN_PROXY_CACHE, 100, NULL, NULL, 0 } };
static struct conf_chain fixture_chain = { fixture_links, 1 };
#define PLACE(port)                                                                                \
    (const struct conf_address[])                                                                  \
    {                                                                                              \
        {                                                                                          \
            .text = TEXT("127.0.0.1:" #port)                                                       \
        }                                                                                          \
    }
static struct conf_target fixture_targets[] = {
    { .target = TEXT("127.0.0.1:9001"),
      .host = TEXT("127.0.0.1"),
      .port = 9001,
      .weight = 100,
      .places = PLACE(9001),
      .places_n = 1 },
    { .target = TEXT("127.0.0.1:9002"),
      .host = TEXT("127.0.0.1"),
      .port = 9002,
      .weight = 50,
      .places = PLACE(9002),
      .places_n = 1 },
};
static struct conf_upstream fixture_upstream = {
    .name = TEXT("orders.v1"),
    .id = TEXT("up"),
    .targets = fixture_targets,
    .targets_n = 2,
};
static struct conf_service fixture_service = {
    .name = TEXT("orders"),
    .id = TEXT("service-id"),
    .enabled = true,
    .protocol = CONF_HTTP,
    .host = TEXT("orders.v1"),
    .port = 80,
    .path = TEXT("/"),
    .retries = 5,
    .upstream = &fixture_upstream,
};
static struct conf_route fixture_routes[] = {
    { .name = TEXT("orders"),
      .id = TEXT(FIXTURE_ROUTE_ID),
      .service = &fixture_service,
      .protocols = CONF_HTTP | CONF_HTTPS,
      .hosts = { fixture_hosts, 1 },
      .methods = { fixture_methods, 1 },
      .paths = fixture_paths,
      .paths_n = 1,
      .strip_path = true,
      .chain = &fixture_chain },
    { .name = TEXT("quiet \"one\""),
      .id = TEXT("22222222-2222-4222-8222-222222222222"),
      .index = 1,
      .service = &fixture_service,
      .protocols = CONF_HTTPS,
      .chain = &fixture_chain },
};
static struct conf_dict fixture_dicts[] = { { .name = TEXT("gateway_cache"), .size = 4 << 20 } };

static uint64_t fixture_ask(struct api *api, enum channel_op op, const char *text)
{
    struct fixture *f = (struct fixture *)((char *)api - offsetof(struct fixture, api));

    snprintf(f->asked_with, sizeof f->asked_with, "%s", text);
    f->asked = op;
    return ++f->questions;
}

#define FIXTURE_PLUGIN_ID "abababab-abab-abab-abab-abababababab"
static const struct conf_plugin fixture_plugin = { .id = TEXT(FIXTURE_PLUGIN_ID) };

static inline void fixture_conf(struct conf *conf)
{
    *conf = (struct conf){
        .path = TEXT("/etc/gateway/gateway.conf"),
        .shutdown_timeout = 2000,
        .shared_dicts = fixture_dicts,
        .shared_dicts_n = 1,
        .upstreams = &fixture_upstream,
        .upstreams_n = 1,
        .services = &fixture_service,
        .services_n = 1,
        .routes = fixture_routes,
        .routes_n = 2,
        .plugins = &fixture_plugin,
        .plugins_n = 1,
    };
}

/* NULL: no memory for it. */
static inline struct fixture *fixture_make(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct heritage *h = &f->heritage;
    bool made;

    fixture_conf(&f->conf);
    h->conf = &f->conf;
    h->generation = 3;
    h->role = ROLE_CONTROL;
    h->master = getpid();
    h->control = h->status = h->admin = h->channel = -1;
    made = board_make(&h->board) && stats_make(&h->stats, 16) && health_make(&h->health, 8, 8) &&
           roster_make(&h->roster) &&
           region_make(&h->dicts[0], ZONE_CACHE, CACHE_VERSION, "gateway_cache", 4 << 20) &&
           cache_format(&h->dicts[0]);
    if (!made)
        return NULL;
    struct board_shm *board = board_of(&h->board);
    board->generation = 3;
    board->reloads = 2;
    board->restarts = 1;
    board->started = FIXTURE_NOW - 100;
    for (uint32_t i = 0; i < 2; i++) {
        int slot = board_claim(board, ROLE_WORKER, i, 3);
        board->rows[slot].state = BOARD_RUNNING;
        stats_claim(&h->stats, fixture_routes[i].id.s, fixture_routes[i].name.s, 3);
    }
    h->slot = (uint32_t)board_claim(board, ROLE_CONTROL, 0, 3);
    if (!peers_open(&f->api.peers, h, NULL, NULL))
        return NULL;
    f->api.heritage = h;
    f->api.now = FIXTURE_NOW;
    f->api.now_ns = UINT64_C(1) << 62;
    f->api.ask = fixture_ask;
    f->api.caches[0] = cache_attach(&h->dicts[0], h->slot);
    advisor_open(&f->api.advisors[0], f->api.caches[0]);
    f->filler = cache_attach(&h->dicts[0], 0);
    if (f->api.caches[0] != NULL)
        purges_use(f->api.caches[0], labels_see);
    return f->api.caches[0] != NULL && f->filler != NULL ? f : NULL;
}

/* The row of the i-th target of the upstream. */
static inline struct health_peer_shm *fixture_row(const struct fixture *f, size_t i)
{
    return peers_of(&f->api.peers, &fixture_upstream)->v[i]->row;
}

static inline void fixture_free(struct fixture *f)
{
    advisor_close(&f->api.advisors[0]);
    cache_detach(&f->api.caches[0]);
    cache_detach(&f->filler);
    peers_close(&f->api.peers);
    region_drop(&f->heritage.dicts[0]);
    region_drop(&f->heritage.health);
    region_drop(&f->heritage.roster);
    region_drop(&f->heritage.stats);
    region_drop(&f->heritage.board);
    free(f);
}

/* Stores a small object as a worker would. True: its id. */
static inline bool fixture_store_as(struct fixture *f, const struct cache_key_parts *parts,
                                    uint8_t id[CACHE_ID_SIZE])
{
    static const char head[] =
        "Content-Type: text/plain\r\nX-Two: a\r\nX-Two: b\r\nCache-Tag: red, blue\r\n";
    struct cache_meta meta = { .stored = FIXTURE_NOW - 10,
                               .fresh_for = 300,
                               .keep_until = FIXTURE_NOW + 1000,
                               .flags = REUSE_TAGGED,
                               .status = 200 };
    char key[CACHE_KEY_MAX];
    ptrdiff_t n = cache_key_write(parts, key, sizeof key);

    if (n < 0)
        return false;
    meta.service = labels_id(slice_of(fixture_service.id.s, fixture_service.id.n));
    meta.plugin = labels_id(SLICE(FIXTURE_PLUGIN_ID));
    cache_id(f->filler, key, (size_t)n, id);
    struct cache_fill *fill =
        cache_fill_begin(f->filler, id, key, (size_t)n, &meta, head, sizeof head - 1, 5);
    return fill != NULL && cache_fill_append(fill, "hello", 5) && cache_fill_commit(&fill);
}

static inline bool fixture_store(struct fixture *f, const char *host, const char *path,
                                 const char *query, uint8_t id[CACHE_ID_SIZE])
{
    struct cache_key_parts parts = { .route_id = SLICE(FIXTURE_ROUTE_ID),
                                     .method = SLICE("GET"),
                                     .host = { host, strlen(host) },
                                     .path = { path, strlen(path) } };

    if (query != NULL)
        parts.query = slice_of(query, strlen(query));
    return fixture_store_as(f, &parts, id);
}

static inline void fixture_hex(const uint8_t id[CACHE_ID_SIZE], char out[2 * CACHE_ID_SIZE + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < CACHE_ID_SIZE; i++) {
        out[2 * i] = digits[id[i] >> 4];
        out[2 * i + 1] = digits[id[i] & 15];
    }
    out[2 * CACHE_ID_SIZE] = '\0';
}

/* Moves what a conversation wants to send to the end of *out, terminated. False: nothing. */
static inline bool fixture_drain(struct control_http *h, char **out, size_t *n)
{
    struct iovec iov[2];
    int vectors = control_http_pending(h, iov);
    size_t sent = 0;

    for (int i = 0; i < vectors; i++) {
        *out = realloc(*out, *n + iov[i].iov_len + 1);
        memcpy(*out + *n, iov[i].iov_base, iov[i].iov_len);
        *n += iov[i].iov_len;
        sent += iov[i].iov_len;
    }
    (*out)[*n] = '\0';
    if (vectors > 0)
        control_http_sent(h, sent);
    return vectors > 0;
}

/* Feeds `bytes` to a conversation and gives back all that it sends, terminated; malloc'd. */
static inline char *fixture_talk(struct fixture *f, struct control_http *h, const char *bytes,
                                 size_t n)
{
    char *out = malloc(1), *to;
    size_t out_n = 0, room;

    for (;;) {
        control_http_run(h, &f->api);
        if (h->state == CONTROL_HTTP_WORK || fixture_drain(h, &out, &out_n))
            continue;
        to = control_http_room(h, &room);
        room = room < n ? room : n;
        if (room == 0)
            return out;
        memcpy(to, bytes, room);
        control_http_take(h, room);
        bytes += room;
        n -= room;
    }
}

/* One request at a door; the whole answer. */
static inline char *fixture_call(struct fixture *f, enum api_door door, const char *request)
{
    struct api_caller caller = { .door = door, .text = "uid=7 pid=8" };
    struct control_http *h = malloc(sizeof *h);

    control_http_init(h, &caller);
    char *answer = fixture_talk(f, h, request, strlen(request));
    control_http_free(h);
    free(h);
    return answer;
}

static inline char *fixture_ask_for(struct fixture *f, const char *line, const char *body)
{
    char request[4096];

    snprintf(request, sizeof request,
             "%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s", line, strlen(body),
             body);
    return fixture_call(f, API_DOOR_CONTROL, request);
}

static inline int fixture_status(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : -1;
}

/* The JSON of an answer; it is freed. */
static inline json_t *fixture_json(char *answer)
{
    const char *body = strstr(answer, "\r\n\r\n");
    json_t *value = body != NULL ? json_loads(body + 4, 0, NULL) : NULL;

    free(answer);
    return value;
}

#endif
