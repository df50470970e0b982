/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration loader: any bytes are refused with errors or give a configuration, and what a
 * configuration prints loads again and prints the same. The resolver is replaced, so that no input
 * asks the network anything.
 */
#include "conf/conf.h"
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **res);
void freeaddrinfo(struct addrinfo *res);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
const char *__lsan_default_suppressions(void);

/* libconfig 1.5 loses the string that it was reading when it meets a syntax error. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so\n";
}

/* Names that begin with "n" do not exist; the others are 192.0.2.1. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **res)
{
    static struct sockaddr_in addr;
    static struct addrinfo one;
    (void)service;
    (void)hints;
    if (*node == 'n')
        return EAI_NONAME;
    addr = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(0xc0000201) } };
    one = (struct addrinfo){ .ai_family = AF_INET,
                             .ai_addr = (struct sockaddr *)&addr,
                             .ai_addrlen = sizeof addr };
    *res = &one;
    return 0;
}

void freeaddrinfo(struct addrinfo *res)
{
    (void)res;
}

static char *print(const struct conf *conf, size_t *n)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, n);
    if (!out)
        abort();
    conf_print(conf, out);
    fclose(out);
    return text;
}

/* Each error has one line, and none is empty. */
static void check_errors(const struct conf_errors *errors)
{
    size_t lines = 0;
    if (errors->n == 0 || !errors->text)
        abort();
    for (const char *p = errors->text; *p; p++)
        lines += *p == '\n';
    if (lines < errors->n)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct conf_errors errors;
    const struct conf *conf =
        conf_load_text((const char *)data, n, "/tmp/fuzz.conf", false, &errors);
    if (!conf) {
        check_errors(&errors);
        conf_errors_free(&errors);
        return 0;
    }
    size_t first_n, second_n;
    char *first = print(conf, &first_n);
    conf_free(&conf);
    conf = conf_load_text(first, first_n, "/tmp/fuzz.conf", false, &errors);
    if (!conf)
        abort();
    char *second = print(conf, &second_n);
    if (first_n != second_n || memcmp(first, second, first_n) != 0)
        abort();
    conf_free(&conf);
    free(first);
    free(second);
    return 0;
}
