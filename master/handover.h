/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary upgrade: what one master leaves to the next. The successor inherits descriptors over
 * exec; a text in its environment says what each of them is. The two talk over a socket until the
 * older one has ended. Text and words hold between binaries of different versions, so they change
 * with HANDOVER_VERSION alone.
 */
#ifndef MASTER_HANDOVER_H
#define MASTER_HANDOVER_H

#include "master/master.h"

#define HANDOVER_VARIABLE "GATEWAY_HANDOVER"

enum {
    HANDOVER_VERSION = 1,
    HANDOVER_ZONES = HERITAGE_DICTS_MAX + 32,
    HANDOVER_TEXT = 32768,
    HANDOVER_SAID = 4096
};

struct handover_slot {
    int slot;
    pid_t pid; /* 0: its process is being replaced */
};

/* What the older master knows of a zone, since what stands in shared memory may be anything. */
struct handover_zone {
    int fd;
    uint32_t kind, version; /* enum zone_kind, and its layout; 0: not told, by an older binary */
    char name[REGION_NAME_MAX]; /* of a dictionary, else "" */
};

struct handover {
    uint64_t generation; /* that serves */
    pid_t master;        /* who hands over */
    int link;
    struct files_pid pid_file;
    int sockets[MASTER_SOCKETS], bells[BELLS_MAX];
    struct handover_zone zones[HANDOVER_ZONES];
    struct handover_slot slots[BOARD_SLOTS]; /* in use, not to be given to anybody */
    size_t sockets_n, zones_n, bells_n, slots_n;
};

/* Writes the text; false: it does not fit. */
bool handover_print(const struct handover *h, char *out, size_t size);
/* Reads it back. Words that are not known are left out. False: *refusal says what is wrong. */
bool handover_parse(const char *text, struct handover *h, struct refusal *refusal);

/* Every descriptor that *h names, the link among them: whether exec closes it. False: one of them
 * is none (errno). */
bool handover_close_on_exec(const struct handover *h, bool close);

/* What is said over the link, one packet a word: a letter and a text. */
enum handover_word {
    HANDOVER_READY = 'R',   /* successor: all of its processes serve; waits for GO */
    HANDOVER_GO = 'G',      /* predecessor: it retires from here on */
    HANDOVER_UP = 'U',      /* successor: it has taken over; the text says what serves */
    HANDOVER_REFUSED = 'N', /* successor: it cannot; the text says why */
};

/* Never blocks; false: nobody hears it. */
bool handover_say(int link, enum handover_word word, const char *text);
/* 1: *word and its text; 0: nothing now; -1: the other side is gone. */
int handover_hear(int link, enum handover_word *word, char text[HANDOVER_SAID]);

/* For a program that ends before it is a master: tells who is waiting for it, if anybody is. */
void handover_decline(const char *why);

#endif
