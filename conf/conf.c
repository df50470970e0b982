/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading: the file is parsed by libconfig, read by the table of fields, and finished step by step;
 * every step reports and goes on, so that all errors of a file come out at once. There are two
 * memories: what the configuration consists of, and what only the load needs. When memory runs out,
 * the allocation jumps back here and both are dropped.
 */
#include "conf/conf.h"
#include "conf/load.h"
#include "conf/manual.h"
#include "conf/networks.h"
#include "conf/printer.h"
#include "conf/syntax.h"
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONF_FILE_MAX = 256 << 20, CONF_WORKERS_MAX = 120 };

struct conf_impl {
    struct memory memory; /* holds this struct too */
    struct source *source;
};

struct conf_input {
    const char *text, *name;
    size_t n;
    bool env;
};

/* ---- steps ---- */

static const struct {
    void (*finish)(struct load *load);
    bool sound; /* runs only when nothing is wrong so far */
} steps[] = {
    { process_finish, false },  { certificates_finish, false }, { upstreams_finish, false },
    { services_finish, false }, { routes_finish, false },       { consumers_finish, false },
    { plugin_finish, false },   { chains_finish, true },        { routes_check, true },
};

/* The folder of the file, absolute: the configuration outlives a change of the working directory.
 */
static const char *folder_of(struct load *load, const char *name)
{
    char path[PATH_MAX], real[PATH_MAX];
    snprintf(path, sizeof path, "%s", name);
    if (!realpath(dirname(path), real) && !getcwd(real, sizeof real))
        return "/";
    return memory_text(&load->memory, real, strlen(real)).s;
}

static bool parse(struct load *load, const struct conf_input *in)
{
    const char *text = syntax_prepare(&load->scratch, &load->report, in->text, in->n);
    config_t *config = reader_config(&load->reader);
    if (!text)
        return false;
    if (config_read_string(config, text) != CONFIG_TRUE) {
        report_line(&load->report, (unsigned)config_error_line(config), config_error_text(config));
        return false;
    }
    if (in->env)
        reader_environment(&load->reader, &fields_top, config_root_setting(config));
    load->root = config_root_setting(config);
    return true;
}

static void keep(struct load *load)
{
    struct conf_impl *impl = memory_alloc(&load->memory, sizeof *impl);
    impl->source = load->source;
    impl->memory = load->memory;
    impl->memory.no_memory = NULL;
    load->conf->impl = impl;
}

/* Everything of a load that may run out of memory. True: load->conf is complete. */
static bool build(struct load *load, const struct conf_input *in, jmp_buf *no_memory)
{
    load->memory.no_memory = load->scratch.no_memory = no_memory;
    load->report = (struct report){ .memory = &load->scratch, .file = in->name };
    load->reader = (struct reader){ .memory = &load->memory,
                                    .scratch = &load->scratch,
                                    .report = &load->report };
    load->folder = folder_of(load, in->name);
    load->source = memory_alloc(&load->memory, sizeof *load->source);
    load->conf = &load->source->as;
    if (!parse(load, in))
        return false;
    reader_group(&load->reader, &fields_top, load->root, load->source);
    load->conf->path = memory_text(&load->memory, in->name, strlen(in->name));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (!steps[i].sound || load->report.n == 0)
            steps[i].finish(load);
    if (load->report.n == 0)
        keep(load);
    return load->report.n == 0;
}

static void no_memory_error(const char *name, struct conf_errors *errors)
{
    errors->n = 1;
    if (asprintf(&errors->text, "%s: out of memory\n", name) < 0)
        errors->text = NULL;
}

enum outcome { MADE, WRONG, NO_MEMORY };

static enum outcome attempt(struct load *load, const struct conf_input *in)
{
    jmp_buf no_memory;
    if (setjmp(no_memory))
        return NO_MEMORY;
    return build(load, in, &no_memory) ? MADE : WRONG;
}

static const struct conf *load_input(const struct conf_input *in, struct conf_errors *errors)
{
    struct load *load = calloc(1, sizeof *load);
    enum outcome outcome = load ? attempt(load, in) : NO_MEMORY;
    *errors = (struct conf_errors){ NULL, 0 };
    if (outcome == WRONG)
        outcome = report_give(&load->report, errors) ? WRONG : NO_MEMORY;
    if (outcome == NO_MEMORY)
        no_memory_error(in->name, errors);
    if (!load)
        return NULL;
    const struct conf *made = outcome == MADE ? load->conf : NULL;
    memory_free(&load->scratch);
    if (!made)
        memory_free(&load->memory);
    free(load);
    return made;
}

/* ---- files ---- */

static void file_error(const char *path, const char *reason, struct conf_errors *errors)
{
    errors->n = 1;
    if (asprintf(&errors->text, "%s: cannot be read: %s\n", path, reason) < 0)
        errors->text = NULL;
}

/* The whole file, malloc'ed; NULL with errno set. */
static char *read_file(const char *path, size_t *n)
{
    struct stat st;
    FILE *file = fopen(path, "re");
    char *text = NULL;
    *n = 0;
    if (!file)
        return NULL;
    if (fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > CONF_FILE_MAX)
        errno = S_ISDIR(st.st_mode) ? EISDIR : st.st_size > CONF_FILE_MAX ? EFBIG : EINVAL;
    else
        text = malloc((size_t)st.st_size + 1); /* not 0 */
    if (text)
        *n = fread(text, 1, (size_t)st.st_size, file);
    if (text && ferror(file)) {
        free(text);
        text = NULL;
    }
    int error = errno;
    fclose(file);
    errno = error;
    return text;
}

const struct conf *conf_load(const char *path, bool env, struct conf_errors *errors)
{
    size_t n;
    char *text = read_file(path, &n);
    if (!text) {
        file_error(path, strerror(errno), errors);
        return NULL;
    }
    const struct conf *conf = load_input(&(struct conf_input){ text, path, n, env }, errors);
    free(text);
    return conf;
}

const struct conf *conf_load_text(const char *text, size_t n, const char *name, bool env,
                                  struct conf_errors *errors)
{
    return load_input(&(struct conf_input){ text, name, n, env }, errors);
}

void conf_free(const struct conf **conf)
{
    if (!*conf)
        return;
    struct memory memory = ((struct conf_impl *)(*conf)->impl)->memory;
    memory_free(&memory);
    *conf = NULL;
}

void conf_errors_free(struct conf_errors *errors)
{
    free(errors->text);
    *errors = (struct conf_errors){ NULL, 0 };
}

/* ---- what is asked of it ---- */

void conf_print(const struct conf *conf, FILE *out)
{
    printer_print(out, &fields_top, ((const struct conf_impl *)conf->impl)->source);
}

void conf_print_manual(FILE *out)
{
    manual_print(out);
}

int conf_worker_count(const struct conf *conf)
{
    cpu_set_t cpus;
    if (conf->workers > 0)
        return conf->workers;
    int n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus)
                                                          : (int)sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > CONF_WORKERS_MAX ? CONF_WORKERS_MAX : n;
}

bool conf_trusts(const struct conf *conf, const uint8_t ip[16])
{
    static const uint8_t none[16];
    const struct conf_networks networks = { conf->trusted_ips, conf->trusted_ips_n };
    return memcmp(ip, none, sizeof none) == 0 ? conf->trusts_unix : networks_hold(&networks, ip);
}
