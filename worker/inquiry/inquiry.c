/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker has one affair for each thing that is being asked about, and the streams that wait stand
 * in its line. Either the worker asks itself, and then the question goes its way whoever leaves, as
 * other workers may wait for it; or another worker does, and then the bell tells when to look. Who
 * finds that nobody asks any more, since the other one died, asks in its place.
 *
 * What is asked about is a secret: copies are wiped when the affair ends.
 */
#include "worker/inquiry/inquiry.h"

#include "shm/assert.h"
#include "shm/tokens.h"
#include "worker/base/log.h"
#include "worker/inquiry/question.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

enum { AFFAIRS_MAX = 4096, AFFAIRS_BUCKETS = 256, TAKES_MAX = 4 };

_Static_assert((int)INQUIRY_ID == (int)TOKENS_ID, "one digest");

struct affair {
    struct affair *next; /* in its bucket */
    struct worker *w;
    struct inquiry inquiry; /* slices are in the arena */
    struct arena arena;
    struct tokens_ticket ticket;
    struct timer timer;
    struct asker *first;
    bool elsewhere; /* another process asks */
};

struct asker { /* in the stream's arena */
    struct stream_wait wait;
    struct stream *s;
    struct affair *affair; /* NULL: over */
    struct asker *prev, *next;
    enum inquiry_result result;
    struct slice text;
};

struct inquiries {
    struct affair *buckets[AFFAIRS_BUCKETS];
    size_t n, elsewhere;
    struct tokens *tokens;
    EVP_MAC_CTX *mac;
};

/* --- the worker ----------------------------------------------------------------------------- */

static void ring(void *arg, uint32_t slot)
{
    struct worker *w = arg;

    if (slot != w->heritage->slot)
        bells_ring(&w->heritage->bells, slot);
}

static EVP_MAC_CTX *make_mac(const uint8_t *key)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *made = mac ? EVP_MAC_CTX_new(mac) : NULL;

    EVP_MAC_free(mac);
    if (made && EVP_MAC_init(made, key, TOKENS_SECRET, params) != 1) {
        EVP_MAC_CTX_free(made);
        made = NULL;
    }
    return made;
}

bool inquiry_open(struct worker *w)
{
    struct inquiries *q = w->inquiries = calloc(1, sizeof *q);

    if (!q)
        return false;
    q->tokens = tokens_attach(&w->heritage->tokens, w->heritage->slot, ring, w);
    if (q->tokens)
        q->mac = make_mac(tokens_secret(q->tokens));
    return q->mac != NULL;
}

/* --- what is known -------------------------------------------------------------------------- */

/* Each part with its length before it, so that no two lists of parts read the same. */
bool inquiry_id(struct stream *s, const struct slice *parts, size_t n, uint8_t id[INQUIRY_ID])
{
    EVP_MAC_CTX *mac = s->w->inquiries->mac;
    bool fine = EVP_MAC_init(mac, NULL, 0, NULL) == 1;
    size_t got = 0;

    for (size_t i = 0; fine && i < n; i++) {
        uint64_t length = parts[i].n;
        fine = EVP_MAC_update(mac, (const unsigned char *)&length, sizeof length) == 1 &&
               (length == 0 ||
                EVP_MAC_update(mac, (const unsigned char *)parts[i].p, parts[i].n) == 1);
    }
    return fine && EVP_MAC_final(mac, id, &got, INQUIRY_ID) == 1 && got == INQUIRY_ID;
}

bool inquiry_find(struct stream *s, const uint8_t id[INQUIRY_ID], struct slice *text)
{
    struct worker *w = s->w;
    size_t n;

    if (!tokens_find(w->inquiries->tokens, id, w->loop.now.real_ms, w->scratch, &n))
        return false;
    *text = arena_copy(&s->arena, slice_of(w->scratch, n));
    if (text->p)
        stats_add(&w->stats->inquiry_remembered, 1);
    return text->p != NULL;
}

/* --- affairs -------------------------------------------------------------------------------- */

static struct affair **bucket_of(struct inquiries *q, const uint8_t *id)
{
    return &q->buckets[id[0] % AFFAIRS_BUCKETS];
}

static struct affair *find(struct inquiries *q, const uint8_t *id)
{
    struct affair *a = *bucket_of(q, id);

    while (a && memcmp(a->inquiry.id, id, INQUIRY_ID) != 0)
        a = a->next;
    return a;
}

static void unlink_affair(struct affair *a)
{
    struct inquiries *q = a->w->inquiries;
    struct affair **at = bucket_of(q, a->inquiry.id);

    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    q->n--;
    q->elsewhere -= a->elsewhere;
}

static void wipe(struct slice text)
{
    if (text.n)
        OPENSSL_cleanse((char *)(uintptr_t)text.p, text.n);
}

static void free_affair(struct affair *a)
{
    struct inquiry_question *q = &a->inquiry.question;

    timer_drop(&a->w->loop.timers, &a->timer);
    wipe(q->body);
    for (size_t i = 0; i < q->fields_n; i++)
        wipe(q->fields[i].value);
    arena_reset(&a->arena);
    free(a);
}

static bool copy_text(struct affair *a, struct slice *text)
{
    if (text->p)
        *text = arena_copy(&a->arena, *text);
    else
        return true;
    return text->p != NULL;
}

/* *text stays the caller's where there was no memory: nothing of it may be wiped. */
static bool copy_question(struct affair *a, const struct inquiry_question *from)
{
    struct inquiry_question *to = &a->inquiry.question;
    struct inquiry_field *fields = arena_take(&a->arena, from->fields_n * sizeof *fields + 1);

    *to = (struct inquiry_question){ .service = from->service,
                                     .path = from->path,
                                     .query = from->query,
                                     .timeout = from->timeout,
                                     .answer_max = from->answer_max };
    if (!fields || !copy_text(a, &to->path) || !copy_text(a, &to->query))
        return false;
    to->fields = fields;
    for (size_t i = 0; i < from->fields_n; i++) {
        fields[i] = from->fields[i];
        if (!copy_text(a, &fields[i].name) || !copy_text(a, &fields[i].value))
            return false;
        to->fields_n++;
    }
    to->body = arena_copy(&a->arena, from->body);
    return to->body.p || from->body.n == 0;
}

static struct affair *make(struct worker *w, const struct inquiry *inquiry)
{
    struct inquiries *q = w->inquiries;
    struct affair *a = q->n < AFFAIRS_MAX ? calloc(1, sizeof *a) : NULL;

    if (!a)
        return NULL;
    a->w = w;
    a->inquiry = *inquiry;
    arena_init(&a->arena, NULL, 0);
    if (!copy_question(a, &inquiry->question)) {
        free_affair(a);
        return NULL;
    }
    struct affair **bucket = bucket_of(q, inquiry->id);
    a->next = *bucket;
    *bucket = a;
    q->n++;
    return a;
}

/* --- who waits ------------------------------------------------------------------------------ */

static void leave(struct asker *k)
{
    if (k->next)
        k->next->prev = k->prev;
    if (k->prev)
        k->prev->next = k->next;
    else
        k->affair->first = k->next;
    k->affair = NULL;
}

/* The stream dies. Nobody here needs what another process asks for; what this one asks, others may
 * wait for. */
static void cancel(struct stream_wait *wait)
{
    struct asker *k = (struct asker *)wait;
    struct affair *a = k->affair;

    if (!a)
        return;
    leave(k);
    if (a->first || !a->elsewhere)
        return;
    unlink_affair(a);
    free_affair(a);
}

static enum inquiry_result join(struct stream *s, struct affair *a)
{
    struct asker *k = arena_take(&s->arena, sizeof *k);

    if (!k)
        return INQUIRY_FAILED;
    *k = (struct asker){ .wait.cancel = cancel, .s = s, .affair = a, .next = a->first };
    if (k->next)
        k->next->prev = k;
    a->first = k;
    (void)stream_await(s, &k->wait);
    return INQUIRY_WAIT;
}

/* It is over: all who wait are told. What they do next may be to ask again: a new affair. */
static void finish(struct affair *a, enum inquiry_result result, struct slice text)
{
    unlink_affair(a);
    a->elsewhere = false;
    while (a->first) {
        struct asker *k = a->first;
        leave(k);
        k->result = result;
        if (result == INQUIRY_KNOWN)
            k->text = arena_copy(&k->s->arena, text);
        if (result == INQUIRY_KNOWN && !k->text.p)
            k->result = INQUIRY_FAILED;
        stream_wake(k->s);
    }
    free_affair(a);
}

/* --- asking --------------------------------------------------------------------------------- */

static void answered(void *arg, const struct question_answer *answer)
{
    struct affair *a = arg;
    struct worker *w = a->w;
    const char *name = a->inquiry.question.service->name.s;
    struct inquiry_answer out;
    int64_t now = w->loop.now.real_ms;

    out.n = 0;
    if (answer->status == 0) {
        log_rarely(LOG_LEVEL_WARN, "%s: no answer to a question: %s", name, answer->cause);
    } else if (a->inquiry.read(a->inquiry.config, answer->status, answer->body, now, &out)) {
        struct tokens_answer told = { out.text, out.n, out.until, out.refusal };
        tokens_tell(w->inquiries->tokens, &a->ticket, &told, now);
        stats_add(&w->stats->inquiry_refusals, out.refusal);
        finish(a, INQUIRY_KNOWN, slice_of(out.text, out.n));
        OPENSSL_cleanse(out.text, out.n);
        return;
    } else {
        log_rarely(LOG_LEVEL_WARN, "%s: an answer that cannot be used, status %d", name,
                   answer->status);
    }
    stats_add(&w->stats->inquiry_failures, 1);
    tokens_fail(w->inquiries->tokens, &a->ticket);
    finish(a, INQUIRY_FAILED, slice_of(NULL, 0));
}

/* Under a ticket, or without one where there is no place to tell of it. */
static enum inquiry_result ask(struct affair *a)
{
    if (question_ask(a->w, &a->inquiry.question, answered, a)) {
        stats_add(&a->w->stats->inquiry_questions, 1);
        return INQUIRY_WAIT;
    }
    stats_add(&a->w->stats->inquiry_failures, 1);
    tokens_fail(a->w->inquiries->tokens, &a->ticket);
    return INQUIRY_FAILED;
}

static void expire(struct timer *t);

static void go_elsewhere(struct affair *a)
{
    struct worker *w = a->w;

    if (a->timer.due == 0)
        timer_set(&w->loop.timers, &a->timer, w->loop.now.ms + a->inquiry.question.timeout, expire);
    w->inquiries->elsewhere += !a->elsewhere;
    a->elsewhere = true;
}

/* KNOWN: in worker scratch memory. WAIT: it is asked, here or elsewhere. */
static enum inquiry_result begin(struct affair *a, struct slice *text)
{
    struct worker *w = a->w;
    struct tokens *tokens = w->inquiries->tokens;
    int64_t now = w->loop.now.real_ms;
    size_t n;

    for (int i = 0; i < TAKES_MAX; i++) {
        enum tokens_turn turn = tokens_take(tokens, a->inquiry.id, now, &a->ticket);
        if (turn == TOKENS_WAIT) {
            go_elsewhere(a);
            return INQUIRY_WAIT;
        }
        if (turn == TOKENS_FOUND && !tokens_find(tokens, a->inquiry.id, now, w->scratch, &n))
            continue; /* it has just made room for another */
        w->inquiries->elsewhere -= a->elsewhere;
        a->elsewhere = false;
        if (turn != TOKENS_FOUND)
            return ask(a);
        *text = slice_of(w->scratch, n);
        return INQUIRY_KNOWN;
    }
    return INQUIRY_FAILED;
}

/* Another process was asking; whether it has come to an end. */
static void look(struct affair *a)
{
    struct slice text = { NULL, 0 };
    enum inquiry_result result = INQUIRY_FAILED;

    switch (tokens_look(a->w->inquiries->tokens, &a->ticket)) {
    case TOKENS_PENDING:
        return;
    case TOKENS_ENDED:
        result = begin(a, &text);
        break;
    case TOKENS_FAILED:
        break;
    }
    if (result == INQUIRY_WAIT)
        return;
    text = text.p ? arena_copy(&a->arena, text) : text; /* scratch is the next stream's */
    finish(a, text.p ? result : INQUIRY_FAILED, text);
}

static void expire(struct timer *t)
{
    struct affair *a = (struct affair *)((char *)t - offsetof(struct affair, timer));

    if (a->elsewhere)
        finish(a, INQUIRY_FAILED, slice_of(NULL, 0));
}

static struct affair *with_news(struct inquiries *q, size_t bucket)
{
    struct affair *a = q->buckets[bucket];

    while (a && !(a->elsewhere && tokens_look(q->tokens, &a->ticket) != TOKENS_PENDING))
        a = a->next;
    return a;
}

/* Streams that go on may change any bucket, so that each is looked at anew after one did. */
void inquiry_heard(struct worker *w)
{
    struct inquiries *q = w->inquiries;
    struct affair *a;

    for (size_t i = 0; q->elsewhere && i < AFFAIRS_BUCKETS; i++)
        while ((a = with_news(q, i)))
            look(a);
}

enum inquiry_result inquiry_ask(struct stream *s, const struct inquiry *inquiry, struct slice *text)
{
    struct affair *a = find(s->w->inquiries, inquiry->id);

    if (a)
        return join(s, a);
    a = make(s->w, inquiry);
    if (!a) {
        stats_add(&s->w->stats->inquiry_failures, 1);
        log_rarely(LOG_LEVEL_WARN, "%s: too many questions are under way",
                   inquiry->question.service->name.s);
        return INQUIRY_FAILED;
    }
    enum inquiry_result result = begin(a, text);
    if (result == INQUIRY_WAIT)
        return join(s, a);
    if (result == INQUIRY_KNOWN) {
        *text = arena_copy(&s->arena, *text);
        result = text->p ? INQUIRY_KNOWN : INQUIRY_FAILED;
    }
    unlink_affair(a);
    free_affair(a);
    return result;
}

enum inquiry_result inquiry_take(struct stream *s, struct slice *text)
{
    struct asker *k = (struct asker *)stream_awaited(s);

    must(k && k->s == s);
    if (k->affair)
        return INQUIRY_WAIT;
    stream_awaited_end(s);
    *text = k->text;
    return k->result;
}
