/* SPDX-License-Identifier: Apache-2.0 */
/* What several steps of a load need: names that must be unique, ids, references, paths below the
 * prefix. */
#include "conf/load.h"
#include "conf/endpoint.h"
#include "conf/ids.h"
#include "conf/regex.h"

static const struct load_name *put(struct load *load, struct names *names, struct conf_text name,
                                   const struct load_claim *claim)
{
    struct load_name *mine = memory_alloc(&load->scratch, sizeof *mine);
    *mine = (struct load_name){ claim->entity, claim->at };
    return names_put(names, &load->scratch, name, mine);
}

void load_claim(struct load *load, const struct load_claim *claim)
{
    if (claim->name.n == 0)
        return;
    const struct load_name *other = put(load, claim->names, claim->name, claim);
    if (other)
        report_key(&load->report, claim->at, claim->key,
                   "%s is a duplicate; another %s has it at %s",
                   report_quote(&load->report, claim->name.s, claim->name.n), claim->kind,
                   report_place(&load->report, other->at).s);
}

const void *load_find(const struct names *names, struct conf_text name)
{
    const struct load_name *found = names_get(names, name.s, name.n);
    return found ? found->entity : NULL;
}

void load_id(struct load *load, const struct load_claim *claim, struct conf_text *id)
{
    bool configured = id->n > 0;
    if (!configured)
        *id = ids_uuid(&load->memory, "%s\n%s", claim->kind, claim->name.s);
    struct conf_text name = memory_format(&load->scratch, "%s %s", claim->kind, id->s);
    const struct load_name *other = put(load, &load->ids, name, claim);
    if (other && configured)
        report_key(&load->report, claim->at, "id", "%s is a duplicate; another %s has it at %s",
                   id->s, claim->kind, report_place(&load->report, other->at).s);
}

const void *load_find_id(struct load *load, const char *kind, struct conf_text id)
{
    struct conf_text lower = memory_lower(&load->scratch, id);
    return load_find(&load->ids, memory_format(&load->scratch, "%s %s", kind, lower.s));
}

const struct conf_consumer *load_consumer(struct load *load, struct conf_text name,
                                          const config_setting_t *at, const char *key)
{
    if (name.n == 0)
        return NULL;
    const struct conf_consumer *found =
        credentials_consumer(load->conf->credentials, name.s, name.n);
    if (!found)
        report_key(&load->report, at, key, "there is no consumer %s",
                   report_quote(&load->report, name.s, name.n));
    return found;
}

void load_secret_arguments(struct load *load, const struct conf_texts *names)
{
    struct conf_texts *all = &load->conf->secret_arguments;
    for (size_t i = 0; i < names->n; i++) {
        if (names_put(&load->secret_arguments, &load->scratch, names->v[i], names))
            continue;
        struct conf_text *v = memory_array(&load->memory, all->n + 1, sizeof *v);
        if (all->n)
            memcpy(v, all->v, all->n * sizeof *v);
        v[all->n] = names->v[i];
        *all = (struct conf_texts){ v, all->n + 1 };
    }
}

static void end_regex(void *what)
{
    struct conf_regex *re = what;
    regex_free(&re);
}

void load_regex(struct load *load, struct conf_regex *re)
{
    memory_duty(&load->memory, end_regex, re);
}

struct conf_text load_path(struct load *load, struct conf_text text)
{
    if (text.n == 0 || text.s[0] == '/')
        return text;
    return memory_format(&load->memory, "%s/%s", load->conf->prefix.s, text.s);
}

struct conf_text load_host(struct load *load, struct conf_text host)
{
    bool inside = host.n > 2 && host.s[0] == '[' && host.s[host.n - 1] == ']';
    char six[ENDPOINT_SIX];
    if (endpoint_six(host.s + inside, host.n - 2 * inside, six))
        return memory_text(&load->memory, six, strlen(six));
    return memory_text(&load->memory, host.s, host.n);
}
