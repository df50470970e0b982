/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client a configuration and worker. With Sentinels there is one node for the master, whose
 * place is not known until a Sentinel has named it, and is forgotten when it fails. A Cluster's
 * nodes are those of the file and those that the map of slots or a redirection names; a question
 * whose node is not to be had makes the map be asked for anew.
 */
#include "worker/redis/redis.h"

#include "shm/assert.h"
#include "worker/base/log.h"
#include "worker/context.h"
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum { NODES_MAX = 256, NO_NODE = UINT16_MAX, REFRESH_MS = 250, AGAIN_MS = 50 };

struct redis {
    struct redis *next; /* of the worker's */
    struct worker *w;
    const struct conf_redis *conf;
    struct redis_script scripts[REDIS_SCRIPTS];
    struct redis_node *master; /* the server, or what Sentinels name; NULL: a Cluster */
    struct redis_node **nodes; /* Sentinels; or a Cluster's, those of the file first */
    size_t nodes_n, seeds_n;
    size_t sentinel, asked; /* which one is asked; how many were since the master was lost */
    bool looking;           /* for the master */
    uint16_t *map;          /* a Cluster's: index of the node, by slot */
    int64_t refresh_at;     /* not before that, ms */
    struct redis_question
        *again; /* keys that move between nodes: asked for once more in a moment */
    struct timer timer;
};

static struct redis *of(const struct redis_node *node)
{
    return node->owner;
}

/* --- questions ------------------------------------------------------------------------------ */

static void finish(struct redis *r, struct redis_question *q, const struct redis_reply *reply)
{
    if (!reply && q->script) /* not one of our own about the map */
        stats_add(&r->w->stats->redis_failures, 1);
    if (q->done)
        q->done(q->owner, reply);
    free(q);
}

static size_t bytes_of(const struct slice *v, size_t n)
{
    size_t total = 0;

    for (size_t i = 0; i < n; i++)
        total += v[i].n;
    return total;
}

static char *copy(struct redis_question *q, char *at, const struct slice *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (v[i].n)
            memcpy(at, v[i].p, v[i].n);
        q->args[q->args_n++] = slice_of(at, v[i].n);
        at += v[i].n;
    }
    return at;
}

/* NULL: no memory. */
static struct redis_question *make_question(const struct slice *head, size_t head_n,
                                            const struct redis_command *command)
{
    size_t n = head_n + (command ? command->keys_n + command->args_n : 0);
    size_t bytes = bytes_of(head, head_n);

    if (command)
        bytes +=
            bytes_of(command->keys, command->keys_n) + bytes_of(command->args, command->args_n);
    struct redis_question *q = calloc(1, sizeof *q + n * sizeof *q->args + bytes);
    if (!q)
        return NULL;
    char *at = copy(q, (char *)&q->args[n], head, head_n);
    if (command) {
        at = copy(q, at, command->keys, command->keys_n);
        copy(q, at, command->args, command->args_n);
    }
    return q;
}

/* --- Sentinels ------------------------------------------------------------------------------ */

static void lose_master(struct redis *r)
{
    redis_node_place(r->master, slice_of(NULL, 0), 0, NULL);
    snprintf(r->master->text, sizeof r->master->text, "master %.200s", r->conf->sentinel_master.s);
}

static void look_for_master(struct redis *r)
{
    if (r->looking)
        return;
    r->looking = true;
    r->asked = 0;
    redis_node_wake(r->nodes[r->sentinel]);
}

static const char *named(struct redis *r, struct redis_node *sentinel,
                         const struct redis_reply *reply)
{
    struct redis_place place;
    char text[REDIS_TEXT_ROOM];

    if (!redis_answer_master(reply, &place)) {
        snprintf(sentinel->why, sizeof sentinel->why, "it knows no master \"%.40s\"%s%s",
                 r->conf->sentinel_master.s, reply->kind == REDIS_ERROR ? ": " : "",
                 reply->kind == REDIS_ERROR ? redis_answer_text(reply, text) : "");
        return sentinel->why;
    }
    r->looking = false;
    sentinel->down_since = 0;
    sentinel->backoff = 0;
    if (r->master->state == REDIS_CLOSED) {
        redis_node_place(r->master, place.host, place.port, NULL);
        redis_node_wake(r->master);
    }
    redis_node_close(sentinel);
    return NULL;
}

static void sentinel_failed(struct redis *r)
{
    r->sentinel = (r->sentinel + 1) % r->nodes_n;
    if (++r->asked < r->nodes_n) {
        redis_node_wake(r->nodes[r->sentinel]);
        return;
    }
    r->looking = false;
    redis_node_doom(r->master, "no Sentinel names it");
}

/* --- a Cluster ------------------------------------------------------------------------------ */

static bool in_use(const struct redis *r, size_t index)
{
    const struct redis_node *node = r->nodes[index];

    if (node->state != REDIS_CLOSED || node->waiting.first || node->sent.first || node->put_off)
        return true;
    for (size_t slot = 0; slot < REDIS_SLOTS; slot++)
        if (r->map[slot] == index)
            return true;
    return false;
}

/* Room for one more, maybe that of one which nobody needs any more. NO_NODE: none. */
static size_t take_room(struct redis *r)
{
    if (r->nodes_n < NODES_MAX) {
        struct redis_node *node = malloc(sizeof *node);
        if (!node)
            return NO_NODE;
        redis_node_init(node, r->w, r->conf);
        r->nodes[r->nodes_n] = node;
        return r->nodes_n++;
    }
    for (size_t i = r->seeds_n; i < r->nodes_n; i++)
        if (!in_use(r, i))
            return i;
    return NO_NODE;
}

static const struct redis_node_ops node_ops;

/* The node at that place; `from` said so. NO_NODE: no room for it. */
static size_t node_at(struct redis *r, const struct redis_node *from,
                      const struct redis_place *place)
{
    struct slice host = place->host.n ? place->host : slice_of(from->host, strlen(from->host));

    for (size_t i = 0; i < r->nodes_n; i++)
        if (r->nodes[i]->port == place->port &&
            slice_equal_nocase(slice_of(r->nodes[i]->host, strlen(r->nodes[i]->host)), host))
            return i;
    size_t i = take_room(r);
    if (i == NO_NODE)
        return NO_NODE;
    r->nodes[i]->ops = &node_ops;
    r->nodes[i]->owner = r;
    r->nodes[i]->greeting = REDIS_GREET_SLOTS;
    redis_node_place(r->nodes[i], host, place->port, NULL);
    r->nodes[i]->down_since = 0;
    return i;
}

static const char *read_map(struct redis *r, const struct redis_node *from,
                            const struct redis_reply *reply)
{
    size_t told = 0;
    struct redis_range range;

    if (reply->kind != REDIS_LIST)
        return "it is no node of a Cluster";
    for (size_t i = 0; i < reply->n; i++) {
        if (!redis_answer_range(reply, i, &range))
            continue;
        told += range.to - range.from + 1;
        size_t node = told <= REDIS_SLOTS ? node_at(r, from, &range.place) : NO_NODE;
        if (node == NO_NODE)
            return "its map of slots makes no sense";
        for (unsigned slot = range.from; slot <= range.to; slot++)
            r->map[slot] = (uint16_t)node;
    }
    return NULL;
}

/* Asks somebody other than `but` for the map. */
static void refresh(struct redis *r, const struct redis_node *but)
{
    const struct slice words[] = { SLICE("CLUSTER"), SLICE("SLOTS") };
    int64_t now = r->w->loop.now.ms;

    if (now < r->refresh_at)
        return;
    r->refresh_at = now + REFRESH_MS;
    for (size_t i = 0; i < r->nodes_n; i++) {
        struct redis_node *node = r->nodes[i];
        if (node == but || node->state != REDIS_OPEN || !redis_node_ready(node))
            continue;
        struct redis_question *q = make_question(words, 2, NULL);
        if (!q)
            return;
        q->due = now + r->conf->timeout;
        redis_node_ask(node, q);
        return;
    }
    for (size_t i = 0; i < r->nodes_n; i++) /* what it says first is the map */
        if (r->nodes[i] != but && r->nodes[i]->state == REDIS_CLOSED &&
            now >= r->nodes[i]->retry_at)
            redis_node_wake(r->nodes[i]);
}

static struct redis_node *node_of_slot(struct redis *r, unsigned slot)
{
    if (r->map[slot] != NO_NODE) {
        struct redis_node *node = r->nodes[r->map[slot]];
        if (redis_node_ready(node))
            return node;
        refresh(r, node);
        return NULL;
    }
    for (size_t i = 0; i < r->seeds_n; i++)
        if (redis_node_ready(r->nodes[i]))
            return r->nodes[i];
    return NULL;
}

/* False: the question is still to be finished. */
static bool redirect(struct redis_node *from, struct redis_question *q,
                     const struct redis_reply *reply, bool moved)
{
    struct redis *r = of(from);
    struct redis_place place;
    unsigned slot;

    if (!r->map || q->redirections++ >= r->conf->cluster_max_redirections ||
        !redis_answer_redirection(reply, &slot, &place) || slot != q->slot)
        return false;
    size_t node = node_at(r, from, &place);
    if (node == NO_NODE)
        return false;
    if (moved)
        r->map[slot] = (uint16_t)node;
    if (!redis_node_ready(r->nodes[node]))
        return false;
    q->asking = !moved;
    redis_node_ask(r->nodes[node], q);
    return true;
}

static void ask_again(struct timer *timer)
{
    struct redis *r = (struct redis *)((char *)timer - offsetof(struct redis, timer));
    struct redis_question *q = r->again, *next;

    r->again = NULL;
    for (; q; q = next) {
        struct redis_node *node = q->done ? node_of_slot(r, q->slot) : NULL;
        next = q->next;
        if (node)
            redis_node_ask(node, q);
        else
            finish(r, q, NULL);
    }
}

/* False: there is no time left. */
static bool put_off(struct redis *r, struct redis_question *q)
{
    int64_t now = r->w->loop.now.ms;

    if (!r->map || now + AGAIN_MS >= q->due)
        return false;
    if (!r->again)
        timer_set(&r->w->loop.timers, &r->timer, now + AGAIN_MS, ask_again);
    q->redirections = 0;
    q->next = r->again;
    r->again = q;
    return true;
}

/* --- what nodes tell ------------------------------------------------------------------------ */

static void lost(struct redis_node *node)
{
    if (node == of(node)->master && of(node)->nodes_n)
        look_for_master(of(node));
}

static const char *greeted(struct redis_node *node, const struct redis_reply *reply)
{
    struct redis *r = of(node);

    switch (node->greeting) {
    case REDIS_GREET_MASTER:
        return named(r, node, reply);
    case REDIS_GREET_SLOTS:
        return read_map(r, node, reply);
    case REDIS_GREET_ROLE:
        return redis_answer_is_master(reply) ? NULL : "it is no master any more";
    case REDIS_GREET_PING:
        break;
    }
    return NULL; /* whatever it said, it can talk; it may not be allowed to be asked that */
}

static void answered(struct redis_node *node, struct redis_question *q,
                     const struct redis_reply *reply)
{
    char text[REDIS_TEXT_ROOM], why[REDIS_TEXT_ROOM + 32];
    enum redis_error error = reply ? redis_answer_error(reply) : REDIS_ERROR_NONE;

    if (reply && !q->script) {
        if (error == REDIS_ERROR_NONE)
            (void)read_map(of(node), node, reply);
    } else if (error == REDIS_ERROR_NOSCRIPT && !q->whole) {
        q->whole = true;
        redis_node_ask(node, q);
        return;
    } else if (error == REDIS_ERROR_MOVED || error == REDIS_ERROR_ASK) {
        if (redirect(node, q, reply, error == REDIS_ERROR_MOVED))
            return;
    } else if (error == REDIS_ERROR_AGAIN && put_off(of(node), q)) {
        return;
    }
    if (error == REDIS_ERROR_LOST) {
        snprintf(why, sizeof why, "it cannot count: %s", redis_answer_text(reply, text));
        redis_node_doom(node, why);
    } else if (error != REDIS_ERROR_NONE) {
        log_rarely(LOG_LEVEL_ERROR, "redis %s did not count: %s", node->text,
                   redis_answer_text(reply, text));
    }
    finish(of(node), q, error == REDIS_ERROR_NONE ? reply : NULL);
}

static void failed(struct redis_node *node)
{
    struct redis *r = of(node);

    if (r->map)
        refresh(r, node);
    else if (node != r->master)
        sentinel_failed(r);
    else if (r->nodes_n)
        lose_master(r);
}

static const struct redis_node_ops node_ops = { lost, greeted, answered, failed };

/* --- clients -------------------------------------------------------------------------------- */

static struct redis_node *make_node(struct redis *r, const struct conf_redis_node *from,
                                    enum redis_greeting greeting)
{
    struct redis_node *node = malloc(sizeof *node);

    if (!node)
        return NULL;
    redis_node_init(node, r->w, r->conf);
    node->ops = &node_ops;
    node->owner = r;
    node->greeting = greeting;
    if (from)
        redis_node_place(node, slice_of(from->host.s, from->host.n), from->port, from->place);
    return node;
}

static bool make_nodes(struct redis *r)
{
    const struct conf_redis *c = r->conf;
    bool cluster = c->mode == CONF_REDIS_CLUSTER;
    size_t room = cluster ? NODES_MAX : c->nodes_n;

    r->nodes = calloc(room, sizeof *r->nodes);
    r->map = cluster ? malloc(REDIS_SLOTS * sizeof *r->map) : NULL;
    if (!r->nodes || (cluster && !r->map))
        return false;
    for (size_t i = 0; cluster && i < REDIS_SLOTS; i++)
        r->map[i] = NO_NODE;
    for (; r->nodes_n < c->nodes_n && r->nodes_n < room; r->nodes_n++) {
        r->nodes[r->nodes_n] =
            make_node(r, &c->nodes[r->nodes_n], cluster ? REDIS_GREET_SLOTS : REDIS_GREET_MASTER);
        if (!r->nodes[r->nodes_n])
            return false;
    }
    r->seeds_n = r->nodes_n;
    return true;
}

static bool make_servers(struct redis *r)
{
    const struct conf_redis *c = r->conf;

    if (c->mode == CONF_REDIS_SINGLE)
        return (r->master = make_node(r, &c->nodes[0], REDIS_GREET_PING)) != NULL;
    if (!make_nodes(r))
        return false;
    if (c->mode == CONF_REDIS_CLUSTER)
        return true;
    r->master = make_node(r, NULL, REDIS_GREET_ROLE);
    if (r->master)
        lose_master(r);
    return r->master != NULL;
}

static bool make_scripts(struct redis *r)
{
    unsigned char digest[20];

    for (int i = 0; i < REDIS_SCRIPTS; i++) {
        struct redis_script *script = &r->scripts[i];
        script->text = slice_of(redis_script_texts[i], strlen(redis_script_texts[i]));
        if (!EVP_Digest(script->text.p, script->text.n, digest, NULL, EVP_sha1(), NULL))
            return false;
        for (int k = 0; k < 20; k++)
            snprintf(script->sha + 2 * k, 3, "%02x", digest[k]);
    }
    return true;
}

static void free_redis(struct redis *r)
{
    for (size_t i = 0; i < r->nodes_n; i++)
        free(r->nodes[i]);
    free(r->nodes);
    free(r->map);
    free(r->master);
    free(r);
}

struct redis *redis_of(struct worker *w, const struct conf_redis *conf)
{
    for (struct redis *r = w->redis; r; r = r->next)
        if (r->conf == conf)
            return r;
    struct redis *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->w = w;
    r->conf = conf;
    if (!make_scripts(r) || !make_servers(r)) {
        free_redis(r);
        return NULL;
    }
    r->next = w->redis;
    w->redis = r;
    return r;
}

/* The node to be asked about these keys; NULL: none is known to answer now. */
static struct redis_node *node_for(struct redis *r, const struct redis_command *command)
{
    struct redis_node *node = r->master;

    if (r->map)
        node = node_of_slot(r, redis_answer_slot(command->keys[0]));
    else if (!redis_node_ready(node))
        node = NULL;
    if (!node)
        stats_add(&r->w->stats->redis_failures, 1);
    return node;
}

static struct redis_question *pose(struct redis *r, struct redis_node *node,
                                   const struct redis_command *command,
                                   void (*done)(void *owner, const struct redis_reply *reply),
                                   void *owner)
{
    char count[16];
    struct slice keys_n = { count, 0 };

    keys_n.n = (size_t)snprintf(count, sizeof count, "%zu", command->keys_n);
    struct redis_question *q = make_question(&keys_n, 1, command);
    if (!q)
        return NULL;
    q->script = &r->scripts[command->script];
    q->slot = r->map ? redis_answer_slot(command->keys[0]) : 0;
    q->done = done;
    q->owner = owner;
    q->due = r->w->loop.now.ms + r->conf->timeout;
    stats_add(&r->w->stats->redis_questions, 1);
    redis_node_ask(node, q);
    return q;
}

struct redis_question *redis_ask(struct redis *r, const struct redis_command *command,
                                 void (*done)(void *owner, const struct redis_reply *reply),
                                 void *owner)
{
    struct redis_node *node = node_for(r, command);

    return node ? pose(r, node, command, done, owner) : NULL;
}

void redis_forget(struct redis_question *q)
{
    q->done = NULL;
}

static void told(void *owner, const struct redis_reply *reply)
{
    struct redis *r = owner;

    (void)reply; /* one that did not come was counted as a failure */
    r->w->redis_told--;
}

bool redis_tell(struct redis *r, const struct redis_command *command)
{
    struct redis_node *node = node_for(r, command);

    if (!node || !pose(r, node, command, told, r))
        return false;
    r->w->redis_told++;
    redis_node_hurry(node);
    return true;
}

static void report(const struct redis_node *node, uint64_t *open, uint64_t *down)
{
    *open += node->state == REDIS_OPEN;
    *down += node->down_since != 0;
}

void redis_report(struct worker *w)
{
    uint64_t open = 0, down = 0;

    for (const struct redis *r = w->redis; r; r = r->next) {
        for (size_t i = 0; i < r->nodes_n; i++)
            report(r->nodes[i], &open, &down);
        if (r->master)
            report(r->master, &open, &down);
    }
    __atomic_store_n(&w->stats->redis_connections, open, __ATOMIC_RELAXED);
    __atomic_store_n(&w->stats->redis_down, down, __ATOMIC_RELAXED);
}
