/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of bot-detection, and what the gateway knows by itself. */
#include "conf/plugins/plugin_bot_detection.h"
#include "tests/unit/conf/loading.h"

static bool is_known(const struct conf_bot_detection *c, const char *agent)
{
    return regex_match(c->known, agent, strlen(agent), NULL, 0) > 0;
}

static void test_fields(void **state)
{
    (void)state;
    const struct conf *conf =
        loaded("plugins = ( { name = \"bot-detection\"; config = { allow = [ \"mine\" ]; "
               "deny = [ \"^curl/\", \"wget\" ]; }; } );");
    const struct conf_bot_detection *c = conf->plugins[0].config;
    assert_int_equal(conf->plugins[0].priority, 2500);
    assert_int_equal(c->allow_n, 1);
    assert_int_equal(c->deny_n, 2);
    assert_int_equal(regex_match(c->allow[0], "is mine", 7, NULL, 0), 1);
    assert_int_equal(regex_match(c->deny[0], "a curl/7", 8, NULL, 0), 0);
    conf_free(&conf);
}

static void test_known(void **state)
{
    (void)state;
    const struct conf *conf = loaded("plugins = ( { name = \"bot-detection\"; } );");
    const struct conf_bot_detection *c = conf->plugins[0].config;
    assert_true(
        is_known(c, "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"));
    assert_true(is_known(c, "GPTBot/1.2"));
    assert_true(is_known(c, "Scrapy/2.11 (+https://scrapy.org)"));
    static const char *const others[] = {
        "Anybot/1.0",   "Some-Bot 2",         "My Web Spider", "scraper",         "Archiver/3",
        "okhttp/4.9.3", "Go-http-client/1.1", "axios/1.6",     "aws-sdk-go/1.44", "Boto3/1.26"
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_true(is_known(c, others[i]));
    assert_false(is_known(c, "Mozilla/5.0 (Linux; Android 10; CUBOT X19) AppleWebKit/537.36"));
    assert_false(is_known(c, "Dalvik/2.1.0 (Linux; U; Android 9; CUBOT 20)"));
    assert_false(is_known(c, "PostmanRuntime/7.36"));
    assert_false(
        is_known(c, "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"));
    assert_false(is_known(c, "curl/7.88.1"));
    assert_false(is_known(c, ""));
    conf_free(&conf);
}

static void test_refused(void **state)
{
    (void)state;
    refused("plugins = ( { name = \"bot-detection\"; config = { deny = [ \"(\" ]; }; } );",
            "t.conf:1: plugins[0].config.deny: \"(\" is not a valid pattern: missing closing "
            "parenthesis at offset 1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields), cmocka_unit_test(test_known),
                                        cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
