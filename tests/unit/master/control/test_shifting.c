/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shift goes its way by looks alone: steps in time, is complete after the last, is undone by the
 * answers of a step; whoever begins to look, or finds words of another step, goes on; and only the
 * process of the newest configuration does anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/control/shifting.h"
#include "tests/unit/master/control/shift_fixture.h"

static void begin(struct fixture *f, const char *body)
{
    char *answer = fixture_ask_for(f, "PUT /services/orders/shift", body);
    assert_int_equal(atoi(answer + 9), 200);
    free(answer);
}

static const struct peers_shift *shift(struct fixture *f)
{
    return peers_shift(&f->api.peers, &fixture_service);
}

/* So many answers, of which some failed, in the current step. */
static void count(struct fixture *f, int answered, int failed)
{
    for (int i = 0; i < answered; i++)
        shift_count(shift(f)->tally, shift(f)->mark, i < failed);
}

static void look(struct fixture *f, int64_t seconds)
{
    f->api.now += seconds;
    shifting_look(&f->api);
    peers_renew(&f->api.peers);
}

static void steps_to_the_end(void **state)
{
    struct fixture *f = *state;
    begin(f,
          "{\"to\": \"green\", \"percent\": 10, \"step\": \"45/30s\", \"abort_if\": \"5xx>1%\"}");
    look(f, 29);
    assert_int_equal(shift(f)->share, 100);
    look(f, 1000); /* nobody answered: no step */
    assert_int_equal(shift(f)->share, 100);
    count(f, 20, 0);
    look(f, 0);
    assert_int_equal(shift(f)->share, 550);
    count(f, 20, 0);
    look(f, 29);
    assert_int_equal(shift(f)->share, 550); /* a step that was late is as long as others */
    look(f, 1);
    assert_int_equal(shift(f)->share, 1000);
    count(f, 20, 0);
    look(f, 30);
    assert_null(shift(f));
    assert_string_equal(peers_upstream(&f->api.peers, &fixture_service)->name.s, "green");
}

static void undone_by_the_answers_of_a_step(void **state)
{
    struct fixture *f = *state;
    json_t *o;
    begin(f,
          "{\"to\": \"green\", \"percent\": 10, \"step\": \"10/30s\", \"abort_if\": \"5xx>10%\"}");
    count(f, 20, 2);
    look(f, 30);
    assert_int_equal(shift(f)->share, 200);
    count(f, 19, 19);
    look(f, 1);
    assert_int_equal(shift(f)->share, 200); /* too few to tell */
    count(f, 1, 0);
    look(f, 1);
    assert_null(shift(f));
    o = fixture_json(fixture_ask_for(f, "GET /services/orders/shift", ""));
    assert_string_equal(json_string_value(json_object_get(o, "state")), "undone");
    assert_string_equal(json_string_value(json_object_get(o, "why")),
                        "5xx: 19 of 20 (95 %) are more than 10 %");
    json_decref(o);
    look(f, 1000); /* and stays so */
    assert_null(shift(f));
    begin(f, "{\"to\": \"green\", \"percent\": 30}");
    assert_int_equal(shift(f)->share, 300);
}

/* Between the record and the words: what is counted there belongs to no step that anybody knows. */
static void words_of_another_step_begin_anew(void **state)
{
    struct fixture *f = *state;
    struct shift_counts counts;
    begin(f, "{\"to\": \"green\", \"percent\": 10, \"abort_if\": \"5xx>1%\"}");
    shift_begin(shift(f)->tally, shift(f)->mark + 5);
    for (int i = 0; i < 100; i++)
        shift_count(shift(f)->tally, shift(f)->mark + 5, true);
    look(f, 1);
    assert_int_equal(shift(f)->share, 100);
    assert_true(shift_read(shift(f)->tally, shift(f)->mark, &counts));
    assert_int_equal(counts.answered, 0);
    count(f, 20, 20);
    look(f, 1);
    assert_null(shift(f));
}

static void an_old_generation_only_looks(void **state)
{
    struct fixture *f = *state;
    begin(f, "{\"to\": \"green\", \"percent\": 10, \"step\": \"10/30s\"}");
    f->heritage.generation = 2;
    look(f, 60);
    assert_int_equal(shift(f)->share, 100);
    f->heritage.generation = 3;
    look(f, 0);
    assert_int_equal(shift(f)->share, 200);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, shift_setup, shift_teardown)
    const struct CMUnitTest tests[] = { TEST(steps_to_the_end),
                                        TEST(undone_by_the_answers_of_a_step),
                                        TEST(words_of_another_step_begin_anew),
                                        TEST(an_old_generation_only_looks) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
