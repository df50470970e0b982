/* SPDX-License-Identifier: Apache-2.0 */
/* Processes over the API, and what is asked of the master. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/master/control/api_fixture.h"

static int setup(void **state)
{
    *state = fixture_make();
    return *state == NULL;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void test_workers(void **state)
{
    struct fixture *f = *state;
    struct board_row_shm *row = &board_of(&f->heritage.board)->rows[1];

    row->started = f->api.now_ns - UINT64_C(5000000000);
    row->beat = f->api.now_ns + 1; /* read after the clock was */
    memset(row->doing, 'x', sizeof row->doing);
    json_t *o = fixture_json(fixture_ask_for(f, "GET /workers", ""));
    const json_t *list = json_object_get(o, "workers"), *second = json_array_get(list, 1);
    assert_int_equal(json_array_size(list), 3);
    assert_string_equal(json_string_value(json_object_get(second, "role")), "worker");
    assert_string_equal(json_string_value(json_object_get(second, "state")), "running");
    assert_int_equal(json_integer_value(json_object_get(second, "uptime_ms")), 5000);
    assert_int_equal(json_integer_value(json_object_get(second, "beat_ms")), 0);
    assert_int_equal(json_string_length(json_object_get(second, "doing")), BOARD_DOING);
    json_decref(o);
}

static void test_rows_of_strange_numbers(void **state)
{
    struct fixture *f = *state;
    struct board_row_shm *row = &board_of(&f->heritage.board)->rows[200];

    row->state = 77;
    row->role = 88;
    row->pid = -1;
    json_t *o = fixture_json(fixture_ask_for(f, "GET /workers", ""));
    const json_t *last = json_array_get(json_object_get(o, "workers"), 3);
    assert_string_equal(json_string_value(json_object_get(last, "role")), "unknown");
    assert_string_equal(json_string_value(json_object_get(last, "state")), "unknown");
    json_decref(o);
    row->state = BOARD_FREE;
}

static void test_version(void **state)
{
    json_t *o = fixture_json(fixture_ask_for(*state, "GET /version", ""));

    assert_string_equal(json_string_value(json_object_get(o, "version")), GATEWAY_VERSION);
    assert_int_equal(json_integer_value(json_object_get(o, "generation")), 3);
    json_decref(o);
}

static void test_questions(void **state)
{
    static const struct {
        const char *line;
        enum channel_op op;
    } questions[] = {
        { "POST /reload", CHANNEL_RELOAD },
        { "POST /stop", CHANNEL_STOP },
        { "POST /quit", CHANNEL_QUIT },
        { "POST /reopen", CHANNEL_REOPEN },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        char *answer = fixture_ask_for(f, questions[i].line, "");
        assert_string_equal(answer, ""); /* not before the master says so */
        assert_int_equal(f->asked, questions[i].op);
        free(answer);
    }
}

static void test_upgrades(void **state)
{
    static const struct {
        const char *body;
        int status; /* 0: the master is asked */
        const char *path;
    } upgrades[] = {
        { "", 0, "" },
        { "{\"binary\": \"/usr/sbin/gateway\"}", 0, "/usr/sbin/gateway" },
        { "{\"binary\": \"gateway\"}", 400, "" },
        { "{\"binary\": \"/a\\nb\"}", 400, "" },
        { "{\"binary\": 1}", 400, "" },
        { "{\"binary\": \"/a\", \"more\": 1}", 400, "" },
        { "[]", 400, "" },
        { "{", 400, "" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof upgrades / sizeof upgrades[0]; i++) {
        f->asked = CHANNEL_READY;
        char *answer = fixture_ask_for(f, "POST /upgrade", upgrades[i].body);
        if (upgrades[i].status) {
            assert_int_equal(fixture_status(answer), upgrades[i].status);
            assert_int_equal(f->asked, CHANNEL_READY);
        } else {
            assert_string_equal(answer, "");
            assert_int_equal(f->asked, CHANNEL_UPGRADE);
            assert_string_equal(f->asked_with, upgrades[i].path);
        }
        free(answer);
    }
}

static void test_no_binary_is_named_over_tcp(void **state)
{
    static const char request[] =
        "POST /upgrade HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16\r\n\r\n"
        "{\"binary\": \"/a\"}";
    struct fixture *f = *state;

    f->asked = CHANNEL_READY;
    char *answer = fixture_call(f, API_DOOR_ADMIN, request);
    assert_int_equal(fixture_status(answer), 403);
    assert_int_equal(f->asked, CHANNEL_READY);
    free(answer);
}

static uint64_t deaf(struct api *api, enum channel_op op, const char *text)
{
    (void)api, (void)op, (void)text;
    return 0;
}

static void test_a_master_that_does_not_listen(void **state)
{
    struct fixture *f = *state;

    f->api.ask = deaf;
    char *answer = fixture_ask_for(f, "POST /reload", "");
    assert_int_equal(fixture_status(answer), 503);
    free(answer);
    f->api.ask = fixture_ask;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers),
        cmocka_unit_test(test_rows_of_strange_numbers),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_upgrades),
        cmocka_unit_test(test_no_binary_is_named_over_tcp),
        cmocka_unit_test(test_a_master_that_does_not_listen),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
