/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway(8): reads the command line, then prints something and ends, or becomes the master. How
 * the processes belong together is in role.c, what the master does all day in master.c.
 */
#include "master/files.h"
#include "master/handover.h"
#include "master/listen.h"
#include "master/master.h"
#include "master/title.h"
#include "worker/base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef GATEWAY_VERSION
#define GATEWAY_VERSION "unknown"
#endif

enum { MAIN_FINE = 0, MAIN_REFUSED = 1, MAIN_USAGE = 2 };

static const char main_default[] = "/etc/gateway/gateway.conf";

static const char main_usage[] =
    "usage: gateway [-c FILE] [-p PREFIX] [-t | -T | -v | -h | --manual]\n"
    "  -c FILE    the configuration, /etc/gateway/gateway.conf by default\n"
    "  -p PREFIX  in place of the configuration's prefix\n"
    "  -t         checks the configuration and whether its addresses can be bound, then ends\n"
    "  -T         prints the effective configuration, every default filled in, then ends\n"
    "  -v         prints the version\n"
    "  -h         prints this\n"
    "  --manual   prints the page gateway.conf(5)\n"
    "Signals: HUP reload, TERM and INT fast stop, QUIT graceful stop, USR1 reopen logs,\n"
    "USR2 upgrade to the program that lies at this one's path now.\n"
    "Exit status: 0 fine, 1 refused or failed, 2 wrong usage.\n";

struct main_options {
    const char *conf_path;
    char *const *argv;
    char action; /* 'r' run, or the option's letter, 'm' for --manual */
};

static bool main_parse(int argc, char **argv, struct main_options *o)
{
    int c;

    *o = (struct main_options){ main_default, argv, 'r' };
    if (argc == 2 && strcmp(argv[1], "--manual") == 0) {
        o->action = 'm';
        return true;
    }
    while ((c = getopt(argc, argv, "c:p:tTvh")) != -1) {
        if (c == 'c')
            o->conf_path = optarg;
        else if (c == 'p' && setenv("GATEWAY_PREFIX", optarg, 1) < 0)
            return false;
        else if (strchr("tTvh", c))
            o->action = (char)c;
        else if (c != 'p')
            return false;
    }
    if (optind < argc)
        (void)fprintf(stderr, "gateway: surplus argument \"%s\"\n", argv[optind]);
    return optind == argc;
}

static const struct conf *main_load(const char *path)
{
    struct conf_errors errors = { 0 };
    const struct conf *conf = conf_load(path, true, &errors);

    if (conf == NULL) {
        handover_decline(errors.text ? errors.text : "no memory to read the configuration");
        (void)fprintf(stderr, "%s%s", errors.text ? errors.text : "gateway: no memory",
                      errors.text && errors.text[0] && errors.text[strlen(errors.text) - 1] == '\n'
                          ? ""
                          : "\n");
    }
    conf_errors_free(&errors);
    return conf;
}

/* Disturbs no gateway that runs: nothing is listened to, nothing is made. */
static int main_check(const struct conf *conf, const char *path)
{
    struct refusal refusal = { "" };
    struct sandbox_user user;
    struct conf_address control;
    enum listen_life life = LISTEN_NONE;

    if (listen_unix(&control, conf->control_socket))
        life = listen_probe(&control);
    if (!sandbox_lookup(conf->user.s, &user, &refusal) || !files_test(conf, &refusal) ||
        !listen_test(conf, life == LISTEN_ALIVE || life == LISTEN_UNKNOWN, &refusal)) {
        (void)fprintf(stderr, "gateway: %s: %s\n", path, refusal.text);
        return MAIN_REFUSED;
    }
    (void)printf("gateway: configuration %s is fine: valid, its addresses can be bound\n", path);
    return MAIN_FINE;
}

static int main_with_conf(const struct main_options *o)
{
    static struct master master;
    const struct conf *conf = main_load(o->conf_path);
    int status = MAIN_FINE;

    if (conf == NULL)
        return MAIN_REFUSED;
    if (o->action == 'r')
        return master_run(&master, conf, o->conf_path, o->argv);
    if (o->action == 't')
        status = main_check(conf, o->conf_path);
    else
        conf_print(conf, stdout);
    conf_free(&conf);
    return status;
}

int main(int argc, char **argv)
{
    struct main_options o;

    if (!main_parse(argc, argv, &o)) {
        (void)fputs(main_usage, stderr);
        return MAIN_USAGE;
    }
    title_init(argc, argv);
    log_who("master");
    switch (o.action) {
    case 'h':
        (void)fputs(main_usage, stdout);
        return MAIN_FINE;
    case 'v':
        (void)puts("gateway " GATEWAY_VERSION);
        return MAIN_FINE;
    case 'm':
        conf_print_manual(stdout);
        return MAIN_FINE;
    default:
        return main_with_conf(&o);
    }
}
