/* SPDX-License-Identifier: Apache-2.0 */
/* gatewayctl cache warm: reads the list, learns from the gateway where it listens, and sums up what
 * came of it. */
#include "master/ctl/ctl_cache.h"
#include "master/ctl/ctl_client.h"
#include "master/ctl/ctl_warm.h"
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 8, AT_ONCE_MAX = 256 };

struct sums {
    size_t hits, fills, passed, failed;
    uint64_t bytes;
};

/* The first listener of that kind; NULL: none. It lives as long as `status`. */
static const char *listener(const json_t *status, bool tls)
{
    const json_t *list = json_object_get(status, "listen");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        if (json_is_true(json_object_get(one, "ssl")) == tls)
            return json_string_value(json_object_get(one, "address"));
    }
    return NULL;
}

static bool is_hit(const char *cache)
{
    return strcmp(cache, "Hit") == 0 || strcmp(cache, "Stale") == 0 ||
           strcmp(cache, "Updating") == 0 || strcmp(cache, "Revalidated") == 0;
}

static bool is_fill(const struct ctl_fetch_answer *answer)
{
    return answer->stored || strcmp(answer->cache, "Miss") == 0 ||
           strcmp(answer->cache, "Refresh") == 0;
}

static void say_failed(struct ctl *ctl, json_t *failures, const struct ctl_warm_request *r)
{
    char status[32];

    snprintf(status, sizeof status, "status %d", r->answer.status);
    fprintf(ctl->err, "gatewayctl: %s: %s\n", r->text, r->wrong ? r->wrong : status);
    json_array_append_new(
        failures, json_pack("{ss?ss}", "url", r->text, "reason", r->wrong ? r->wrong : status));
}

static void sum_up(struct ctl *ctl, const struct ctl_warm_list *list, struct sums *s,
                   json_t *failures)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct ctl_warm_request *r = &list->v[i];
        s->bytes += r->answer.bytes;
        if (r->wrong || r->answer.status >= 400) {
            s->failed++;
            say_failed(ctl, failures, r);
        } else if (is_hit(r->answer.cache)) {
            s->hits++;
        } else if (is_fill(&r->answer)) {
            s->fills++;
        } else {
            s->passed++;
        }
    }
}

static void show(struct ctl *ctl, const struct ctl_warm_list *list, const struct sums *s,
                 json_t *failures)
{
    if (!ctl->json) {
        fprintf(ctl->out, "%zu requests: %zu hits, %zu filled, %zu not stored, %zu failed\n",
                list->n, s->hits, s->fills, s->passed, s->failed);
        return;
    }
    json_t *o = json_pack("{sI sI sI sI sI sI sO}", "requests", (json_int_t)list->n, "hits",
                          (json_int_t)s->hits, "fills", (json_int_t)s->fills, "not_stored",
                          (json_int_t)s->passed, "failed", (json_int_t)s->failed, "bytes",
                          (json_int_t)s->bytes, "failures", failures);
    char *text = json_dumps(o, JSON_COMPACT);
    fprintf(ctl->out, "%s\n", text != NULL ? text : "{}");
    free(text);
    json_decref(o);
}

static enum ctl_exit warm(struct ctl *ctl, struct ctl_warm_list *list, unsigned at_once)
{
    const bool json = ctl->json;
    struct sums sums = { 0 };
    json_t *status;

    ctl->json = false; /* that answer is not what was asked for */
    enum ctl_exit result = ctl_client_get(ctl, "/status", &status);
    ctl->json = json;
    if (result != CTL_OK)
        return result;
    json_t *failures = json_array();
    ctl_warm_run(list, listener(status, false), listener(status, true), at_once);
    sum_up(ctl, list, &sums, failures);
    show(ctl, list, &sums, failures);
    json_decref(failures);
    json_decref(status);
    return sums.failed > 0 ? CTL_REFUSED : CTL_OK;
}

/* 0: not a number that can be used. */
static unsigned read_at_once(const char *text)
{
    char *end;
    unsigned long n = text != NULL ? strtoul(text, &end, 10) : AT_ONCE;

    if (text != NULL && (text[0] < '0' || text[0] > '9' || *end != '\0'))
        return 0;
    return n <= AT_ONCE_MAX ? (unsigned)n : 0;
}

enum ctl_exit ctl_cache_warm(struct ctl *ctl)
{
    struct ctl_warm_list list = { 0 };
    unsigned at_once = read_at_once(ctl->concurrency);
    bool standard = ctl->file != NULL && strcmp(ctl->file, "-") == 0;
    FILE *in = standard ? stdin : ctl->file != NULL ? fopen(ctl->file, "re") : NULL;

    if (at_once == 0 || in == NULL) {
        fprintf(ctl->err, "gatewayctl: %s\n",
                at_once == 0        ? "--concurrency is a number from 1 to 256"
                : ctl->file == NULL ? "cache warm takes a file of URLs: -f FILE"
                                    : "the file cannot be opened");
        if (in != NULL && !standard)
            fclose(in);
        return CTL_USAGE;
    }
    const char *wrong = ctl_warm_read(in, &list);
    enum ctl_exit result = CTL_USAGE;
    if (wrong != NULL)
        fprintf(ctl->err, "gatewayctl: %s:%u: %s\n", ctl->file, list.line, wrong);
    else
        result = warm(ctl, &list, at_once);
    ctl_warm_free(&list);
    if (!standard)
        fclose(in);
    return result;
}
