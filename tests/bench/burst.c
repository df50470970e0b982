/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A burst for one cold key: 1,000 clients ask the gateway (four workers) for an object that nobody
 * has, the origin answers once, 300 ms later. How long after the first one does the last client
 * have its first byte? Beside it the bare cost: four processes that hold 250 sockets each are woken
 * and call send() with the same bytes, nothing else.
 *
 * Each arrival is stamped by the kernel (SO_TIMESTAMPNS) and read when all is over; the clients
 * sleep meanwhile, so that of what they cost only their side of TCP is in the measure. The larger
 * part of that is an acknowledgement at once for each response: a third of the time here, and none
 * of it where clients have machines of their own. So clients that put it off (TCP_QUICKACK) make a
 * second measure. Prints the least, median and largest of the rounds in ms; it fails when a burst
 * reached the origin other than once.
 *
 *   burst build/gateway [rounds]
 */
#include "tests/bench/staged.h"
#include <netinet/tcp.h>

enum {
    CLIENTS = 1000,
    WORKERS = 4,
    BODY = 1000,
    ORIGIN_MS = 300,
    ROUNDS = 20,
    ROUNDS_MAX = 1000,
    ROOM = 8192
};

static _Atomic uint32_t *asked; /* requests that the origin saw */

/* --- the origin ----------------------------------------------------------------------------- */

static size_t response(char *out)
{
    int n = sprintf(out,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: max-age=600\r\n"
                    "Content-Length: %d\r\n\r\n",
                    BODY);

    memset(out + n, 'x', BODY);
    return (size_t)n + BODY;
}

static void answer(int fd)
{
    char request[ROOM], out[ROOM];
    size_t n = response(out);

    while (read(fd, request, sizeof request) > 0) {
        atomic_fetch_add(asked, 1);
        sleep_ms(ORIGIN_MS);
        must(write(fd, out, n) == (ssize_t)n, "origin");
    }
    _exit(0);
}

/* --- the clients ---------------------------------------------------------------------------- */

/* The rest of a response behind its first byte; its length. */
static size_t read_response(int fd, char *out)
{
    const char *end = NULL;
    size_t n = 1;

    while (!end || n < (size_t)(end + 4 - out) + BODY) {
        ssize_t got = read(fd, out + n, ROOM - 1 - n);
        must(got > 0, "a client got no response");
        out[n += (size_t)got] = '\0';
        end = strstr(out, "\r\n\r\n");
    }
    must(strncmp(out, "HTTP/1.1 200 ", 13) == 0, "not what was asked for");
    return n;
}

/* The client's side acknowledges late. */
static void put_off(int fd)
{
    int off = 0;

    must(setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off) == 0, "TCP_QUICKACK");
}

static void ask(int fd, const char *path)
{
    char request[128];
    int n = sprintf(request, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);

    must(write(fd, request, (size_t)n) == n, "write");
}

/* When the first byte of a response came, which is read then. */
static double stamp_of(int fd, char *first)
{
    char control[256];
    struct iovec iov = { first, 1 };
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };

    must(recvmsg(fd, &m, 0) == 1, "a client got nothing");
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        struct timespec t;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        return ms_of(t);
    }
    must(false, "no time stamp");
    return 0;
}

/* Milliseconds from the first arrival to the last, when all is over. *bytes: of a response. */
static double spread(const int *fd, size_t *bytes)
{
    double first = 1e300, last = 0;
    char out[ROOM];

    for (int i = 0; i < CLIENTS; i++) {
        double at = stamp_of(fd[i], out);
        first = at < first ? at : first;
        last = at > last ? at : last;
        *bytes = read_response(fd[i], out);
    }
    return last - first;
}

static double burst(uint16_t port, int round, bool late, size_t *bytes)
{
    int fd[CLIENTS];
    char path[64];

    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = connect_to(port);
        must(fd[i] >= 0, "connect");
        if (late)
            put_off(fd[i]);
    }
    sleep_ms(100); /* all are accepted */
    uint32_t before = atomic_load(asked);
    sprintf(path, "/%d-%d", round, late);
    for (int i = 0; i < CLIENTS; i++)
        ask(fd[i], path);
    sleep_ms(ORIGIN_MS + 200);
    double ms = spread(fd, bytes);
    must(atomic_load(asked) == before + 1, "the origin was asked other than once");
    for (int i = 0; i < CLIENTS; i++)
        close(fd[i]);
    sleep_ms(50);
    return ms;
}

/* --- the bare calls ------------------------------------------------------------------------- */

static const char *bare_response(size_t bytes)
{
    static char out[ROOM];
    int n = sprintf(out, "HTTP/1.1 200 OK\r\nX: ");

    must(bytes < sizeof out && (size_t)n + 4 + BODY < bytes, "the response's length");
    memset(out + n, 'x', bytes - (size_t)n);
    memcpy(out + bytes - BODY - 4, "\r\n\r\n", 4);
    return out;
}

static void serve_bare(const int *fd, int bell, size_t bytes)
{
    const char *out = bare_response(bytes);
    eventfd_t rings;

    must(eventfd_read(bell, &rings) == 0, "bell");
    for (int i = 0; i < CLIENTS / WORKERS; i++)
        must(send(fd[i], out, bytes, 0) == (ssize_t)bytes, "send");
    _exit(0);
}

static double bare(bool late, size_t bytes)
{
    uint16_t port;
    int listener = listen_on(&port), fd[CLIENTS], server[CLIENTS], bell[WORKERS];
    char request[ROOM];

    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = connect_to(port);
        server[i] = accept(listener, NULL, NULL);
        must(fd[i] >= 0 && server[i] >= 0, "connect");
        if (late)
            put_off(fd[i]);
        ask(fd[i], "/");
        must(read(server[i], request, sizeof request) > 0, "read");
    }
    for (int i = 0; i < WORKERS; i++) {
        bell[i] = eventfd(0, 0);
        if (begin_child() == 0)
            serve_bare(server + i * (CLIENTS / WORKERS), bell[i], bytes);
    }
    sleep_ms(ORIGIN_MS);
    for (int i = 0; i < WORKERS; i++)
        must(eventfd_write(bell[i], 1) == 0, "bell");
    sleep_ms(200);
    double ms = spread(fd, &bytes);
    for (int i = 0; i < CLIENTS; i++) {
        close(fd[i]);
        close(server[i]);
    }
    for (int i = 0; i < WORKERS; i++)
        close(bell[i]);
    close(listener);
    return ms;
}

/* --- the figures ---------------------------------------------------------------------------- */

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void sort(double *ms, int n)
{
    qsort(ms, (size_t)n, sizeof *ms, order);
}

static void measure(uint16_t port, int rounds, bool late)
{
    static double ours[ROUNDS_MAX], floor[ROUNDS_MAX];
    size_t bytes = 0;

    for (int i = 0; i < rounds; i++) {
        ours[i] = burst(port, i, late, &bytes);
        floor[i] = bare(late, bytes);
    }
    sort(ours, rounds);
    sort(floor, rounds);
    int half = rounds / 2;
    printf("%zu bytes each, acknowledged %s:\n", bytes, late ? "late" : "at once");
    printf("  gateway  least %6.2f  median %6.2f  largest %6.2f  x bare %.2f\n", ours[0],
           ours[half], ours[rounds - 1], ours[half] / floor[half]);
    printf("  bare     least %6.2f  median %6.2f  largest %6.2f\n", floor[0], floor[half],
           floor[rounds - 1]);
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/burst.XXXXXX";
    int rounds = argc > 2 ? atoi(argv[2]) : ROUNDS;
    uint16_t origin, port;

    if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX)
        return 2;
    asked = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(asked != MAP_FAILED, "mmap");
    pid_t origin_pid = begin_origin(&origin, answer);
    pid_t gateway = begin_gateway(argv[1], dir, WORKERS, "size = \"32m\";", origin, &port);
    printf(
        "%d clients, %d workers, %d rounds; ms from the first client's first byte to the last's\n",
        CLIENTS, WORKERS, rounds);
    measure(port, rounds, false);
    measure(port, rounds, true);
    printf("%u bursts, %u requests for them at the origin\n", 2 * (unsigned)rounds,
           atomic_load(asked));
    end_gateway(gateway, dir);
    kill(origin_pid, SIGKILL);
    return 0;
}
