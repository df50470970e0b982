/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look-up. Host sets are visited from exact to any, and in each set the places on the request's
 * path: one probe for each distinct prefix length, longest first, until the first hit, which leads
 * to all shorter ones. Every list is sorted by rank, so it is left as soon as its rules can only
 * lose against the best so far; most sets and lists are never entered. Regexes cost most: they are
 * tried last, and only those that could still win.
 */
#include "shm/assert.h"
#include "worker/router/router_index.h"

struct search {
    const struct router *r;
    const struct router_query *q;
    struct router_match *match;
    uint32_t best;  /* the best rule that fits */
    uint32_t wrong; /* the best one that would fit, were it not for plain HTTP */
    uint32_t open;  /* the best one whose pattern reached its limits */
};

static bool equal(const struct conf_text *text, struct slice s)
{
    return text->n == s.n && memcmp(text->s, s.p, s.n) == 0;
}

static bool method_fits(const struct conf_texts *methods, struct slice method)
{
    for (size_t i = 0; i < methods->n; i++)
        if (equal(&methods->v[i], method))
            return true;
    return false;
}

static bool wildcard_fits(const struct conf_text *pattern, struct slice name)
{
    if (pattern->n == 0 || name.n < pattern->n)
        return false;
    if (pattern->s[0] == '*')
        return memcmp(pattern->s + 1, name.p + (name.n - (pattern->n - 1)), pattern->n - 1) == 0;
    return pattern->s[pattern->n - 1] == '*' && memcmp(pattern->s, name.p, pattern->n - 1) == 0;
}

/* As in Kong, names of TLS servers decide nothing where there is no TLS. */
static bool sni_fits(const struct conf_texts *snis, const struct router_query *q)
{
    if (q->protocol != CONF_HTTPS)
        return true;
    if (!q->sni.p)
        return false;
    for (size_t i = 0; i < snis->n; i++)
        if (equal(&snis->v[i], q->sni) || wildcard_fits(&snis->v[i], q->sni))
            return true;
    return false;
}

static bool value_listed(const struct conf_texts *values, const struct field *f)
{
    for (size_t i = 0; i < values->n; i++)
        if (slice_equal_nocase(slice_of(values->v[i].s, values->v[i].n),
                               slice_of(f->value, f->value_n)))
            return true;
    return false;
}

/* Any of the lines with that name may carry the value. */
static bool header_fits(const struct conf_route_header *header, const struct head *head)
{
    struct slice name = slice_of(header->name.s, header->name.n);
    for (size_t i = 0; i < head->fields_n; i++) {
        const struct field *f = &head->fields[i];
        if (slice_equal_nocase(name, slice_of(f->name, f->name_n)) &&
            value_listed(&header->values, f))
            return true;
    }
    return false;
}

static bool headers_fit(const struct conf_route *route, const struct head *head)
{
    for (size_t i = 0; i < route->headers_n; i++)
        if (!head || !header_fits(&route->headers[i], head))
            return false;
    return true;
}

/* The kinds that neither the index nor the path's pattern settles. */
static bool checks_fit(const struct router_rule *rule, const struct router_query *q)
{
    if (rule->checks == 0)
        return true;
    if ((rule->checks & ROUTER_METHODS) && !method_fits(&rule->route->methods, q->method))
        return false;
    if ((rule->checks & ROUTER_SNIS) && !sni_fits(&rule->route->snis, q))
        return false;
    return !(rule->checks & ROUTER_HEADERS) || headers_fit(rule->route, q->head);
}

/* Whether the rule would improve what is found: a better one for this protocol, or for the hint at
 * HTTPS. */
static bool may_win(const struct search *s, uint32_t number, bool *right_protocol)
{
    unsigned protocols = s->r->rules[number].protocols;
    *right_protocol = (protocols & s->q->protocol) != 0;
    return *right_protocol ||
           (s->q->protocol == CONF_HTTP && (protocols & CONF_HTTPS) && number < s->wrong);
}

/* Looks for the first rule of a list that fits, among those better than the best so far. */
static void scan(struct search *s, const struct router_list *list)
{
    bool right;
    for (uint32_t i = list->head; i != ROUTER_NONE; i = s->r->items[i].next) {
        uint32_t number = s->r->items[i].rule;
        if (number >= s->best)
            return;
        if (!may_win(s, number, &right) || !checks_fit(&s->r->rules[number], s->q))
            continue;
        if (!right) {
            s->wrong = number;
            continue;
        }
        s->best = number;
        s->match->captures_n = 0;
        return;
    }
}

/* The same for rules with patterns. */
static void scan_regexes(struct search *s, const struct router_list *list)
{
    bool right;
    for (uint32_t i = list->head; i != ROUTER_NONE; i = s->r->items[i].next) {
        uint32_t number = s->r->items[i].rule;
        const struct router_rule *rule = &s->r->rules[number];
        struct regex_span spans[ROUTER_CAPTURES];
        if (number >= s->best)
            return;
        if (!may_win(s, number, &right) || !checks_fit(rule, s->q))
            continue;
        int n = regex_match(rule->path->regex, s->q->path.p, s->q->path.n, spans, ROUTER_CAPTURES);
        if (n < 0 && number < s->open)
            s->open = number;
        if (n > 0 && !right)
            s->wrong = number;
        if (n <= 0 || !right)
            continue;
        must(n <= ROUTER_CAPTURES);
        s->best = number;
        s->match->captures_n = n;
        memcpy(s->match->captures, spans, (size_t)n * sizeof(*spans));
        return;
    }
}

/* The place of the longest configured prefix of the path in one set. */
static uint32_t longest_place(const struct search *s, uint32_t number)
{
    const struct router_set *set = &s->r->sets[number];
    const uint32_t *lengths = s->r->lengths + set->lengths;
    for (uint32_t i = 0; i < set->lengths_n; i++) {
        if (lengths[i] > s->q->path.n)
            continue;
        uint32_t place =
            router_table_get(&s->r->by_path, number, slice_of(s->q->path.p, lengths[i]));
        if (place != ROUTER_NONE)
            return place;
    }
    return ROUTER_NONE;
}

static void search_set(struct search *s, uint32_t number)
{
    if (number == ROUTER_NONE || s->r->sets[number].first >= s->best)
        return;
    const struct router_set *set = &s->r->sets[number];
    uint32_t place = longest_place(s, number);
    while (place != ROUTER_NONE && s->r->places[place].best < s->best) {
        scan(s, &s->r->places[place].rules);
        place = s->r->places[place].parent;
    }
    scan(s, &set->bare);
    scan_regexes(s, &set->regexes);
}

/* A wildcard stands for at least one byte, and what it is next to begins or ends at a dot. */
static void search_wildcards(struct search *s)
{
    struct slice host = s->q->host;
    for (size_t i = 1; i < host.n; i++) {
        if (host.p[i] != '.')
            continue;
        if (s->r->suffixes)
            search_set(s, router_table_get(&s->r->hosts, ROUTER_SUFFIX, slice_from(host, i)));
        if (s->r->prefixes && i + 1 < host.n)
            search_set(s, router_table_get(&s->r->hosts, ROUTER_PREFIX, slice_of(host.p, i + 1)));
    }
}

static bool conclude(const struct search *s)
{
    struct router_match *match = s->match;
    uint32_t number = s->best != ROUTER_NONE ? s->best : s->wrong;
    match->undecided = s->open < number; /* ROUTER_NONE is the worst */
    if (match->undecided) {
        number = s->open;
        match->captures_n = 0;
    }
    if (number == ROUTER_NONE)
        return false;
    const struct router_rule *rule = &s->r->rules[number];
    match->route = rule->route;
    match->path = rule->path;
    match->wrong_protocol = !match->undecided && s->best == ROUTER_NONE;
    match->stripped = match->captures_n > 0              ? match->captures[0].to
                      : rule->path && !rule->path->regex ? rule->path->text.n
                                                         : 0;
    return true;
}

bool router_find(const struct router *router, const struct router_query *query,
                 struct router_match *match)
{
    struct search s = { router, query, match, ROUTER_NONE, ROUTER_NONE, ROUTER_NONE };
    match->captures_n = 0;
    if (query->host.n > 0) {
        search_set(&s, router_table_get(&router->hosts, ROUTER_EXACT, query->host));
        if (router->suffixes || router->prefixes)
            search_wildcards(&s);
    }
    search_set(&s, 0);
    return conclude(&s);
}
