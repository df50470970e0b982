/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gatewayctl: the operator's tool. One table of commands is what is parsed, what help prints and
 * what is run. Exit codes: 0 ok, 1 refused, 2 usage, 3 unreachable.
 */
#include "master/ctl/ctl_command.h"
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

enum {
    CTL_SHIFT = CTL_TO | CTL_PERCENT | CTL_STEP | CTL_ABORT_IF | CTL_REQUESTS | CTL_SPAN |
                CTL_CANCEL | CTL_FINISH
};
enum { CTL_PURGE = CTL_URL | CTL_TAG | CTL_PREFIX | CTL_HOST | CTL_ROUTE | CTL_SERVICE | CTL_ALL };

static const struct ctl_command commands[] = {
    { "status", "", "the whole gateway at a glance", 0, 0, 0, ctl_process_status },
    { "workers", "", "every process: slot, role, pid, state, load", 0, 0, 0, ctl_process_workers },
    { "reload", "", "load the configuration anew; says what was refused and why", 0, 0, 0,
      ctl_process_reload },
    { "upgrade", "", "another binary takes over, without a lost request; or nothing changes",
      CTL_BINARY, 0, 0, ctl_process_upgrade },
    { "stop", "", "end at once", 0, 0, 0, ctl_process_stop },
    { "quit", "", "end when open requests are done", 0, 0, 0, ctl_process_quit },
    { "reopen", "", "open the log files anew, after rotation", 0, 0, 0, ctl_process_reopen },
    { "check", "FILE", "check a configuration file completely", 0, 1, 1, ctl_process_check },
    { "routes", "[-m 'GET URL' [-H FIELD]...]",
      "routes and what they match, as the file orders them; with -m what that request would meet",
      CTL_MATCH | CTL_FIELD | CTL_FROM, 0, 0, ctl_explain },
    { "services", "", "services, where they lead and their routes", 0, 0, 0, ctl_entity_services },
    { "service set", "SERVICE host=UPSTREAM", "lead it to another upstream", CTL_SPAN, 2, 2,
      ctl_target_service },
    { "shift", "SERVICE [--to UPSTREAM ...]",
      "lead a share of it to another upstream, more step by step; or show that", CTL_SHIFT, 1, 1,
      ctl_shift },
    { "upstreams", "", "targets and their state", 0, 0, 0, ctl_entity_upstreams },
    { "targets", "UPSTREAM", "its targets: file, overrides, addresses", 0, 1, 1, ctl_target_list },
    { "target set", "UPSTREAM TARGET SETTING...",
      "weight=N, max_connections=N, drain, down, up; NAME= is the file's", CTL_SPAN, 3, 8,
      ctl_target_set },
    { "target add", "UPSTREAM TARGET [SETTING]...", "one more target", CTL_SPAN, 2, 8,
      ctl_target_add },
    { "target delete", "UPSTREAM TARGET", "take it out, whatever the file says", 0, 2, 2,
      ctl_target_delete },
    { "override list", "", "what was changed by hand, by whom, until when", 0, 0, 0,
      ctl_target_overrides },
    { "override drop", "UPSTREAM [TARGET [THING]] | --all", "what the file says holds again",
      CTL_ALL, 0, 3, ctl_target_drop },
    { "override commit", "", "print the configuration that makes them permanent", 0, 0, 0,
      ctl_target_commit },
    { "health log", "[TARGET]", "the last 16 probes and changes of each target, with their causes",
      0, 0, 1, ctl_health_log },
    { "probe", "TARGET", "probe a target now; 1 when it fails", 0, 1, 1, ctl_health_probe },
    { "jwks refresh", "[URI]", "fetch keys of token issuers now", 0, 0, 1, ctl_jwks_refresh },
    { "jwks", "[URI]", "keys of token issuers, and how the fetches of them went", 0, 0, 1,
      ctl_jwks_list },
    { "purge", "KEY | --url URL | --tag T ...",
      "remove stored objects by what they have in common (help purge)",
      CTL_PURGE | CTL_SOFT | CTL_DRY_RUN | CTL_DICT, 0, 1, ctl_purge },
    { "cache stat", "", "what each shared dictionary holds, and what requests got", CTL_DICT, 0, 0,
      ctl_cache_stat },
    { "cache advise", "", "what more memory would bring, or less", CTL_DICT, 0, 0,
      ctl_cache_advise },
    { "cache get", "KEY | URL", "all about one object, or each variant of a URL",
      CTL_LIMIT | CTL_DICT, 1, 1, ctl_cache_get },
    { "cache key", "[METHOD] URL", "keys of the objects that are stored for a URL",
      CTL_LIMIT | CTL_DICT, 1, 2, ctl_cache_key },
    { "cache ls", "", "list stored objects, by what they are and in an order",
      CTL_URL | CTL_TAG | CTL_PREFIX | CTL_HOST | CTL_STATUS | CTL_SORT | CTL_LIMIT | CTL_DICT, 0,
      0, ctl_cache_ls },
    { "cache warm", "-f FILE", "ask the gateway for every URL of a file",
      CTL_FILE | CTL_CONCURRENCY, 0, 0, ctl_cache_warm },
    { "stat", "", "every counter", 0, 0, 0, ctl_entity_stat },
    { "metrics", "", "the Prometheus text", 0, 0, 0, ctl_entity_metrics },
    { "version", "", "versions of this program and of the gateway", 0, 0, 0, ctl_process_version },
};

/* What a command may allow; -s, -o, -V and -h hold for all. */
static const struct {
    enum ctl_option bit;
    const char *name, *argument, *summary;
    size_t at; /* in struct ctl: a text, or where there is no argument a bool */
} options[] = {
    { CTL_URL, "url", "URL", "every variant of this URL", offsetof(struct ctl, url) },
    { CTL_TAG, "tag", "TAG", "what has this tag, or one of several: a,b",
      offsetof(struct ctl, tag) },
    { CTL_PREFIX, "prefix", "[HOST]/PATH", "every URL, or path on any host, that begins so",
      offsetof(struct ctl, prefix) },
    { CTL_HOST, "host", "HOST", "all of this host", offsetof(struct ctl, host) },
    { CTL_ROUTE, "route", "ROUTE", "all of this route, by name or id",
      offsetof(struct ctl, route) },
    { CTL_SERVICE, "service", "SERVICE", "all of this service, by name or id",
      offsetof(struct ctl, service) },
    { CTL_ALL, "all", "", "everything, in all dictionaries", offsetof(struct ctl, all) },
    { CTL_SOFT, "soft", "", "stale from now on, and refreshed in the background",
      offsetof(struct ctl, soft) },
    { CTL_DRY_RUN, "dry-run", "", "only count what would be purged",
      offsetof(struct ctl, dry_run) },
    { CTL_STATUS, "status", "STATUS", "with this status, 404, or class of status, 4xx",
      offsetof(struct ctl, status) },
    { CTL_SORT, "sort", "ORDER", "hits, size or age, the most first", offsetof(struct ctl, sort) },
    { CTL_FILE, "file", "FILE", "a URL a line, indented lines are fields of its request; -: stdin",
      offsetof(struct ctl, file) },
    { CTL_CONCURRENCY, "concurrency", "N", "so many at a time (8)",
      offsetof(struct ctl, concurrency) },
    { CTL_LIMIT, "limit", "N", "at most so many (100)", offsetof(struct ctl, limit) },
    { CTL_DICT, "dict", "NAME", "this dictionary alone", offsetof(struct ctl, dict) },
    { CTL_BINARY, "binary", "PATH", "this program (what lies where the gateway came from)",
      offsetof(struct ctl, binary) },
    { CTL_MATCH, "match", "REQUEST",
      "[METHOD] URL: its route, the plugins in order, who answers first",
      offsetof(struct ctl, match) },
    { CTL_FIELD, "header", "FIELD", "of that request: 'Name: value', as often as needed",
      offsetof(struct ctl, field) },
    { CTL_FROM, "from", "ADDRESS", "of that request's client (127.0.0.1)",
      offsetof(struct ctl, from) },
    { CTL_SPAN, "for", "SPAN", "for so long: 90s, 10m, 2h, 1d", offsetof(struct ctl, span) },
    { CTL_TO, "to", "UPSTREAM", "begin: a share goes to this upstream", offsetof(struct ctl, to) },
    { CTL_PERCENT, "percent", "N", "the share; 100 is all, for good",
      offsetof(struct ctl, percent) },
    { CTL_STEP, "step", "N/SPAN", "so much more each time, after so long: 10/30s",
      offsetof(struct ctl, step) },
    { CTL_ABORT_IF, "abort-if", "5xx>N%|pN>Nms", "undo it when more of a step's answers fail",
      offsetof(struct ctl, abort_if) },
    { CTL_REQUESTS, "requests", "N", "judge a step by so many answers at least (20)",
      offsetof(struct ctl, requests) },
    { CTL_CANCEL, "cancel", "", "undo it", offsetof(struct ctl, cancel) },
    { CTL_FINISH, "finish", "", "all of the requests go there, for good",
      offsetof(struct ctl, finish) },
};

static const char default_socket[] = "/run/gateway/control.sock";

/* --- help ----------------------------------------------------------------------------------- */

static void print_command(FILE *out, const struct ctl_command *c)
{
    char line[128];

    snprintf(line, sizeof line, "%s%s%s", c->name, c->arguments[0] != '\0' ? " " : "",
             c->arguments);
    fprintf(out, "  %-32s  %s\n", line, c->summary);
}

static void print_help(FILE *out)
{
    fputs("usage: gatewayctl [-s SOCKET] [-o table|json] COMMAND [ARGUMENT]...\n\n", out);
    for (size_t i = 0; i < LENGTH(commands); i++)
        print_command(out, &commands[i]);
    fprintf(out,
            "  %-32s  %s\n\n"
            "  -s, --socket SOCKET   the control socket ($GATEWAY_CONTROL_SOCKET, %s)\n"
            "  -o, --output FORM     table (default) or json: the API's answer as it is\n"
            "  -V, --version         the version of this program\n"
            "  -h, --help            this text; after a command, the command's\n\n"
            "exit codes: 0 ok, 1 refused, 2 usage, 3 unreachable\n",
            "help [COMMAND]", "this text, or the command's", default_socket);
}

enum { OPTION_WIDTH = 18 };

static void print_help_of(FILE *out, const struct ctl_command *c)
{
    fprintf(out, "usage: gatewayctl %s%s%s%s\n\n%s\n", c->name,
            (c->options & (CTL_LIMIT | CTL_DICT | CTL_BINARY | CTL_SPAN)) ? " [OPTION]..." : "",
            c->arguments[0] != '\0' ? " " : "", c->arguments, c->summary);
    for (size_t i = 0; i < LENGTH(options); i++)
        if (c->options & options[i].bit)
            fprintf(out, "  --%s %-*s  %s\n", options[i].name,
                    OPTION_WIDTH - (int)strlen(options[i].name), options[i].argument,
                    options[i].summary);
}

/* --- the command ---------------------------------------------------------------------------- */

/* The command that words[0] or words[0..1] name; *used is how many words that took. NULL: none. */
static const struct ctl_command *find(char *const *words, int n, int *used)
{
    char two[128];

    for (size_t i = 0; i < LENGTH(commands); i++) {
        *used = strchr(commands[i].name, ' ') != NULL ? 2 : 1;
        if (n < *used)
            continue;
        snprintf(two, sizeof two, *used == 2 ? "%s %s" : "%s", words[0],
                 *used == 2 ? words[1] : "");
        if (strcmp(two, commands[i].name) == 0)
            return &commands[i];
    }
    return NULL;
}

static enum ctl_exit unknown(char *const *words, int n)
{
    bool group = false;

    for (size_t i = 0; n > 0 && i < LENGTH(commands); i++) {
        size_t length = strlen(words[0]);
        group |=
            strncmp(commands[i].name, words[0], length) == 0 && commands[i].name[length] == ' ';
    }
    if (n == 0)
        fputs("gatewayctl: a command is missing; ", stderr);
    else if (group && n == 1)
        fprintf(stderr, "gatewayctl: %s what? ", words[0]);
    else
        fprintf(stderr, "gatewayctl: there is no command \"%s%s%s\"; ", words[0], group ? " " : "",
                group ? words[1] : "");
    fputs("gatewayctl help lists them\n", stderr);
    return CTL_USAGE;
}

static enum ctl_exit help(char *const *words, int n)
{
    int used;
    const struct ctl_command *c = find(words, n, &used);

    if (n == 0 || (n == 1 && strcmp(words[0], "help") == 0)) {
        print_help(stdout);
        return CTL_OK;
    }
    if (c == NULL)
        return unknown(words, n);
    print_help_of(stdout, c);
    return CTL_OK;
}

static enum ctl_exit run(struct ctl *ctl, char *const *words, int n, unsigned given)
{
    int used;
    const struct ctl_command *c = find(words, n, &used);

    if (c == NULL)
        return unknown(words, n);
    ctl->argc = n - used;
    ctl->argv = words + used;
    for (size_t i = 0; i < LENGTH(options); i++) {
        if (!(given & options[i].bit & ~c->options))
            continue;
        fprintf(stderr, "gatewayctl: %s takes no --%s\n", c->name, options[i].name);
        return CTL_USAGE;
    }
    if (ctl->argc < c->min || ctl->argc > c->max) {
        fprintf(stderr, "usage: gatewayctl %s%s%s\n", c->name, c->arguments[0] != '\0' ? " " : "",
                c->arguments);
        return CTL_USAGE;
    }
    enum ctl_exit result = c->run(ctl);
    if (result == CTL_OK && (fflush(ctl->out) != 0 || ferror(ctl->out))) {
        fputs("gatewayctl: cannot write the answer\n", stderr);
        return CTL_REFUSED;
    }
    return result;
}

/* --- options -------------------------------------------------------------------------------- */

enum { LETTERS = 256, OPTIONS_OF_ALL = 4 }; /* LETTERS + i: options[i] */

struct asked {
    bool help, version, wrong;
    unsigned given; /* bits of enum ctl_option */
};

static void take_output(struct ctl *ctl, struct asked *asked)
{
    ctl->json = strcmp(optarg, "json") == 0;
    if (ctl->json || strcmp(optarg, "table") == 0)
        return;
    fprintf(stderr, "gatewayctl: -o is table or json, not \"%s\"\n", optarg);
    asked->wrong = true;
}

/* -H may be there more than once. */
static void take_field(struct ctl *ctl, struct asked *asked)
{
    size_t n = 0;

    while (n < CTL_FIELDS_MAX && ctl->fields[n] != NULL)
        n++;
    if (n + 1 < CTL_FIELDS_MAX) {
        ctl->fields[n] = ctl->field;
        return;
    }
    fprintf(stderr, "gatewayctl: more than %d fields\n", CTL_FIELDS_MAX - 1);
    asked->wrong = true;
}

static void take_option(struct ctl *ctl, struct asked *asked, size_t i)
{
    char *at = (char *)ctl + options[i].at;

    if (options[i].argument[0] != '\0')
        *(const char **)(void *)at = optarg;
    else
        *(bool *)(void *)at = true;
    asked->given |= options[i].bit;
    if (options[i].bit == CTL_FIELD)
        take_field(ctl, asked);
}

static void take(struct ctl *ctl, struct asked *asked, int letter)
{
    switch (letter) {
    case 's':
        ctl->socket = optarg;
        break;
    case 'o':
        take_output(ctl, asked);
        break;
    case 'h':
        asked->help = true;
        break;
    case 'V':
        asked->version = true;
        break;
    case 'f':
        ctl->file = optarg;
        asked->given |= CTL_FILE;
        break;
    case 'm':
        ctl->match = optarg;
        asked->given |= CTL_MATCH;
        break;
    case 'H':
        ctl->field = optarg;
        asked->given |= CTL_FIELD;
        take_field(ctl, asked);
        break;
    default:
        if (letter >= LETTERS)
            take_option(ctl, asked, (size_t)letter - LETTERS);
        else
            asked->wrong = true; /* getopt has said why */
    }
}

int main(int argc, char **argv)
{
    struct option longs[OPTIONS_OF_ALL + LENGTH(options) + 1] = {
        { "socket", required_argument, NULL, 's' },
        { "output", required_argument, NULL, 'o' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
    };
    const char *from_environment = getenv("GATEWAY_CONTROL_SOCKET");
    struct ctl ctl = { .socket = from_environment != NULL && from_environment[0] != '\0'
                                     ? from_environment
                                     : default_socket,
                       .out = stdout,
                       .err = stderr };
    struct asked asked = { 0 };
    int letter;

    for (size_t i = 0; i < LENGTH(options); i++)
        longs[OPTIONS_OF_ALL + i] =
            (struct option){ options[i].name,
                             options[i].argument[0] != '\0' ? required_argument : no_argument, NULL,
                             LETTERS + (int)i };
    while ((letter = getopt_long(argc, argv, "s:o:f:m:H:hV", longs, NULL)) != -1)
        take(&ctl, &asked, letter);
    if (asked.wrong)
        return CTL_USAGE;
    if (asked.version) {
        printf("gatewayctl %s\n", GATEWAY_VERSION);
        return CTL_OK;
    }
    char *const *words = argv + optind;
    int n = argc - optind;
    if (n > 0 && strcmp(words[0], "help") == 0)
        return (int)help(words + 1, n - 1);
    if (asked.help)
        return (int)help(words, n);
    return (int)run(&ctl, words, n, asked.given);
}
