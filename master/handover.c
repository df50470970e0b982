/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text is lines of words and numbers, one thing a line:
 *
 *   gateway 1                 the version of this text
 *   generation 7              that serves
 *   master 4711
 *   link 5                    descriptors, by what they are
 *   pid_file 6 /run/gateway/gateway.pid
 *   socket 7                  its address is asked of the kernel
 *   zone 8 5 7 cache          kind, layout, and the name of a dictionary
 *   bell 9
 *   slot 3 4712               on the board, and the process that has it
 */
#include "master/handover.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the text -------------------------------------------------------------------------- */

struct handover_writer {
    char *out;
    size_t n, size;
};

static void handover_line(struct handover_writer *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void handover_line(struct handover_writer *w, const char *format, ...)
{
    va_list args;
    int n;

    if (w->n >= w->size)
        return;
    va_start(args, format);
    n = vsnprintf(w->out + w->n, w->size - w->n, format, args);
    va_end(args);
    w->n = n < 0 ? w->size : w->n + (size_t)n;
}

bool handover_print(const struct handover *h, char *out, size_t size)
{
    struct handover_writer w = { out, 0, size };

    handover_line(&w, "gateway %d\ngeneration %llu\nmaster %d\nlink %d\n", HANDOVER_VERSION,
                  (unsigned long long)h->generation, (int)h->master, h->link);
    if (h->pid_file.fd >= 0)
        handover_line(&w, "pid_file %d %s\n", h->pid_file.fd, h->pid_file.path);
    for (size_t i = 0; i < h->sockets_n; i++)
        handover_line(&w, "socket %d\n", h->sockets[i]);
    for (size_t i = 0; i < h->zones_n; i++)
        handover_line(&w, "zone %d %u %u %s\n", h->zones[i].fd, h->zones[i].kind,
                      h->zones[i].version, h->zones[i].name);
    for (size_t i = 0; i < h->bells_n; i++)
        handover_line(&w, "bell %d\n", h->bells[i]);
    for (size_t i = 0; i < h->slots_n; i++)
        handover_line(&w, "slot %d %d\n", h->slots[i].slot, (int)h->slots[i].pid);
    bool one_line = h->pid_file.fd < 0 || strchr(h->pid_file.path, '\n') == NULL;
    for (size_t i = 0; i < h->zones_n; i++)
        one_line &= strchr(h->zones[i].name, '\n') == NULL;
    return w.n < w.size && one_line;
}

/* A number that is nothing but digits; *rest: what follows it and one space. */
static bool handover_number(const char *text, uint64_t most, uint64_t *out, const char **rest)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (errno || *out > most || (*end != '\0' && *end != ' '))
        return false;
    *rest = *end == ' ' ? end + 1 : end;
    return true;
}

static bool handover_add(int *list, size_t *n, size_t max, uint64_t fd)
{
    if (*n == max)
        return false;
    list[(*n)++] = (int)fd;
    return true;
}

static bool handover_take_slot(struct handover *h, uint64_t slot, const char *rest)
{
    uint64_t pid;

    if (slot >= BOARD_SLOTS || h->slots_n == BOARD_SLOTS ||
        !handover_number(rest, INT32_MAX, &pid, &rest))
        return false;
    h->slots[h->slots_n++] = (struct handover_slot){ (int)slot, (pid_t)pid };
    return true;
}

static bool handover_take_zone(struct handover *h, uint64_t fd, const char *rest)
{
    struct handover_zone zone = { .fd = (int)fd };
    uint64_t kind, version;

    if (h->zones_n == HANDOVER_ZONES)
        return false;
    if (*rest != '\0') {
        if (!handover_number(rest, UINT32_MAX, &kind, &rest) ||
            !handover_number(rest, UINT32_MAX, &version, &rest) || strlen(rest) >= sizeof zone.name)
            return false;
        zone.kind = (uint32_t)kind;
        zone.version = (uint32_t)version;
        strcpy(zone.name, rest);
    }
    h->zones[h->zones_n++] = zone;
    return true;
}

static bool handover_take_path(struct files_pid *pid, uint64_t fd, const char *path)
{
    if (path[0] == '\0' || strlen(path) >= sizeof pid->path)
        return false;
    pid->fd = (int)fd;
    strcpy(pid->path, path);
    return true;
}

static bool handover_take(struct handover *h, const char *word, uint64_t n, const char *rest)
{
    if (strcmp(word, "socket") == 0)
        return handover_add(h->sockets, &h->sockets_n, MASTER_SOCKETS, n);
    if (strcmp(word, "zone") == 0)
        return handover_take_zone(h, n, rest);
    if (strcmp(word, "bell") == 0)
        return handover_add(h->bells, &h->bells_n, BELLS_MAX, n);
    if (strcmp(word, "slot") == 0)
        return handover_take_slot(h, n, rest);
    if (strcmp(word, "pid_file") == 0)
        return handover_take_path(&h->pid_file, n, rest);
    if (strcmp(word, "generation") == 0)
        h->generation = n;
    else if (strcmp(word, "master") == 0)
        h->master = (pid_t)n;
    else if (strcmp(word, "link") == 0)
        h->link = (int)n;
    return true;
}

static bool handover_read_line(struct handover *h, char *line)
{
    char *space = strchr(line, ' ');
    const char *rest;
    uint64_t n;
    bool wide;

    if (space == NULL)
        return false;
    *space = '\0';
    wide = strcmp(line, "generation") == 0;
    return handover_number(space + 1, wide ? UINT64_MAX : INT32_MAX, &n, &rest) &&
           handover_take(h, line, n, rest);
}

bool handover_parse(const char *text, struct handover *h, struct refusal *refusal)
{
    char head[32], *copy = strdup(text), *line, *state = NULL;
    bool good = copy != NULL;

    memset(h, 0, sizeof *h);
    h->link = h->pid_file.fd = -1;
    (void)snprintf(head, sizeof head, "gateway %d\n", HANDOVER_VERSION);
    if (good && strncmp(text, head, strlen(head)) != 0) {
        free(copy);
        return refusal_say(refusal,
                           "what the other master hands over is not of version %d: \"%.*s\"",
                           HANDOVER_VERSION, (int)strcspn(text, "\n"), text);
    }
    for (line = good ? strtok_r(copy, "\n", &state) : NULL; line && good;
         line = strtok_r(NULL, "\n", &state))
        good = handover_read_line(h, line);
    free(copy);
    if (!good || h->link < 0 || h->master <= 0)
        return refusal_say(refusal, "what the other master hands over cannot be read");
    return true;
}

/* --- descriptors ----------------------------------------------------------------------- */

static bool handover_flag(int fd, bool close)
{
    return fcntl(fd, F_SETFD, close ? FD_CLOEXEC : 0) == 0;
}

static bool handover_flags(const int *list, size_t n, bool close)
{
    bool good = true;

    for (size_t i = 0; i < n; i++)
        good &= handover_flag(list[i], close);
    return good;
}

bool handover_close_on_exec(const struct handover *h, bool close)
{
    bool good = handover_flags(h->sockets, h->sockets_n, close);

    for (size_t i = 0; i < h->zones_n; i++)
        good &= handover_flag(h->zones[i].fd, close);
    good &= handover_flags(h->bells, h->bells_n, close);
    good &= handover_flag(h->link, close);
    return good && (h->pid_file.fd < 0 || handover_flag(h->pid_file.fd, close));
}

/* --- the link -------------------------------------------------------------------------- */

bool handover_say(int link, enum handover_word word, const char *text)
{
    char packet[HANDOVER_SAID + 1];
    size_t n = text ? strnlen(text, HANDOVER_SAID - 1) : 0;

    packet[0] = (char)word;
    if (n > 0)
        memcpy(packet + 1, text, n);
    return send(link, packet, n + 1, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n + 1;
}

int handover_hear(int link, enum handover_word *word, char text[HANDOVER_SAID])
{
    char packet[HANDOVER_SAID + 1];
    ssize_t n = recv(link, packet, HANDOVER_SAID, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return -1;
    *word = (enum handover_word)(unsigned char)packet[0];
    memcpy(text, packet + 1, (size_t)n - 1);
    text[n - 1] = '\0';
    return 1;
}

void handover_decline(const char *why)
{
    const char *text = getenv(HANDOVER_VARIABLE);
    struct handover *h = text ? malloc(sizeof *h) : NULL;
    struct refusal refusal;

    if (h && handover_parse(text, h, &refusal))
        (void)handover_say(h->link, HANDOVER_REFUSED, why);
    free(h);
}
