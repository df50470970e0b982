/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of peers: in the order of the file, one peer an address, rows in shared memory; what stays
 * is the same object over a renewal, what went lives until the last who holds it lets go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/base/answer.h"
#include "worker/base/peers.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TARGETS = 40 };

struct site {
    struct heritage heritage;
    struct conf conf;
    struct conf_upstream upstreams[2];
    struct conf_target targets[TARGETS];
    struct conf_address places[TARGETS];
    char texts[TARGETS][32];
    struct peers peers;
    unsigned gone, changed;
    const struct peer *last_gone;
};

static void note_gone(void *owner, struct peer *peer)
{
    struct site *s = owner;
    s->gone++;
    s->last_gone = peer;
    assert_int_equal(peer->at, PEERS_GONE);
}

static void note_changed(void *owner, const struct peer_set *set)
{
    struct site *s = owner;
    s->changed++;
    for (size_t i = 0; i < set->n; i++)
        assert_int_equal(set->v[i]->at, i);
}

static void set_target(struct site *s, int i, int port, int weight)
{
    snprintf(s->texts[i], sizeof s->texts[i], "127.0.0.1:%d", port);
    s->places[i].text = (struct conf_text){ s->texts[i], strlen(s->texts[i]) };
    s->targets[i] = (struct conf_target){
        .target = s->places[i].text, .weight = weight, .places = &s->places[i], .places_n = 1
    };
}

static struct site *site_make(int targets)
{
    static const struct peers_ops ops = { note_gone, note_changed };
    struct site *s = calloc(1, sizeof *s);
    assert_non_null(s);
    assert_true(health_make(&s->heritage.health, 64, 4) && roster_make(&s->heritage.roster));
    for (int i = 0; i < targets; i++)
        set_target(s, i, 9000 + i, 100 - i);
    s->upstreams[0] = (struct conf_upstream){ .name = { "orders", 6 },
                                              .id = { "0a-1b", 5 },
                                              .targets = s->targets,
                                              .targets_n = (size_t)targets };
    s->upstreams[1] =
        (struct conf_upstream){ .name = { "empty", 5 }, .id = { "0a-1c", 5 }, .index = 1 };
    s->conf = (struct conf){ .upstreams = s->upstreams, .upstreams_n = 2 };
    s->heritage.conf = &s->conf;
    s->heritage.slot = 2;
    assert_true(peers_open(&s->peers, &s->heritage, &ops, s));
    return s;
}

static void site_free(struct site *s)
{
    peers_close(&s->peers);
    region_drop(&s->heritage.health);
    region_drop(&s->heritage.roster);
    free(s);
}

static void answer(struct site *s, uint32_t srv, const struct answer_place *places, uint32_t n)
{
    static struct answer a, before;
    struct conf_text name = { "web.example", 11 };
    bool known = answer_read(&s->heritage.roster, name, &before, NULL);
    memset(&a, 0, sizeof a);
    strcpy(a.name, name.s);
    a.state = n ? ANSWER_GOOD : ANSWER_EMPTY;
    a.srv = srv;
    a.n = n;
    if (n)
        memcpy(a.places, places, n * sizeof *places);
    assert_true(answer_write(&s->heritage.roster, 1, &a, known ? &before : NULL));
    peers_renew(&s->peers);
}

static struct site *site_with_name(void)
{
    struct site *s = site_make(1);
    peers_close(&s->peers);
    s->targets[1] = (struct conf_target){
        .target = { "web.example:80", 14 }, .host = { "web.example", 11 }, .port = 80, .weight = 50
    };
    s->upstreams[0].targets_n = 2;
    static const struct peers_ops ops = { note_gone, note_changed };
    assert_true(peers_open(&s->peers, &s->heritage, &ops, s));
    return s;
}

#define IP(last)                                                                                   \
    {                                                                                              \
        .ip = { 10, 0, 0, last }                                                                   \
    }

static void names_come_and_go(void **state)
{
    struct site *s = site_with_name();
    const struct conf_upstream *u = &s->upstreams[0];
    (void)state;
    assert_int_equal(peers_of(&s->peers, u)->n, 1);
    assert_int_equal(peers_of(&s->peers, u)->unresolved, 1);
    assert_int_equal(peers_unknown(&s->peers), 1);
    answer(s, 0, (struct answer_place[]){ IP(1), IP(2) }, 2);
    const struct peer_set *set = peers_of(&s->peers, u);
    assert_int_equal(set->n, 3);
    assert_int_equal(set->unresolved, 0);
    assert_int_equal(peers_unknown(&s->peers), 0);
    assert_string_equal(set->v[1]->text.s, "10.0.0.1:80");
    assert_string_equal(set->v[2]->target.s, "web.example:80");
    assert_int_equal(set->v[2]->weight, 50);
    assert_int_equal(ntohs(set->v[2]->address.u.in.sin_port), 80);

    struct peer *stays = set->v[2], *file = set->v[0], *goes = peers_hold(set->v[1]);
    uint64_t version = set->version;
    s->gone = 0;
    answer(s, 0, (struct answer_place[]){ IP(2), IP(3) }, 2);
    set = peers_of(&s->peers, u);
    assert_true(set->version != version);
    assert_ptr_equal(set->v[0], file);
    assert_ptr_equal(set->v[1], stays);
    assert_int_equal(stays->at, 1);
    assert_int_equal(s->gone, 1);
    assert_ptr_equal(s->last_gone, goes);
    assert_string_equal(goes->text.s, "10.0.0.1:80"); /* held: a request is under way */
    assert_int_equal(goes->refs, 1);
    peers_let_go(&goes);

    answer(s, 0, NULL, 0);
    assert_int_equal(peers_of(&s->peers, u)->n, 1);
    assert_int_equal(peers_of(&s->peers, u)->unresolved, 1);
    assert_int_equal(peers_unknown(&s->peers), 0); /* it was asked for */
    site_free(s);
}

static void srv_records_have_ports_weights_and_tiers(void **state)
{
    struct site *s = site_with_name();
    (void)state;
    answer(s, 1,
           (struct answer_place[]){
               { .ip = { 10, 0, 0, 1 }, .port = 81, .priority = 1, .weight = 7 },
               { .ip = { 10, 0, 0, 2 }, .port = 82, .priority = 1 },
               { .ip = { 10, 0, 0, 1 }, .port = 83, .priority = 9, .weight = 8 } },
           3);
    const struct peer_set *set = peers_of(&s->peers, &s->upstreams[0]);
    assert_int_equal(set->n, 4);
    assert_string_equal(set->v[1]->text.s, "10.0.0.1:81");
    assert_int_equal(set->v[1]->weight, 3); /* half: the target's weight is 50 */
    assert_int_equal(set->v[2]->weight, 1);
    assert_int_equal(set->v[3]->weight, 4);
    assert_int_equal(set->v[1]->tier, 0);
    assert_int_equal(set->v[2]->tier, 0);
    assert_int_equal(set->v[3]->tier, 1);
    site_free(s);
}

static void the_file_alone(void **state)
{
    struct site *s = site_make(3);
    const struct peer_set *set = peers_of(&s->peers, &s->upstreams[0]);
    (void)state;
    assert_int_equal(set->n, 3);
    assert_non_null(set->row);
    assert_int_equal(peers_of(&s->peers, &s->upstreams[1])->n, 0);
    assert_int_equal(s->changed, 2);
    for (uint32_t i = 0; i < 3; i++) {
        const struct peer *p = set->v[i];
        assert_int_equal(p->at, i);
        assert_int_equal(p->weight, 100 - (int)i);
        assert_string_equal(p->text.s, s->texts[i]);
        assert_string_equal(p->target.s, s->texts[i]);
        assert_ptr_equal(p->upstream, &s->upstreams[0]);
        assert_ptr_equal(p->row, health_peer(&s->heritage.health, p->identity));
        assert_non_null(p->in_flight);
        char name[64];
        snprintf(name, sizeof name, "orders/%s", s->texts[i]);
        assert_string_equal(p->row->name, name);
    }
    assert_false(peers_stale(&s->peers));
    site_free(s);
}

static void one_address_is_one_peer(void **state)
{
    struct site *s = site_make(3);
    (void)state;
    site_free(s);
    s = calloc(1, sizeof *s);
    assert_true(health_make(&s->heritage.health, 64, 4) && roster_make(&s->heritage.roster));
    set_target(s, 0, 9000, 10);
    set_target(s, 1, 9001, 20);
    set_target(s, 2, 9000, 30);
    s->targets[0].max_connections = 4;
    s->targets[0].backup = true;
    s->targets[1].backup = true;
    s->targets[2].max_connections = 5;
    s->upstreams[0] = (struct conf_upstream){
        .name = { "orders", 6 }, .id = { "0a", 2 }, .targets = s->targets, .targets_n = 3
    };
    s->conf = (struct conf){ .upstreams = s->upstreams, .upstreams_n = 1 };
    s->heritage.conf = &s->conf;
    assert_true(peers_open(&s->peers, &s->heritage, NULL, NULL));
    const struct peer_set *set = peers_of(&s->peers, &s->upstreams[0]);
    assert_int_equal(set->n, 2);
    assert_int_equal(set->v[0]->weight, 40);
    assert_int_equal(set->v[0]->max_connections, 9);
    assert_int_equal(set->v[0]->tier, 0);
    assert_int_equal(set->v[1]->weight, 20);
    assert_true(set->v[1]->tier > 0);
    site_free(s);
}

static void an_epoch_without_news_changes_no_set(void **state)
{
    struct site *s = site_make(3);
    const struct peer_set *set = peers_of(&s->peers, &s->upstreams[0]);
    (void)state;
    roster_put(&s->heritage.roster, 1, 77, "x", 1, ROSTER_LOUD);
    assert_true(peers_stale(&s->peers));
    peers_renew(&s->peers);
    assert_false(peers_stale(&s->peers));
    assert_ptr_equal(peers_of(&s->peers, &s->upstreams[0]), set);
    assert_int_equal(s->changed, 2);
    site_free(s);
}

static void counters_reach_the_row(void **state)
{
    struct site *s = site_make(2);
    struct peer *p = peers_of(&s->peers, &s->upstreams[0])->v[1];
    (void)state;
    p->requests = 5;
    p->failures = 1;
    peers_tell(&s->peers, (int64_t)HEALTH_ERA_MS * 40);
    assert_int_equal(atomic_load(&p->row->requests), 5);
    assert_int_equal(atomic_load(&p->row->failures), 1);
    assert_int_equal(p->requests, 0);
    assert_int_equal(atomic_load(&p->row->era), 41);
    p->connects = 2;
    struct health_peer_shm *row = p->row;
    peers_close(&s->peers); /* lets go of it: what was counted is told */
    assert_int_equal(atomic_load(&row->connects), 2);
    site_free(s);
}

static void a_full_zone_is_survived(void **state)
{
    struct site *s = site_make(3);
    (void)state;
    peers_close(&s->peers);
    region_drop(&s->heritage.health);
    assert_true(health_make(&s->heritage.health, 1, 1));
    for (uint64_t i = 1; health_claim_peer(&s->heritage.health, i, "x", 1); i++)
        atomic_store(health_in_flight(&s->heritage.health, health_peer(&s->heritage.health, i), 0),
                     1);
    assert_true(peers_open(&s->peers, &s->heritage, NULL, NULL));
    const struct peer_set *set = peers_of(&s->peers, &s->upstreams[0]);
    assert_int_equal(set->n, 3);
    assert_null(set->v[0]->row);
    assert_null(set->v[0]->in_flight);
    site_free(s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_alone),
        cmocka_unit_test(one_address_is_one_peer),
        cmocka_unit_test(an_epoch_without_news_changes_no_set),
        cmocka_unit_test(names_come_and_go),
        cmocka_unit_test(srv_records_have_ports_weights_and_tiers),
        cmocka_unit_test(counters_reach_the_row),
        cmocka_unit_test(a_full_zone_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
