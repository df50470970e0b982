/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path of an upgrade comes from the control process, which has no rights and talks to others.
 * Were any file taken, whoever has that process would have the master. So the file has to be one
 * that only those could have put there who have the master's rights anyway.
 */
#include "master/program.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool program_find(const char *argv0, char out[PATH_MAX])
{
    ssize_t n;

    /* As it was written: a link on the way may lead to another version tomorrow. */
    if (argv0[0] == '/' && strlen(argv0) < PATH_MAX) {
        strcpy(out, argv0);
        return true;
    }
    if (strchr(argv0, '/') && getcwd(out, PATH_MAX)) {
        size_t at = strlen(out);
        return snprintf(out + at, PATH_MAX - at, "/%s", argv0) < (int)(PATH_MAX - at);
    }
    n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* Whether nobody but root and the own user can change it. In a sticky directory only the owner of a
 * file can take it away. */
static bool program_is_safe(const struct stat *st)
{
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return false;
    return (st->st_mode & (S_IWGRP | S_IWOTH)) == 0 ||
           (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX));
}

bool program_check(const char *path, char real[PATH_MAX], struct refusal *refusal)
{
    char part[PATH_MAX];
    struct stat st;

    if (path[0] != '/')
        return refusal_say(refusal, "%s: the path of a program has to be absolute", path);
    if (realpath(path, real) == NULL || stat(real, &st) < 0)
        return refusal_errno(refusal, "cannot run %s", path);
    if (!S_ISREG(st.st_mode) || access(real, X_OK) < 0)
        return refusal_say(refusal, "cannot run %s: it is no program", real);
    strcpy(part, real);
    for (char *slash = part + strlen(part); slash;) {
        *slash = '\0';
        if (stat(part[0] ? part : "/", &st) < 0)
            return refusal_errno(refusal, "cannot run %s", real);
        if (!program_is_safe(&st))
            return refusal_say(refusal, "%s is not run: others than root could have changed %s",
                               real, part[0] ? part : "/");
        slash = strrchr(part, '/');
    }
    return true;
}
