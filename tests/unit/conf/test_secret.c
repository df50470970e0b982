/* SPDX-License-Identifier: Apache-2.0 */
/* References to secrets: what is one, what it stands for, and that it is what is printed. */
#include "conf/plugins/plugin_request_transformer.h"
#include "conf/secret.h"
#include "loading.h"
#include <unistd.h>

static struct memory memory;
static jmp_buf no_memory;
static char *folder;

static void put_file(const char *name, const char *bytes, size_t n, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

static bool is_reference(const char *text)
{
    return secret_is_reference(text, strlen(text));
}

static void test_forms(void **state)
{
    (void)state;
    assert_true(is_reference("$(env:A)") && is_reference("$(file:/a)") &&
                is_reference("$(file:a)"));
    assert_false(is_reference("") || is_reference("$(env:)") || is_reference("$(file:)"));
    assert_false(is_reference("x$(env:A)") || is_reference("$(env:A)x") || is_reference("$(env:A"));
    assert_false(is_reference("$(env:A)$(env:B)") || is_reference("$(headers.a)"));
}

static void gives(const char *reference, const char *value)
{
    struct conf_text text;
    char why[128] = "";
    bool read = secret_read(&memory, reference, strlen(reference), &text, why, sizeof why);
    assert_string_equal(why, "");
    assert_true(read);
    assert_string_equal(text.s, value);
    assert_int_equal(text.n, strlen(value));
    assert_string_equal(secret_written(text).s, reference);
}

static void refuses(const char *reference, const char *reason)
{
    struct conf_text text;
    char why[128] = "";
    assert_false(secret_read(&memory, reference, strlen(reference), &text, why, sizeof why));
    assert_string_equal(why, reason);
}

static void test_environment(void **state)
{
    (void)state;
    setenv("TEST_SECRET", "open sesame\n", 1);
    setenv("TEST_EMPTY", "", 1);
    unsetenv("TEST_NONE");
    gives("$(env:TEST_SECRET)", "open sesame\n");
    refuses("$(env:TEST_EMPTY)", "is empty");
    refuses("$(env:TEST_NONE)", "is not in the environment");
}

static void test_files(void **state)
{
    static char large[65537];
    char path[128], reference[160];
    (void)state;
    static const struct {
        const char *bytes, *value;
    } files[] = { { "s", "s" }, { "s\n", "s" }, { "s\r\n", "s" }, { "a\nb\n\n", "a\nb\n" } };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        put_file("f", files[i].bytes, strlen(files[i].bytes), path, sizeof path);
        snprintf(reference, sizeof reference, "$(file:%s)", path);
        gives(reference, files[i].value);
    }
    put_file("f", "a\0b", 3, path, sizeof path);
    refuses(reference, "holds a zero byte");
    put_file("f", "\n", 1, path, sizeof path);
    refuses(reference, "is empty");
    memset(large, 'x', sizeof large);
    put_file("f", large, sizeof large, path, sizeof path);
    refuses(reference, "is too long");
    unlink(path);
    refuses(reference, "cannot be read: No such file or directory");
    refuses("$(file:relative)", "is not an absolute path");
    snprintf(reference, sizeof reference, "$(file:%s)", folder);
    refuses(reference, "cannot be read: Is a directory");
}

static void test_plain(void **state)
{
    (void)state;
    struct conf_text text = secret_plain(&memory, "abc", 3);
    assert_string_equal(text.s, "abc");
    assert_ptr_equal(secret_written(text).s, text.s);
    text = secret_plain(&memory, "", 0);
    assert_int_equal(secret_written(text).n, 0);
}

static void test_references_in_texts(void **state)
{
    (void)state;
    setenv("TEST_SECRET", "sesame", 1);
    setenv("TEST_LINES", "a\r\nb", 1);
    unsetenv("TEST_NONE");
    static const struct {
        const char *text, *value, *why;
    } texts[] = {
        { "Bearer $(env:TEST_SECRET)", "Bearer sesame", "" },
        { "$(env:TEST_SECRET)", "sesame", "" },
        { "a $ $(b) $(env:TEST_SECRET)$(env:TEST_SECRET)) $(", "a $ $(b) sesamesesame) $(", "" },
        { "a $(env:TEST_NONE)", NULL, "is not in the environment" },
        { "a $(env:TEST_LINES)", NULL, "stands for what holds a control character" },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct conf_text text;
        char why[128] = "";
        assert_true(secret_refers(texts[i].text, strlen(texts[i].text)));
        assert_int_equal(
            secret_expand(&memory, texts[i].text, strlen(texts[i].text), &text, why, sizeof why),
            texts[i].value != NULL);
        assert_string_equal(why, texts[i].why);
        if (!texts[i].value)
            continue;
        assert_string_equal(text.s, texts[i].value);
        assert_string_equal(secret_written(text).s, texts[i].text);
    }
    assert_false(secret_refers("$(headers.a) $(env:) $(env:A", 28));
    assert_false(secret_refers("", 0));
}

static void test_configuration(void **state)
{
    (void)state;
    setenv("TEST_SECRET", "open-sesame", 1);
    const struct conf *conf = loaded(
        "consumers = ( { username = \"a\"; keyauth_credentials = ( { key = \"$(env:TEST_SECRET)\"; "
        "} ); jwt_secrets = ( { key = \"i\"; secret = \"$(env:TEST_SECRET)\"; } ); "
        "basicauth_credentials = ( { username = \"u\"; password = \"$(env:TEST_SECRET)\"; } ); "
        "hmacauth_credentials = ( { username = \"u\"; secret = \"$(env:TEST_SECRET)\"; } ); } );\n"
        "plugins = ( { name = \"request-transformer\"; config = { add = { headers = [ "
        "\"Authorization:Bearer $(env:TEST_SECRET)$(headers.x)\" ]; }; }; } );");
    const struct conf_request_transformer *c = conf->plugins[0].config;
    assert_non_null(credentials_key(conf->credentials, "open-sesame", 11));
    assert_string_equal(conf->consumers[0].jwt_secrets[0].secret.s, "open-sesame");
    assert_string_equal(conf->consumers[0].basics[0].password.s, "open-sesame");
    assert_string_equal(conf->consumers[0].hmacs[0].secret.s, "open-sesame");
    assert_int_equal(c->headers.kinds[CONF_CHANGE_ADD].v[0].value->n, 3);
    assert_string_equal(c->headers.kinds[CONF_CHANGE_ADD].v[0].value->pieces[1].text.s,
                        "open-sesame");
    char *text = printed(conf);
    assert_null(strstr(text, "open-sesame"));
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, "$(env:TEST_SECRET)")); p++)
        n++;
    assert_int_equal(n, 5);
    free(text);
    conf_free(&conf);
    unsetenv("TEST_NONE");
    setenv("TEST_LINES", "a\nb", 1);
    refused("consumers = ( { username = \"a\"; keyauth_credentials = ( { key = "
            "\"$(env:TEST_NONE)\"; } ); } );\n"
            "plugins = ( { name = \"request-transformer\"; config = { add = { headers = [ "
            "\"a:$(env:TEST_LINES)\" ]; }; }; } );",
            "t.conf:1: consumers[0].keyauth_credentials[0].key: \"$(env:TEST_NONE)\" is not in the "
            "environment\n"
            "t.conf:2: plugins[0].config.add.headers: \"a:$(env:TEST_LINES)\" has a secret that "
            "contains a control character\n");
}

static int setup(void **state)
{
    (void)state;
    memory.no_memory = &no_memory;
    folder = make_folder();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    memory_free(&memory);
    remove_folder(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_references_in_texts),
        cmocka_unit_test(test_configuration),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
