/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any lines as a list of addresses and networks: what is read holds exactly the addresses that one
 * of them holds, by a twin that looks at each in turn. The first 16 bytes are an address to ask
 * for; so are the first and the last of each network, and those beside them.
 */
#include "conf/endpoint.h"
#include "conf/load.h"
#include "conf/networks.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES = 256 };

static struct conf_text lines[LINES];
static struct conf_cidr nets[LINES];
static size_t lines_n;

static void check(bool expression)
{
    if (!expression)
        abort();
}

static bool same_bits(const uint8_t *a, const uint8_t *b, int bits)
{
    for (int i = 0; i < bits; i++)
        if (((a[i / 8] ^ b[i / 8]) >> (7 - i % 8)) & 1)
            return false;
    return true;
}

static bool is_mapped(const uint8_t ip[16])
{
    static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };
    return same_bits(ip, prefix, 96);
}

/* A network of IPv6 holds no address of IPv4, however wide it is. */
static bool slow_hold(const uint8_t ip[16])
{
    for (size_t i = 0; i < lines_n; i++)
        if (same_bits(nets[i].ip, ip, nets[i].bits) && (nets[i].bits >= 96 || !is_mapped(ip)))
            return true;
    return false;
}

static void ask(const struct conf_networks *set, const uint8_t ip[16])
{
    check(networks_hold(set, ip) == slow_hold(ip));
}

/* The first address of a network or, with `fill` 0xff, the last one; and its neighbour outside. */
static void ask_border(const struct conf_networks *set, const struct conf_cidr *net, uint8_t fill)
{
    uint8_t ip[16];
    memcpy(ip, net->ip, sizeof ip);
    for (int i = net->bits; fill && i < 128; i++)
        ip[i / 8] |= (uint8_t)(0x80 >> i % 8);
    ask(set, ip);
    for (int i = 15; i >= 0; i--) {
        uint8_t before = ip[i];
        ip[i] = (uint8_t)(fill ? before + 1 : before - 1);
        if (before != fill)
            break;
    }
    ask(set, ip);
}

static void read_lines(char *text)
{
    lines_n = 0;
    for (char *line = strtok(text, "\n"); line && lines_n < LINES; line = strtok(NULL, "\n")) {
        struct conf_text one = { line, strlen(line) };
        struct conf_cidr net = { 0 };
        if (endpoint_cidr(one, &net))
            continue;
        check(net.bits >= 0 && net.bits <= 128);
        for (int i = net.bits; i < 128; i++)
            check(!(net.ip[i / 8] & 0x80 >> i % 8));
        nets[lines_n] = net;
        lines[lines_n++] = one;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t ip[16] = { 0 };
    size_t head = size < sizeof ip ? size : sizeof ip;
    char *text = size < 1 << 14 ? calloc(1, size - head + 1) : NULL;
    struct load load = { 0 };
    jmp_buf no_memory;
    if (!text)
        return 0;
    memcpy(ip, data, head);
    memcpy(text, data + head, size - head);
    read_lines(text);
    load.memory.no_memory = load.scratch.no_memory = &no_memory;
    load.report.memory = &load.scratch;
    if (setjmp(no_memory) == 0) {
        struct conf_texts texts = { lines, lines_n };
        struct conf_networks set = networks_read(&load, &texts, NULL, "allow");
        for (size_t i = 1; i < set.n; i++)
            check(memcmp(set.v[i - 1].ip, set.v[i].ip, 16) < 0);
        ask(&set, ip);
        for (size_t i = 0; i < lines_n; i++) {
            ask_border(&set, &nets[i], 0);
            ask_border(&set, &nets[i], 0xff);
        }
    }
    memory_free(&load.memory);
    memory_free(&load.scratch);
    free(text);
    return 0;
}
