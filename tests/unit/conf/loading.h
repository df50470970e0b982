/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of conf/: loads text, and compares errors as a whole, so that one too many fails as
 * well. */
#ifndef TESTS_LOADING_H
#define TESTS_LOADING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above first */
#include "conf/conf.h"
#include "conf/plugin.h"
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libconfig 1.5 loses the string that it was reading when it meets a syntax error. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so\n";
}

/* The configuration of `text`; fails with its errors when it has any. */
static inline const struct conf *loaded(const char *text)
{
    struct conf_errors errors;
    const struct conf *conf = conf_load_text(text, strlen(text), "t.conf", false, &errors);
    if (!conf)
        print_error("%s", errors.text);
    assert_non_null(conf);
    assert_int_equal(errors.n, 0);
    assert_null(errors.text);
    return conf;
}

/* The errors of `text` are exactly these lines. */
static inline void refused(const char *text, const char *lines)
{
    struct conf_errors errors;
    const struct conf *conf = conf_load_text(text, strlen(text), "t.conf", false, &errors);
    assert_null(conf);
    assert_string_equal(errors.text, lines);
    size_t n = 0;
    for (const char *p = lines; *p; p++)
        n += *p == '\n';
    assert_int_equal(errors.n, n);
    conf_errors_free(&errors);
    assert_null(errors.text);
}

/* What it prints; to be freed. */
static inline char *printed(const struct conf *conf)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    conf_print(conf, out);
    fclose(out);
    return text;
}

/* An empty folder, to be removed by remove_folder(). */
static inline char *make_folder(void)
{
    char *folder = strdup("/tmp/gateway-conf-XXXXXX");
    assert_non_null(folder);
    assert_non_null(mkdtemp(folder));
    return folder;
}

static inline void remove_folder(char *folder)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
    free(folder);
}

/* Runs openssl in the folder. */
static inline void openssl(const char *folder, const char *arguments)
{
    char command[1024];
    snprintf(command, sizeof command, "cd '%s' && openssl %s >/dev/null 2>&1", folder, arguments);
    assert_int_equal(system(command), 0);
}

/* A certificate NAME.crt with its key NAME.key. */
static inline void make_certificate(const char *folder, const char *name)
{
    char arguments[512];
    snprintf(arguments, sizeof arguments,
             "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=%s "
             "-keyout %s.key -out %s.crt",
             name, name, name);
    openssl(folder, arguments);
}

#endif
