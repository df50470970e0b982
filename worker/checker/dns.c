/* SPDX-License-Identifier: Apache-2.0 */
/*
 * c-ares keeps the sockets and their timeouts and says which events it wants; each socket is one
 * registration, level-triggered, since it may leave bytes unread. A lookup lives until the last of
 * its questions is answered; c-ares answers all of them, also when its channel is destroyed.
 */
#include "worker/checker/dns.h"
#include "worker/base/log.h"
#include "worker/checker/srv.h"
#include <ares.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    DNS_TIMEOUT_MS = 2000, /* for each try */
    DNS_TRIES = 3,
    DNS_HOSTS_TTL = 5, /* s: the hosts file is read again then */
    DNS_IDLE_MS = 1000,
    CLASS_IN = 1,
    TYPE_SRV = 33
};

struct dns_io {
    struct loop_io io;
    struct loop_later later;
    struct dns_io *next;
    struct dns_line *line;
    bool reads, writes;
};

/* A channel of c-ares, and what it waits for. */
struct dns_line {
    struct dns_room *room;
    ares_channel channel; /* NULL: it could not be opened */
    struct dns_io *ios;
    struct timer timer;
};

struct dns_room {
    struct loop *loop;
    const struct conf *conf;
    struct dns_line searched; /* names as configured, by the search list of resolv.conf */
    struct dns_line exact;    /* names as they are, which is what SRV records say */
    bool closing;
};

struct dns_lookup {
    struct dns_room *room;
    dns_done *done;
    void *owner;
    unsigned pending; /* questions without an answer */
    unsigned had;     /* what the last good answer had: CONF_DNS_* */
    uint32_t ttl;
    const char *failure; /* of a question; NULL: none */
    char name[ANSWER_NAME];
    struct answer answer;
};

/* A question for the addresses of a host. */
struct dns_host {
    struct dns_lookup *lookup;
    bool final; /* nothing more is asked after it */
    uint16_t port, priority, weight;
    char name[SRV_NAME];
};

/* --- sockets and timeouts ------------------------------------------------------------------- */

static void tick(struct timer *timer);

/* c-ares knows when it wants to be called next. */
static void set_timer(struct dns_line *line)
{
    struct timeval most = { .tv_sec = DNS_IDLE_MS / 1000 }, left;
    struct timeval *wait = ares_timeout(line->channel, &most, &left);
    struct loop *loop = line->room->loop;
    timer_set(&loop->timers, &line->timer,
              loop->now.ms + wait->tv_sec * 1000 + wait->tv_usec / 1000, tick);
}

static void tick(struct timer *timer)
{
    struct dns_line *line = (struct dns_line *)((char *)timer - offsetof(struct dns_line, timer));
    ares_process_fd(line->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(line);
}

static void on_socket(struct loop_io *io, uint32_t events)
{
    struct dns_io *own = (struct dns_io *)io;
    struct dns_line *line = own->line;
    bool in = own->reads && (events & ~(uint32_t)EPOLLOUT),
         out = own->writes && (events & EPOLLOUT);
    ares_process_fd(line->channel, in ? io->fd : ARES_SOCKET_BAD, out ? io->fd : ARES_SOCKET_BAD);
    set_timer(line);
}

static void free_io(struct loop_later *later)
{
    free((char *)later - offsetof(struct dns_io, later));
}

static void drop_io(struct dns_line *line, struct dns_io *io)
{
    struct dns_io **at = &line->ios;
    while (*at != io)
        at = &(*at)->next;
    *at = io->next;
    loop_unwatch(line->room->loop, &io->io);
    io->io.fd = -1;
    loop_defer(line->room->loop, &io->later, free_io);
}

/* c-ares wants to hear of a socket, or no more. Where there is no memory, its timeout helps. */
static void on_state(void *owner, ares_socket_t fd, int reads, int writes)
{
    struct dns_line *line = owner;
    struct dns_io *io = line->ios;
    while (io && io->io.fd != fd)
        io = io->next;
    if (io && !reads && !writes) {
        drop_io(line, io);
        return;
    }
    if (!reads && !writes)
        return;
    if (io) {
        loop_unwatch(line->room->loop, &io->io);
    } else {
        io = calloc(1, sizeof *io);
        if (!io)
            return;
        io->line = line;
        io->io = (struct loop_io){ .fd = fd, .ready = on_socket };
        io->next = line->ios;
        line->ios = io;
    }
    io->reads = reads;
    io->writes = writes;
    (void)loop_watch(line->room->loop, &io->io, (reads ? EPOLLIN : 0u) | (writes ? EPOLLOUT : 0u));
}

/* --- the end of a lookup -------------------------------------------------------------------- */

static void finish(struct dns_lookup *l, enum dns_outcome outcome, const char *why)
{
    if (!l->room->closing) {
        answer_sort(&l->answer);
        l->done(l->owner, outcome, &l->answer, l->ttl, why);
    }
    free(l);
}

static void conclude(struct dns_lookup *l)
{
    if (l->pending > 0)
        return;
    if (l->answer.n > 0)
        finish(l, DNS_FOUND, l->failure ? l->failure : "");
    else if (l->failure)
        finish(l, DNS_FAILED, l->failure);
    else
        finish(l, DNS_NOTHING, "the name has no address");
}

static void hold_ttl(struct dns_lookup *l, uint32_t ttl)
{
    if (ttl < l->ttl)
        l->ttl = ttl;
}

static bool says_nothing(int status)
{
    return status == ARES_ENODATA || status == ARES_ENOTFOUND;
}

/* --- addresses ------------------------------------------------------------------------------ */

static void add_place(struct dns_lookup *l, const struct dns_host *host, int family, const void *ip)
{
    struct answer_place place = { .six = family == AF_INET6,
                                  .port = host ? host->port : 0,
                                  .priority = host ? host->priority : 0,
                                  .weight = host ? host->weight : 0 };
    if (l->answer.n == ANSWER_PLACES || (family != AF_INET && family != AF_INET6))
        return;
    memcpy(place.ip, ip, family == AF_INET6 ? 16 : 4);
    l->answer.places[l->answer.n++] = place;
}

static void add_node(struct dns_lookup *l, const struct dns_host *host,
                     const struct ares_addrinfo_node *node)
{
    if (node->ai_family == AF_INET)
        add_place(l, host, AF_INET, &((const struct sockaddr_in *)(void *)node->ai_addr)->sin_addr);
    else if (node->ai_family == AF_INET6)
        add_place(l, host, AF_INET6,
                  &((const struct sockaddr_in6 *)(void *)node->ai_addr)->sin6_addr);
    hold_ttl(l, node->ai_ttl > 0 ? (uint32_t)node->ai_ttl : 0);
}

static void ask_lost(struct dns_lookup *l, const char *name, unsigned found);

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
    struct dns_host *host = arg;
    struct dns_lookup *l = host->lookup;
    unsigned found = 0;
    (void)timeouts;
    if (status == ARES_SUCCESS && result)
        for (const struct ares_addrinfo_node *node = result->nodes; node; node = node->ai_next) {
            add_node(l, host, node);
            found |= node->ai_family == AF_INET6 ? CONF_DNS_AAAA : CONF_DNS_A;
        }
    else if (!says_nothing(status))
        l->failure = ares_strerror(status);
    if (found && !host->final)
        ask_lost(l, result->name ? result->name : l->name, found);
    if (result)
        ares_freeaddrinfo(result);
    free(host);
    l->pending--;
    conclude(l);
}

/* A question for addresses of those types. NULL: no memory, which is noted. */
static struct dns_host *make_host(struct dns_lookup *l, const char *name)
{
    struct dns_host *host = calloc(1, sizeof *host);
    if (!host) {
        l->failure = "no memory";
        return NULL;
    }
    host->lookup = l;
    memcpy(host->name, name, strnlen(name, SRV_NAME - 1));
    return host;
}

/* The caller keeps a question of its own pending, so that the lookup does not end here. */
static void ask(struct dns_host *host, struct dns_line *line, unsigned types)
{
    struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT,
                                         .ai_socktype = SOCK_STREAM,
                                         .ai_family = types == CONF_DNS_A      ? AF_INET
                                                      : types == CONF_DNS_AAAA ? AF_INET6
                                                                               : AF_UNSPEC };
    host->lookup->pending++;
    ares_getaddrinfo(line->channel, host->name, NULL, &hints, on_addresses, host);
    set_timer(line);
}

static unsigned types_of(const struct dns_lookup *l)
{
    return l->room->conf->dns_types & (CONF_DNS_A | CONF_DNS_AAAA);
}

static void ask_addresses(struct dns_lookup *l)
{
    struct dns_host *host = make_host(l, l->name);
    if (host)
        ask(host, &l->room->searched, types_of(l));
}

/* c-ares tells of both families together, and takes an answer about one for enough: of what was
 * known before and is not found now it may be that nobody could be asked. `name`: the one that was
 * found, which the search list may have completed. */
static void ask_lost(struct dns_lookup *l, const char *name, unsigned found)
{
    unsigned lost = l->had & types_of(l) & ~found;
    struct dns_host *host = lost ? make_host(l, name) : NULL;
    if (!host)
        return;
    host->final = true;
    ask(host, &l->room->exact, lost);
}

/* The name in an SRV record is complete (RFC 2782). */
static void ask_srv_host(struct dns_lookup *l, const struct srv_record *srv)
{
    struct dns_host *host = make_host(l, srv->host);
    if (!host)
        return;
    host->final = true;
    host->port = srv->port;
    host->priority = srv->priority;
    host->weight = srv->weight;
    ask(host, &l->room->exact, types_of(l));
}

/* --- SRV ------------------------------------------------------------------------------------ */

static bool is_service(const char *name)
{
    return name[0] == '_';
}

/* There are no records, or it is not known: then the addresses of the name count, where it can
 * have any and had no records before. */
static void without_srv(struct dns_lookup *l, int status)
{
    bool nothing = says_nothing(status);
    if (!nothing && ((l->had & CONF_DNS_SRV) || is_service(l->name))) {
        l->failure = ares_strerror(status);
        return;
    }
    if (!is_service(l->name) && types_of(l))
        ask_addresses(l);
}

static void with_srv(struct dns_lookup *l, const struct srv_record *records, int n)
{
    l->answer.srv = true;
    for (int i = 0; i < n; i++) {
        hold_ttl(l, records[i].ttl);
        if (records[i].host[0])
            ask_srv_host(l, &records[i]);
    }
}

static void on_srv(void *arg, int status, int timeouts, unsigned char *message, int n)
{
    struct dns_lookup *l = arg;
    struct srv_record *records = calloc(SRV_RECORDS, sizeof *records);
    int found = status == ARES_SUCCESS && records ? srv_parse(message, (size_t)n, records) : 0;
    (void)timeouts;
    if (!records)
        status = ARES_ENOMEM;
    if (found < 0)
        status = ARES_EBADRESP;
    if (l->room->closing)
        l->failure = "closing";
    else if (found > 0)
        with_srv(l, records, found);
    else
        without_srv(l, status == ARES_SUCCESS ? ARES_ENODATA : status);
    free(records);
    l->pending--;
    conclude(l);
}

/* --- the hosts file ------------------------------------------------------------------------- */

static bool is_local(const char *name)
{
    size_t n = strlen(name);
    return strcasecmp(name, "localhost") == 0 ||
           (n > 10 && strcasecmp(name + n - 10, ".localhost") == 0);
}

static void add_hosts(struct dns_lookup *l, int family)
{
    struct hostent *found = NULL;
    if (ares_gethostbyname_file(l->room->searched.channel, l->name, family, &found) != ARES_SUCCESS)
        return;
    for (char **ip = found->h_addr_list; *ip; ip++)
        add_place(l, NULL, family, *ip);
    ares_free_hostent(found);
    hold_ttl(l, DNS_HOSTS_TTL);
}

/* --- all of it ------------------------------------------------------------------------------ */

bool dns_start(struct dns_room *room, const char *name, unsigned had, dns_done *done, void *owner)
{
    unsigned types = room->conf->dns_types;
    struct dns_lookup *l = calloc(1, sizeof *l);
    if (!l)
        return false;
    l->room = room;
    l->done = done;
    l->owner = owner;
    l->had = had;
    l->ttl = UINT32_MAX;
    l->pending = 1; /* this call */
    memcpy(l->name, name, strnlen(name, ANSWER_NAME - 1));
    if (types & CONF_DNS_A)
        add_hosts(l, AF_INET);
    if (types & CONF_DNS_AAAA)
        add_hosts(l, AF_INET6);
    if (l->answer.n == 0 && (is_service(name) || ((types & CONF_DNS_SRV) && !is_local(name)))) {
        l->pending++;
        ares_search(room->searched.channel, l->name, CLASS_IN, TYPE_SRV, on_srv, l);
        set_timer(&room->searched);
    } else if (l->answer.n == 0) {
        ask_addresses(l);
    }
    l->pending--;
    conclude(l);
    return true;
}

/* Those of the configuration, in place of those of resolv.conf. */
static int set_servers(ares_channel channel, const struct conf *conf)
{
    struct ares_addr_port_node *nodes = calloc(conf->dns_resolver_n + 1, sizeof *nodes);
    for (size_t i = 0; nodes && i < conf->dns_resolver_n; i++) {
        const struct conf_address *a = &conf->dns_resolver[i];
        bool six = a->u.any.sa_family == AF_INET6;
        nodes[i].family = a->u.any.sa_family;
        nodes[i].udp_port = nodes[i].tcp_port = ntohs(six ? a->u.in6.sin6_port : a->u.in.sin_port);
        if (six)
            memcpy(&nodes[i].addr.addr6, &a->u.in6.sin6_addr, 16);
        else
            nodes[i].addr.addr4 = a->u.in.sin_addr;
        if (i > 0)
            nodes[i - 1].next = &nodes[i];
    }
    int status = nodes ? ares_set_servers_ports(channel, nodes) : ARES_ENOMEM;
    free(nodes);
    return status;
}

/* `mask`: ARES_OPT_DOMAINS for one without a search list. */
static bool open_line(struct dns_line *line, struct dns_room *room, int mask)
{
    struct ares_options options = { .timeout = DNS_TIMEOUT_MS,
                                    .tries = DNS_TRIES,
                                    .sock_state_cb = on_state,
                                    .sock_state_cb_data = line };
    line->room = room;
    int status =
        ares_init_options(&line->channel, &options,
                          mask | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS)
        line->channel = NULL;
    else if (room->conf->dns_resolver_n > 0)
        status = set_servers(line->channel, room->conf);
    if (status != ARES_SUCCESS)
        log_write(LOG_LEVEL_ERROR, "names cannot be resolved: %s", ares_strerror(status));
    return status == ARES_SUCCESS;
}

static void close_line(struct dns_line *line)
{
    if (!line->channel)
        return;
    ares_destroy(line->channel);
    timer_drop(&line->room->loop->timers, &line->timer);
    while (line->ios)
        drop_io(line, line->ios);
}

struct dns_room *dns_open(struct loop *loop, const struct conf *conf)
{
    struct dns_room *room = calloc(1, sizeof *room);
    if (!room || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(room);
        return NULL;
    }
    room->loop = loop;
    room->conf = conf;
    if (!open_line(&room->searched, room, 0) || !open_line(&room->exact, room, ARES_OPT_DOMAINS))
        dns_close(&room);
    return room;
}

void dns_close(struct dns_room **room)
{
    struct dns_room *r = *room;
    *room = NULL;
    if (!r)
        return;
    r->closing = true;
    close_line(&r->searched);
    close_line(&r->exact);
    ares_library_cleanup();
    free(r);
}
