/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What plugins ask services about, and remember in common (shm/tokens.h): equal questions of all
 * requests, in all workers, are asked once. A plugin looks first whether the answer is known, then
 * asks and waits (stream_await), and takes the answer when it is called again. Questions and
 * answers are the plugin's own; what is kept is the text that it makes of an answer.
 */
#ifndef WORKER_INQUIRY_H
#define WORKER_INQUIRY_H

#include "worker/stream.h"

struct worker;

enum { INQUIRY_ID = 32, INQUIRY_TEXT = 8192 };

struct inquiry_field {
    struct slice name, value;
};

struct inquiry_question {
    const struct conf_service *service;
    struct slice path, query; /* query absent: none */
    struct slice body;        /* sent by POST; empty: GET */
    const struct inquiry_field *fields;
    size_t fields_n;
    int timeout;       /* ms, all in all */
    size_t answer_max; /* bytes of an answer's body; a longer one is none */
};

struct inquiry_answer {
    char text[INQUIRY_TEXT]; /* what is made of it; of more than TOKENS_TEXT bytes only those know
                                who ask at the moment */
    size_t n;
    int64_t until; /* ms since 1970 */
    bool refusal;  /* others are worth more, where there is no room for all */
};

/* What is asked, and how its answer is read: pure, for whoever asks at that time. False: it cannot
 * be used. `now`: ms since 1970. */
struct inquiry {
    uint8_t id[INQUIRY_ID]; /* inquiry_id() of all that the answer depends on */
    struct inquiry_question question;
    bool (*read)(const void *config, int status, struct slice body, int64_t now,
                 struct inquiry_answer *out);
    const void *config;
};

enum inquiry_result {
    INQUIRY_KNOWN,
    INQUIRY_WAIT,   /* stream_await() has been said: the plugin returns STAGE_WAIT */
    INQUIRY_FAILED, /* no answer, or none that can be used */
};

/* A digest under a key that no client knows, and that stays with the shared memory. False: none can
 * be made. */
bool inquiry_id(struct stream *s, const struct slice *parts, size_t n, uint8_t id[INQUIRY_ID]);

/* What is known of it now, in the stream's arena. */
bool inquiry_find(struct stream *s, const uint8_t id[INQUIRY_ID], struct slice *text);

/* Asks, or waits for others who do. `inquiry` is copied. */
enum inquiry_result inquiry_ask(struct stream *s, const struct inquiry *inquiry,
                                struct slice *text);
/* For a stream that waits: what has come of it. The text is in the stream's arena. Not WAIT: it
 * waits no more. */
enum inquiry_result inquiry_take(struct stream *s, struct slice *text);

/* The worker: at start (false: no memory), and when its bell has rung. */
bool inquiry_open(struct worker *w);
void inquiry_heard(struct worker *w);

#endif
