/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel shows the bytes where it put the arguments at exec, whatever they are now. Only that
 * room is used: the environment behind it stays where it is.
 */
#include "master/title.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static char title_name[] = "gateway";

static struct title_context {
    char *room;
    size_t size;
} title_self;

void title_init(int argc, char **argv)
{
    char *end = argv[0];

    for (int i = 0; i < argc && argv[i] == end; i++)
        end = argv[i] + strlen(argv[i]) + 1;
    title_self.room = argv[0];
    title_self.size = argc > 0 ? (size_t)(end - argv[0]) : 0;
}

void title_set(const char *what)
{
    (void)prctl(PR_SET_NAME, what);
    if (title_self.size == 0)
        return;
    /* libc keeps pointers into that room for its own messages. */
    program_invocation_name = program_invocation_short_name = title_name;
    memset(title_self.room, 0, title_self.size);
    (void)snprintf(title_self.room, title_self.size, "%s: %s", title_name, what);
}
