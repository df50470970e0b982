/* SPDX-License-Identifier: Apache-2.0 */
/* Printing: each type in the file's syntax, and difficult text that comes back as it was. */
#include "conf/plugins/plugin_request_termination.h"
#include "conf/printer.h"
#include "loading.h"

struct sample {
    struct conf_text text;
    double number;
    uint64_t size;
    unsigned flags;
    int mode;
    struct source_list headers;
};

static const struct fields_row rows[] = {
    { FIELDS_ROW_TEXT(struct sample, text, "text") },
    { FIELDS_ROW_NUMBER(struct sample, number, "number") },
    { FIELDS_ROW_SIZE(struct sample, size, "size") },
    { FIELDS_ROW_FLAGS(struct sample, flags, "flags"), .names = fields_protocols },
    { FIELDS_ROW_MODE(struct sample, mode, "mode") },
    { FIELDS_ROW_TEXT(struct sample, text, "input"), .flags = FIELDS_INPUT },
    { FIELDS_ROW_HEADERS(struct sample, headers, "headers") },
};
static const struct fields_table table = {
    .title = "t", FIELDS_TABLE(rows), .size = sizeof(struct sample), .at = SIZE_MAX
};

static void check(const struct sample *sample, const char *expected)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    printer_print(out, &table, sample);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void test_types(void **state)
{
    (void)state;
    struct conf_text values[] = { { "1", 1 }, { "2", 1 } };
    struct conf_route_header header = { { "x-a", 3 }, { values, 2 } };
    struct sample sample = { { "a\"\\\n\x01", 5 }, 0.1, 3 << 20, CONF_HTTPS, 0640, { &header, 1 } };
    check(&sample, "text = \"a\\\"\\\\\\n\\x01\";\nnumber = 0.1;\nsize = \"3m\";\nflags = [ "
                   "\"https\" ];\nmode = \"0640\";\n"
                   "headers = {\n    x-a = [ \"1\", \"2\" ];\n};\n");
    sample = (struct sample){ { "", 0 }, 1.0 / 3, UINT64_MAX, 0, 0, { NULL, 0 } };
    check(&sample, "text = \"\";\nnumber = 0.33333333333333331;\nsize = \"\";\nflags = [ ];\nmode "
                   "= \"0000\";\nheaders = {\n};\n");
}

static void test_any_bytes_come_back(void **state)
{
    (void)state;
    static const char bytes[] = "a\"b\\c\n\t\x07\xff";
    const struct conf *conf = loaded(
        "consumers = ( { username = \"J\xc3\xb6rg\"; } );\nplugins = ( { name = "
        "\"request-termination\"; config = { body = \"a\\\"b\\\\c\\n\\t\\x07\\xff\"; }; } );");
    const struct conf_request_termination *config = conf->plugins[0].config;
    assert_string_equal(config->body.s, bytes);
    char *text = printed(conf);
    conf_free(&conf);
    conf = loaded(text);
    config = conf->plugins[0].config;
    assert_string_equal(config->body.s, bytes);
    assert_string_equal(conf->consumers[0].username.s, "J\xc3\xb6rg");
    conf_free(&conf);
    free(text);
}

/* Printed they are numbers; what is printed loads, prints the same, and lets nobody in. */
static void test_secrets_are_hidden(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("consumers = ( { username = \"a\"; keyauth_credentials = ( { key "
               "= \"open\"; }, { key = \"sesame\"; } ); } );");
    char *text = printed(conf);
    assert_null(strstr(text, "open"));
    assert_null(strstr(text, "sesame"));
    assert_non_null(strstr(text, "\"$(hidden:1)\""));
    assert_non_null(strstr(text, "\"$(hidden:2)\""));
    conf_free(&conf);
    conf = loaded(text);
    assert_null(strstr(conf->consumers[0].keys[0].key.s, "hidden"));
    assert_int_equal(conf->consumers[0].keys[0].key.n, 64);
    assert_string_not_equal(conf->consumers[0].keys[0].key.s, conf->consumers[0].keys[1].key.s);
    char *again = printed(conf);
    assert_string_equal(text, again);
    conf_free(&conf);
    free(again);
    free(text);
}

/* Fields that carry credentials, whoever is to get them; what is printed loads and prints the same.
 */
static void test_credentials_in_fields_are_hidden(void **state)
{
    (void)state;
    const struct conf *conf = loaded(
        "upstreams = ( { name = \"u\"; targets = ( { target = \"127.0.0.1:1\"; } ); healthchecks = "
        "{ active = { headers = { Authorization = [ \"Bearer sesame\" ]; x-other = [ \"seen\" ]; "
        "}; "
        "}; }; } );\nplugins = ( { name = \"request-transformer\"; config = { add = { headers = [ "
        "\"Authorization:Basic sesame\", \"X-Api-Key:sesame\", \"Cookie:$(headers.x_c)\", "
        "\"X-A:seen:too\" ]; }; rename = { headers = [ \"cookie:x-cookie\" ]; }; }; } );");
    char *text = printed(conf);
    assert_null(strstr(text, "sesame"));
    assert_non_null(strstr(text, "authorization = [ \"***\" ]"));
    assert_non_null(strstr(text, "\"cookie:x-cookie\""));
    assert_non_null(strstr(text, "x-other = [ \"seen\" ]"));
    assert_non_null(strstr(text, "[ \"Authorization:***\", \"X-Api-Key:***\", "
                                 "\"Cookie:$(headers.x_c)\", \"X-A:seen:too\""));
    conf_free(&conf);
    conf = loaded(text);
    char *again = printed(conf);
    assert_string_equal(text, again);
    conf_free(&conf);
    free(again);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_types),
                                        cmocka_unit_test(test_any_bytes_come_back),
                                        cmocka_unit_test(test_secrets_are_hidden),
                                        cmocka_unit_test(test_credentials_in_fields_are_hidden) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
