/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control connection's conversation on any bytes, with the API and real zones behind it. The
 * first byte picks the door and how the bytes are cut into reads; the master answers every question
 * at once.
 */
#include "tests/unit/master/control/api_fixture.h"
#include "worker/base/log.h"

static struct fixture *fixture;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    uint8_t id[CACHE_ID_SIZE];

    (void)argc, (void)argv;
    log_open("stderr", LOG_LEVEL_ERROR, "fuzz");
    fixture = fixture_make();
    if (fixture == NULL || !fixture_store(fixture, "h.example", "/a", "x=1", id))
        abort();
    return 0;
}

/* What a request may leave for the next is put back, so that a finding repeats. */
static void check_answer(const char *answer)
{
    uint8_t id[CACHE_ID_SIZE];

    if (answer[0] != '\0' && strncmp(answer, "HTTP/1.1 ", 9) != 0)
        abort();
    if (!fixture_store(fixture, "h.example", "/a", "x=1", id))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct control_http h;
    struct api_caller caller = { .text = "fuzz" };
    size_t step;

    if (size < 1)
        return 0;
    caller.door = (enum api_door)(data[0] % 3);
    step = data[0] / 3 == 0 ? size : (size_t)(data[0] / 3);
    control_http_init(&h, &caller);
    for (size_t at = 1; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        char *answer = fixture_talk(fixture, &h, (const char *)data + at, n);
        check_answer(answer);
        free(answer);
        if (h.state == CONTROL_HTTP_WAIT)
            control_http_result(&h, &fixture->api, data[0] & 1, "gateway.conf:1: a\nb", 19);
    }
    control_http_free(&h);
    return 0;
}
