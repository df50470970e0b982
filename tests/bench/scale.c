/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hit costs the worker when one object is stored, and when a million are: whole requests
 * through a whole gateway with one worker, 1 KB objects, keys at random, 32 keep-alive clients. CPU
 * time is the kernel's count for that process (schedstat), cycles and instructions are the
 * processor's where it counts them. Least of several rounds, taken in turns.
 *
 *   scale build/gateway [objects [off|try]]      (huge_pages; 2 GB for a million)
 */
#include "tests/bench/staged.h"
#include <linux/perf_event.h>
#include <sys/syscall.h>

enum { BODY = 1000, CLIENTS = 32, OBJECTS = 1000000, ROUNDS = 9, REQUESTS = 16000, PIPELINE = 64 };
enum { COUNTERS = 4, REPLY_ROOM = 65536 };

static const struct counter {
    const char *name;
    uint64_t config;
    bool kernel;
} counters[COUNTERS] = {
    { "instructions", PERF_COUNT_HW_INSTRUCTIONS, false },
    { "cycles", PERF_COUNT_HW_CPU_CYCLES, false },
    { "instructions in the kernel", PERF_COUNT_HW_INSTRUCTIONS, true },
    { "cycles in the kernel", PERF_COUNT_HW_CPU_CYCLES, true },
};

struct cost {
    double us, count[COUNTERS];
};

/* --- the origin ----------------------------------------------------------------------------- */

static void answer(int fd)
{
    char in[8192], out[BODY + 256];
    int n = sprintf(out,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                    "Cache-Control: max-age=86400\r\nContent-Length: %d\r\n\r\n",
                    BODY);

    memset(out + n, 'x', BODY);
    while (read(fd, in, sizeof in) > 0)
        must(write(fd, out, (size_t)n + BODY) == n + BODY, "origin");
    _exit(0);
}

/* --- the clients ---------------------------------------------------------------------------- */

/* Reads n responses; their sizes are not equal while the cache is filled, so heads are counted. */
static void read_replies(int fd, int n)
{
    static char in[REPLY_ROOM];
    static const char mark[] = "HTTP/1.1 200";
    size_t seen = 0;

    for (size_t body = 0; n > 0 || body > 0;) {
        ssize_t got = read(fd, in + seen, sizeof in - seen);
        must(got > 0, "a response");
        seen += (size_t)got;
        char *at = in;
        for (;;) {
            size_t left = (size_t)(in + seen - at), take = body < left ? body : left;
            at += take;
            body -= take;
            left -= take;
            char *end = body == 0 ? memmem(at, left, "\r\n\r\n", 4) : NULL;
            if (!end || n == 0)
                break;
            must(memcmp(at, mark, sizeof mark - 1) == 0, "a response that is not 200");
            at = end + 4;
            body = BODY;
            n--;
        }
        seen = (size_t)(in + seen - at);
        memmove(in, at, seen);
    }
}

static void ask(int fd, uint32_t number)
{
    char out[128];
    int n = sprintf(out, "GET /catalogue/items/%08u HTTP/1.1\r\nHost: h\r\n\r\n", number);

    must(write(fd, out, (size_t)n) == n, "write");
}

static void fill(uint16_t port, uint32_t objects)
{
    int fd = connect_to(port);

    must(fd >= 0, "connect");
    for (uint32_t i = 0; i < objects; i += PIPELINE) {
        int n = 0;
        for (; n < PIPELINE && i + (uint32_t)n < objects; n++)
            ask(fd, i + (uint32_t)n);
        read_replies(fd, n);
    }
    close(fd);
}

/* All clients ask, then all answers are read: the worker has CLIENTS requests a turn. */
static void hits(const int *fd, uint32_t objects)
{
    static uint32_t dice = 1;

    for (int i = 0; i < REQUESTS / CLIENTS; i++) {
        for (int k = 0; k < CLIENTS; k++) {
            dice = dice * 1664525u + 1013904223u;
            ask(fd[k], (uint32_t)((uint64_t)dice * objects >> 32));
        }
        for (int k = 0; k < CLIENTS; k++)
            read_replies(fd[k], 1);
    }
}

/* --- what it costs -------------------------------------------------------------------------- */

static double cpu_us(pid_t pid)
{
    char path[64];
    unsigned long long ns = 0;

    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    FILE *f = fopen(path, "r");
    must(f && fscanf(f, "%llu", &ns) == 1, path);
    fclose(f);
    return (double)ns / 1e3;
}

static bool is_named(int pid, const char *name)
{
    char path[64], comm[64] = "";

    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    FILE *f = fopen(path, "r");
    bool is = f && fgets(comm, sizeof comm, f) && strncmp(comm, name, strlen(name)) == 0;
    if (f)
        fclose(f);
    return is;
}

/* The child whose name begins so, as soon as there is one. */
static pid_t child_of(pid_t parent, const char *name)
{
    char path[64];
    int pid = 0, found = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    for (int i = 0; found == 0; i++) {
        must(i < 500, "no worker");
        sleep_ms(20);
        FILE *f = fopen(path, "r");
        must(f != NULL, path);
        while (found == 0 && fscanf(f, "%d", &pid) == 1)
            found = is_named(pid, name) ? pid : 0;
        fclose(f);
    }
    return found;
}

static int open_counter(const struct counter *c, pid_t pid)
{
    struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE,
                                    .size = sizeof attr,
                                    .config = c->config,
                                    .exclude_kernel = !c->kernel,
                                    .exclude_user = c->kernel,
                                    .exclude_hv = 1 };

    return (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, 0);
}

static double read_counter(int fd)
{
    uint64_t n = 0;

    return fd >= 0 && read(fd, &n, sizeof n) == sizeof n ? (double)n : 0;
}

static void measure(const int *clients, const int *events, pid_t worker, uint32_t objects,
                    struct cost *least)
{
    double before[COUNTERS], us = cpu_us(worker);

    for (int i = 0; i < COUNTERS; i++)
        before[i] = read_counter(events[i]);
    hits(clients, objects);
    us = (cpu_us(worker) - us) / REQUESTS;
    least->us = us < least->us ? us : least->us;
    for (int i = 0; i < COUNTERS; i++) {
        double n = (read_counter(events[i]) - before[i]) / REQUESTS;
        least->count[i] = n < least->count[i] ? n : least->count[i];
    }
}

static void print(const char *what, double one, double many)
{
    if (one > 0)
        printf("%-28s %10.2f %10.2f   %+5.1f %%\n", what, one, many, (many / one - 1) * 100);
}

int main(int argc, char **argv)
{
    static const struct cost none = { 1e300, { 1e300, 1e300, 1e300, 1e300 } };
    struct cost one = none, many = none;
    char dir[] = "/tmp/scale.XXXXXX", dict[128];
    uint32_t objects = argc > 2 ? (uint32_t)atoi(argv[2]) : OBJECTS;
    int clients[CLIENTS], events[COUNTERS];
    uint16_t origin, port;

    if (argc < 2 || objects < 1)
        return 2;
    snprintf(dict, sizeof dict, "size = \"%um\"; huge_pages = \"%s\";", 16 + objects / 600,
             argc > 3 ? argv[3] : "off");
    pid_t origin_pid = begin_origin(&origin, answer);
    pid_t gateway = begin_gateway(argv[1], dir, 1, dict, origin, &port);
    pid_t worker = child_of(gateway, "worker");
    fill(port, objects);
    for (int i = 0; i < COUNTERS; i++)
        events[i] = open_counter(&counters[i], worker);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connect_to(port);
        must(clients[i] >= 0, "connect");
    }
    hits(clients, objects); /* all that is allocated once is */
    for (int i = 0; i < ROUNDS; i++) {
        measure(clients, events, worker, 1, &one);
        measure(clients, events, worker, objects, &many);
    }
    printf("%-28s %10s %10u\n", "a hit among", "1", objects);
    print("us of CPU", one.us, many.us);
    for (int i = 0; i < COUNTERS; i++)
        print(counters[i].name, one.count[i], many.count[i]);
    print("cycles in all", one.count[1] + one.count[3], many.count[1] + many.count[3]);
    end_gateway(gateway, dir);
    kill(origin_pid, SIGKILL);
    return 0;
}
