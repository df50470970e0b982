/* SPDX-License-Identifier: Apache-2.0 */
/* The generic reader, with a table of its own that has a row of each type. */
#include "conf/reader.h"
#include "conf/value.h"
#include "loading.h"

struct inner {
    int x;
    struct conf_text name;
    const config_setting_t *at;
};

struct sample {
    bool flag;
    int count, choice;
    uint64_t size, unset;
    double number;
    struct conf_text text;
    int mode, word;
    unsigned flags;
    struct conf_texts texts;
    struct conf_ints ints;
    struct inner group;
    struct source_list list, headers;
    void *variant;
};

static const struct fields_name words[] = { { "one", 1 }, { "two", 2 }, { 0 } };
static const struct fields_name numbers[] = { { "301", 301 }, { "302", 302 }, { 0 } };

static const struct fields_row inner_rows[] = {
    { FIELDS_ROW_INT(struct inner, x, "x"), .preset = "7", .max = 9, .doc = "." },
    { FIELDS_ROW_TEXT(struct inner, name, "name"), .flags = FIELDS_REQUIRED, .doc = "." },
};
static const struct fields_table inner_table = { .title = "inner",
                                                 .doc = ".",
                                                 FIELDS_TABLE(inner_rows),
                                                 .size = sizeof(struct inner),
                                                 .at = offsetof(struct inner, at) };

static const struct fields_table *choose(const void *object)
{
    return ((const struct sample *)object)->word == 2 ? &inner_table : NULL;
}

#define S struct sample
static const struct fields_row rows[] = {
    { FIELDS_ROW_BOOL(S, flag, "flag"), .preset = "true", .doc = "." },
    { FIELDS_ROW_INT(S, count, "count"), .preset = "3", .min = -5, .max = 10, .doc = "." },
    { FIELDS_ROW_INT(S, choice, "choice"), .preset = "302", .names = numbers, .doc = "." },
    { FIELDS_ROW_SIZE(S, size, "size"), .preset = "\"4k\"", .min = 16, .max = 1 << 20, .doc = "." },
    { FIELDS_ROW_SIZE(S, unset, "unset"), .preset = "\"\"", .flags = FIELDS_UNSET, .max = 100,
      .doc = "." },
    { FIELDS_ROW_NUMBER(S, number, "number"), .preset = "0.5", .max = 100, .doc = "." },
    { FIELDS_ROW_TEXT(S, text, "text"), .preset = "\"Abc\"", .flags = FIELDS_LOWER,
      .check = value_is_token, .doc = "." },
    { FIELDS_ROW_MODE(S, mode, "mode"), .preset = "\"0640\"", .doc = "." },
    { FIELDS_ROW_ENUM(S, word, "word"), .preset = "\"one\"", .names = words, .doc = "." },
    { FIELDS_ROW_FLAGS(S, flags, "flags"), .preset = "[ \"one\" ]", .names = words,
      .flags = FIELDS_FILLED, .doc = "." },
    { FIELDS_ROW_TEXTS(S, texts, "texts"), .preset = "[ \"a\" ]",
      .flags = FIELDS_SET | FIELDS_LOWER, .doc = "." },
    { FIELDS_ROW_INTS(S, ints, "ints"), .preset = "[ 1, 2 ]", .max = 5, .doc = "." },
    { FIELDS_ROW_GROUP(S, group, "group", inner_table), .doc = "." },
    { FIELDS_ROW_LIST(S, list, "list", inner_table), .preset = "( )", .doc = "." },
    { FIELDS_ROW_HEADERS(S, headers, "headers"), .check = value_is_route_header, .doc = "." },
    { .type = FIELDS_VARIANT,
      .key = "variant",
      .offset = offsetof(S, variant),
      .variant = choose,
      .doc = "." },
};
static const struct fields_table table = {
    .title = "sample", .doc = ".", FIELDS_TABLE(rows), .size = sizeof(S), .at = SIZE_MAX
};

static jmp_buf no_memory;
static struct memory memory, scratch;
static struct report report;
static struct reader reader;

/* Reads `text`; its errors are exactly `lines`. */
static struct sample *read_sample(const char *text, const char *lines)
{
    memory.no_memory = scratch.no_memory = &no_memory;
    report = (struct report){ .memory = &scratch, .file = "f" };
    reader = (struct reader){ .memory = &memory, .scratch = &scratch, .report = &report };
    config_t *config = reader_config(&reader);
    assert_int_equal(config_read_string(config, text), CONFIG_TRUE);
    reader_environment(&reader, &table, config_root_setting(config));
    struct sample *sample = memory_alloc(&memory, sizeof *sample);
    reader_group(&reader, &table, config_root_setting(config), sample);
    struct conf_errors errors = { NULL, 0 };
    assert_true(report.n == 0 || report_give(&report, &errors));
    assert_string_equal(errors.text ? errors.text : "", lines);
    conf_errors_free(&errors);
    return sample;
}

static int end(void **state)
{
    (void)state;
    memory_free(&scratch);
    memory_free(&memory);
    return 0;
}

static void test_defaults(void **state)
{
    (void)state;
    struct sample *s = read_sample("", "");
    assert_true(s->flag);
    assert_int_equal(s->count, 3);
    assert_int_equal(s->choice, 302);
    assert_int_equal(s->size, 4096);
    assert_true(s->unset == UINT64_MAX);
    assert_true(s->number > 0.49 && s->number < 0.51);
    assert_string_equal(s->text.s, "abc");
    assert_int_equal(s->mode, 0640);
    assert_int_equal(s->word, 1);
    assert_int_equal(s->flags, 1);
    assert_int_equal(s->texts.n, 1);
    assert_int_equal(s->ints.v[1], 2);
    assert_int_equal(s->group.x, 7);
    assert_string_equal(s->group.name.s, "");
    assert_int_equal(s->list.n + s->headers.n, 0);
    assert_null(s->variant);
}

static void test_values(void **state)
{
    (void)state;
    struct sample *s =
        read_sample("flag = false; count = -5L; choice = 301; size = 17; unset = \"0\"; number = "
                    "2; text = \"XyZ\"; mode = \"0600\";\n"
                    "word = \"two\"; flags = ( \"two\", \"one\" ); texts = [ \"B\", \"c\" ]; ints "
                    "= [ ]; group = { x = 1; name = \"n\"; };\n"
                    "list = ( { name = \"a\"; },\n { x = 2; name = \"b\"; } ); headers = { X-A = [ "
                    "\"1\", \"2\" ]; }; variant = { name = \"v\"; };",
                    "");
    assert_false(s->flag);
    assert_int_equal(s->count, -5);
    assert_int_equal(s->choice, 301);
    assert_int_equal(s->size, 17);
    assert_int_equal(s->unset, 0);
    assert_true(s->number > 1.99);
    assert_string_equal(s->text.s, "xyz");
    assert_int_equal(s->flags, 3);
    assert_string_equal(s->texts.v[0].s, "b");
    assert_int_equal(s->ints.n, 0);
    assert_int_equal(s->group.x, 1);
    const struct inner *list = s->list.v;
    assert_int_equal(s->list.n, 2);
    assert_int_equal(list[0].x, 7);
    assert_string_equal(list[1].name.s, "b");
    assert_int_equal(config_setting_source_line(list[1].at), 4);
    const struct conf_route_header *headers = s->headers.v;
    assert_string_equal(headers[0].name.s, "x-a");
    assert_int_equal(headers[0].values.n, 2);
    assert_string_equal(((struct inner *)s->variant)->name.s, "v");
}

static void test_wrong_types(void **state)
{
    (void)state;
    struct sample *s = read_sample(
        "flag = 1;\ncount = 1.0;\nchoice = \"301\";\nsize = 1.5;\nnumber = \"1\";\ntext = 1;\nmode "
        "= 640;\nword = true;\n"
        "flags = \"one\";\ntexts = { };\nints = 1;\ngroup = [ ];\nlist = { };\nheaders = ( );\n",
        "f:1: flag: must be true or false, not an integer\n"
        "f:2: count: must be an integer, not a fraction\n"
        "f:3: choice: must be an integer, not a string\n"
        "f:4: size: must be a size: a number of bytes, or a string like \"16k\", \"128m\" or "
        "\"1g\", not a fraction\n"
        "f:5: number: must be a number, not a string\n"
        "f:6: text: must be a string, not an integer\n"
        "f:7: mode: must be a string like \"0660\", not an integer\n"
        "f:8: word: must be a string, not a boolean\n"
        "f:9: flags: must be an array of strings [ \"...\" ], not a string\n"
        "f:10: texts: must be an array of strings [ \"...\" ], not a group { }\n"
        "f:11: ints: must be an array of integers [ ... ], not an integer\n"
        "f:12: group: must be a group { }, not an array [ ]\n"
        "f:13: list: must be a list of groups ( { ... } ), not a group { }\n"
        "f:14: headers: must be a group of arrays { name = [ \"...\" ]; }, not a list ( )\n");
    assert_int_equal(s->count, 3); /* what is wrong leaves the default */
    assert_string_equal(s->text.s, "abc");
}

static void test_wrong_values(void **state)
{
    (void)state;
    read_sample("count = 11;\nchoice = 303;\nsize = \"2m\";\nunset = -1;\nnumber = 100.5;\ntext = "
                "\"a b\";\nmode = \"9\";\nword = \"three\";\n"
                "flags = [ ];\ntexts = [ \"a\", \"A\" ];\nints = [ 6,\n 7 ];\ngroup = { nam = "
                "\"x\"; };\nlist = ( 1, { x = 10; name = \"\"; } );\n"
                "headers = { Host = [ \"a\" ]; X = [ ]; x = [ \"1\" ]; };\ncounts = 1;\n",
                "f:1: count: 11 is out of range, -5 to 10\n"
                "f:2: choice: 303 is not one of: 301, 302\n"
                "f:3: size: 2097152 bytes is out of range, 16 to 1m\n"
                "f:4: unset: a size is not negative\n"
                "f:5: number: 100.5 is out of range, 0 to 100\n"
                "f:6: text: \"a b\" is not a header's name\n"
                "f:7: mode: \"9\" is not a mode like \"0660\"\n"
                "f:8: word: \"three\" is not one of: one, two\n"
                "f:9: flags: must not be empty\n"
                "f:10: texts: \"a\" is listed twice\n"
                "f:11: ints: 6 is out of range, 0 to 5\n"
                "f:12: ints: 7 is out of range, 0 to 5\n"
                "f:13: group.nam: unknown key; the nearest known one is \"name\"\n"
                "f:13: group.name: is missing\n"
                "f:14: list: must be a group { }, not an integer\n"
                "f:14: list[1].x: 10 is out of range, 0 to 9\n"
                "f:14: list[1].name: must not be empty\n"
                "f:15: headers.Host: \"Host\" is matched by hosts, not by headers\n"
                "f:15: headers.X: must not be empty\n"
                "f:15: headers.x: the header is listed twice\n"
                "f:16: counts: unknown key; the nearest known one is \"count\"\n");
}

static void test_environment(void **state)
{
    (void)state;
    setenv("GATEWAY_COUNT", "9", 1);
    setenv("GATEWAY_SIZE", "1k", 1);
    setenv("GATEWAY_FLAG", "maybe", 1);
    setenv("GATEWAY_TEXTS", "ignored", 1);
    struct sample *s = read_sample("count = 1;\nflag = true;",
                                   "GATEWAY_FLAG: must be true or false, not a string\n");
    assert_int_equal(s->count, 9);
    assert_int_equal(s->size, 1024);
    unsetenv("GATEWAY_COUNT");
    unsetenv("GATEWAY_SIZE");
    unsetenv("GATEWAY_FLAG");
    unsetenv("GATEWAY_TEXTS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_defaults, end),
        cmocka_unit_test_teardown(test_values, end),
        cmocka_unit_test_teardown(test_wrong_types, end),
        cmocka_unit_test_teardown(test_wrong_values, end),
        cmocka_unit_test_teardown(test_environment, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
