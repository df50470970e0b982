/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream without a connection, for tests of plugins: worker/stream.h over plain members,
 * credentials included. One request at a time: fake_request(), run a plugin, look at what it left.
 */
#ifndef TESTS_FAKE_STREAM_H
#define TESTS_FAKE_STREAM_H

#include "worker/base/encoder.h"
#include "worker/base/keyring.h"
#include "worker/base/memo.h"
#include "worker/base/verified.h"
#include "worker/body/body_filter_whole.h"
#include "worker/stream.h"

enum { FAKE_CREDENTIALS = 16, FAKE_FIELDS = 8 };

struct conf_credentials {
    const struct conf_key *keys[FAKE_CREDENTIALS];
    const struct conf_jwt_secret *secrets[FAKE_CREDENTIALS];
    const struct conf_basic *basics[FAKE_CREDENTIALS];
    const struct conf_hmac *hmacs[FAKE_CREDENTIALS];
    const struct conf_consumer *consumers[FAKE_CREDENTIALS];
    size_t consumers_n;
    size_t keys_n, secrets_n, basics_n, hmacs_n;
};

struct stream {
    struct request request;
    struct head head;
    struct arena arena;
    char text[16384]; /* the request as text: what slices point into */
    struct conf_route route;
    struct conf_service service;
    struct conf_credentials credentials;
    int64_t now_ms;
    uint64_t counter;
    struct limits *limits;                    /* a test's own */
    struct extra_field answered[FAKE_FIELDS]; /* what the upstream said; a test's own */
    bool from_upstream;
    uint32_t seats; /* so many are free */
    struct memo memo;
    struct keyring keyring; /* a test's own */
    struct verified verified;
    int64_t monotonic_ms;
    int64_t slept; /* ms, of the last nap; 0: none */
    struct encoders encoders;
    struct stream_wait *wait; /* what a plugin waits for */
    struct slice captures[2]; /* 1 is called "id" */
    /* what a plugin left */
    const void *noted, *noted_for; /* note_keep() */
    const struct conf_consumer *consumer;
    struct slice credential;
    bool anonymous, authenticated;
    struct extra_field *response;
    bool range_ignored;
    const struct body_filter_ops *filter; /* body_filter_add(), and what goes with it */
    void *filter_state;
    const struct body_filter_whole *whole; /* body_filter_whole_add() */
    const void *whole_config;
    uint64_t whole_limit;
    uint64_t seat_scope;
    struct slice seat_of;
    uint32_t seat_limit;
    uint64_t body_limit;
    const char *body_message;
    const struct body_edit *body_edit;
    struct body_watch *body_watch; /* to be dropped by the test */
    int status;                    /* 0: no answer was made */
    struct slice message, body, content_type;
};

/* Clears what earlier requests left, keeps credentials, and parses "GET /path?query" and header
 * lines, each ended by \n. */
void fake_request(struct stream *s, const char *text);
void fake_free(struct stream *s);

struct conf_text fake_text(const char *s);
/* NULL: nothing of that name was set; {NULL, 0} inside: it was dropped. */
const struct slice *fake_upstream(const struct stream *s, const char *name);
const struct slice *fake_response(const struct stream *s, const char *name);

#endif
